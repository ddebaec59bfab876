"""Rows: where a sample ends, which text it shows, and its random numbers."""

from itertools import islice

import numpy as np
import pytest

from rnnlm_cli.config import SampleConfig, TextConfig
from rnnlm_cli.generate.row import Row, iter_uniforms
from rnnlm_cli.text.vocabulary import Vocabulary

CHARS = Vocabulary("char", ("<unk>", "\n", *"abcde"))
BYTES = Vocabulary.build([], 0, TextConfig(level="byte"))
EURO = "\u20ac".encode()  # e2 82 ac
NO_PROMPT = np.array([], np.int32)


def make_row(vocabulary=CHARS, *, prompt=NO_PROMPT, **settings):
    return Row(0, SampleConfig(**settings), prompt, vocabulary.make_decoder())


def ids_of(text):
    """Return the token ids of characters, or of bytes."""
    if isinstance(text, str):
        return CHARS.encode(text).tolist()
    return [BYTES.tokens.index(bytes([b]).decode("utf-8", "surrogateescape")) for b in text]


def add_all(row, text):
    """Add tokens until the row ends. Returns the pieces."""
    pieces = []
    for token in ids_of(text):
        assert row.stop_reason is None
        pieces.append(row.add(token))
    return pieces


@pytest.mark.parametrize(
    ("settings", "text", "pieces", "reason"),
    [
        ({"num_tokens": 3}, "abc", ["a", "b", "c"], "length"),
        ({"num_tokens": 3}, "a\nb", ["a", "\n", "b"], "length"),
        ({"stop": ("bd",)}, "abcabd", ["a", "", "bc", "a", "", ""], "stop"),
        ({"stop": ("bd",), "num_tokens": 3}, "abd", ["a", "", ""], "stop"),
        ({"stop": ("bd",), "num_tokens": 2}, "ab", ["a", "b"], "length"),
        ({"stop": ("b\n",), "lines": 1}, "ab\n", ["a", "", ""], "stop"),
        ({"stop": ("\nb",), "lines": 1}, "a\n", ["a", "\n"], "lines"),
        ({"lines": 2}, "a\nb\n", ["a", "\n", "b", "\n"], "lines"),
        ({"lines": 2, "num_tokens": 2}, "\n\n", ["\n", "\n"], "lines"),
        ({"until_end": True}, "ab\n", ["a", "b", ""], "end"),
        ({"until_end": True, "num_tokens": 2}, "ab", ["a", "b"], "length"),
        ({"until_end": True, "stop": ("bd",)}, "ab\n", ["a", "", "b"], "end"),
        ({"num_tokens": 4}, b"a" + EURO, ["a", "", "", "\u20ac"], "length"),
        ({"num_tokens": 3}, b"a" + EURO[:2], ["a", "", "\ufffd\ufffd"], "length"),
        ({"until_end": True}, EURO[:1] + b"\n", ["", "\ufffd"], "end"),
        ({"num_tokens": 3, "stop": ("a\u20ac",)}, b"a" + EURO[:2], ["", "", "a\ufffd\ufffd"],
         "length"),
        ({"num_tokens": 2, "stop": ("a\ufffd",)}, b"a" + EURO[:1], ["", ""], "stop"),
    ],
)
def test_a_row_shows_its_text_and_says_why_it_ends(settings, text, pieces, reason):
    row = make_row(CHARS if isinstance(text, str) else BYTES, **settings)
    assert add_all(row, text) == pieces
    sample = row.make_sample(with_log_p=False)
    assert (sample.text, sample.stop_reason) == ("".join(pieces), reason)
    assert sample.token_ids == ids_of(text)  # with those of the stop string and the boundary


def test_an_interrupted_row_shows_what_it_holds_back():
    row = make_row(BYTES, stop=("b\ufffd!",))
    assert add_all(row, b"ab" + EURO[:1]) == ["a", "", ""]
    assert row.interrupt() == "b\ufffd"
    sample = row.make_sample(with_log_p=False)
    assert (sample.text, sample.stop_reason) == ("ab\ufffd", "interrupted")
    assert sample.num_replaced == 1


@pytest.mark.parametrize("rest", [
    EURO[2:] + b"b", b"c", EURO[2:] + b"\n", EURO[2:] + b"cd",  # stop, stop, lines, length
])
def test_a_copy_continues_independently_of_the_row(rest):
    """The copy is made where a character is not complete, and a text is held back."""
    settings = {"stop": ("\u20acb", "x\ufffd"), "lines": 2, "num_tokens": 7, "repeat_penalty": 2.0}
    prompt = np.array(ids_of(b"p"), np.int32)
    begun = make_row(BYTES, prompt=prompt, **settings)
    add_all(begun, b"\nx" + EURO[:2])
    copied, other = begun.copy(), begun.copy()
    begun.add(ids_of(b"z")[0])
    for row in (copied, other):
        expected = make_row(BYTES, prompt=prompt, **settings)
        for token in ids_of(b"\nx" + EURO[:2] + rest):
            if expected.stop_reason is None:
                expected.add(token)
        for token in ids_of(rest):
            if row.stop_reason is None:
                row.add(token)
        assert row.make_sample(with_log_p=True) == expected.make_sample(with_log_p=True)
        assert row.history.tokens.tolist() == [*prompt, *row.token_ids]


def test_a_history_has_the_prompt_and_all_tokens():
    prompt = np.arange(3, dtype=np.int32)
    row = make_row(prompt=prompt, no_repeat_ngram=2)
    for token in [2, 3, 4] * 50:
        row.add(token)
    assert row.history.tokens.tolist() == [0, 1, 2, *[2, 3, 4] * 50]
    assert prompt.tolist() == [0, 1, 2]
    assert make_row(prompt=prompt).history is None  # no filter needs it


@pytest.mark.parametrize(("seed", "index"), [(0, 0), (3, 0), (3, 1)])
def test_the_uniform_numbers_are_those_of_philox_one_after_the_other(seed, index):
    generator = np.random.Generator(np.random.Philox(key=[seed, index]))
    expected = [generator.random() for _ in range(2500)]
    assert list(islice(iter_uniforms(seed, index), 2500)) == expected
