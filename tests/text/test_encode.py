"""Encoded parts: the validation split, and the ids of a text that is read in chunks."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rnnlm_cli.config import TextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.text import encode as encoding
from rnnlm_cli.text import raw_bytes
from rnnlm_cli.text.cache import Cache
from rnnlm_cli.text.corpus import load_corpus
from rnnlm_cli.text.sources import Sources
from rnnlm_cli.text.vocabulary import Vocabulary

TEXT = (
    "to be, or not to be: caf\u00e9 \u20ac1 \U0001f600\n\n  that is\tthe question, the\u2028the\n"
    "not\x1cto be\rthat \u4e00\u4e00 or\n"
) * 3 + "to be or not"
OTHER = "not to be, \u4e00 ~~\nthe question"


def test_validation_is_the_last_tenth_of_the_characters(corpus):
    text = "ab\n" * 333  # 999 characters: int(0.9 N) = 899
    parts = corpus(text)
    assert (parts.train.num_characters, parts.valid.num_characters) == (899, 100)
    assert len(parts.train.tokens_N) == 899 and parts.test is None


def test_sentences_are_split_at_the_next_newline(corpus):
    line = "aa bb cc\n"
    # The cut is at a newline, inside a line, inside the last line.
    for num_lines, num_trained in ((10, 9), (15, 14), (4, 3)):
        parts = corpus(line * num_lines, text="sentences")
        assert parts.train.num_characters == len(line) * num_trained
        assert parts.valid.num_characters == len(line) * (num_lines - num_trained)


def test_the_vocabulary_is_built_from_the_training_part_only(corpus):
    parts = corpus("ab" * 90 + "xya" * 7)  # int(0.9 N) = 180
    assert parts.vocabulary.tokens == ("<unk>", "\n", "a", "b")
    assert parts.valid.tokens_N[:6].tolist() == [0, 0, 2, 0, 0, 2]


def test_validation_and_test_texts_can_be_separate_files(corpus):
    parts = corpus("ab\n" * 20, valid="ba", test="aab")
    assert len(parts.train.tokens_N) == 60
    assert parts.valid.tokens_N.tolist() == [3, 2]
    assert parts.test.tokens_N.tolist() == [2, 2, 3]


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("", {}, "is empty"),
        ("short", {}, "at least 16"),
        ("one line of many words " * 9, {"level": "word"}, "is one line"),
        ("ab\n" * 20, {"valid": ""}, "contains no token"),
        ("ab\n" * 20, {"valid": "ab", "test": ""}, "contains no token"),
        ("ab\n" * 20, {"valid": "xyz"}, "contains no token"),
    ],
)
def test_too_little_text_is_an_error(corpus, text, settings, message):
    with pytest.raises(TextError, match=message):
        corpus(text, **settings)


def find_cut(text, config):
    """Return where validation begins, computed from the whole text."""
    cut = int((1 - config.valid_fraction) * len(text))
    if not config.sentences:
        return cut
    inner = text.rfind("\n", 0, len(text) - 1)
    found = text.find("\n", max(cut - 1, 0))
    return (found if 0 <= found < len(text) - 1 else inner) + 1


@pytest.mark.parametrize("chunk_bytes", [1, 3, 1 << 20])
@pytest.mark.parametrize("separate_valid", [False, True])
@pytest.mark.parametrize(
    "config",
    [
        {"level": "char"}, {"level": "char", "text": "sentences", "vocab_size": 9},
        {"level": "byte"}, {"level": "word"}, {"level": "word", "text": "running"},
        {"level": "bpe", "vocab_size": 270}, {"level": "bpe", "text": "sentences"},
    ],
    ids=lambda config: "-".join(map(str, config.values())),
)
def test_parts_have_the_ids_of_the_text_encoded_at_once(
    tmp_path, cache, monkeypatch, config, separate_valid, chunk_bytes
):
    monkeypatch.setattr(raw_bytes, "CHUNK_BYTES", chunk_bytes)
    config = TextConfig(**config)
    names = []
    for number, piece in enumerate((TEXT[:50], "", TEXT[50:100] + "\n", TEXT[100:])):
        names.append(str(tmp_path / str(number)))
        (tmp_path / str(number)).write_text(piece, "utf-8", newline="")
    (tmp_path / "other").write_text(OTHER, "utf-8", newline="")
    other = (str(tmp_path / "other"),)
    corpus = load_corpus(
        Sources(tuple(names), other if separate_valid else (), other), config, cache=Cache(cache)
    )
    text = f"{TEXT[:50]}\n{TEXT[50:100]}\n{TEXT[100:]}"
    at = len(text) if separate_valid else find_cut(text, config)
    vocabulary = Vocabulary.build([text[:at]], at, config)
    assert corpus.vocabulary == vocabulary
    texts = {"train": text[:at], "valid": OTHER if separate_valid else text[at:], "test": OTHER}
    for name, whole in texts.items():
        part = getattr(corpus, name)
        assert part.tokens_N.tolist() == vocabulary.encode(whole).tolist(), name
        assert part.num_characters == len(whole)
    counts = np.bincount(corpus.train.tokens_N, minlength=len(vocabulary))
    assert corpus.counts_V.tolist() == counts.tolist()


@settings(deadline=None)
@given(st.text(st.sampled_from("ab\n"), min_size=1, max_size=40),
       st.sampled_from([0.01, 0.1, 0.5, 0.9, 0.99]), st.booleans(), st.sampled_from([1, 7]))
def test_validation_begins_at_the_same_place_for_any_chunks(text, fraction, sentences, chunk_bytes):
    config = TextConfig(
        min_count=1, valid_fraction=fraction, text="sentences" if sentences else "running"
    )
    at = find_cut(text, config)
    assume(at > 0)  # a training part of at least 16 tokens is required
    problem = None
    if sentences and "\n" not in text[:-1]:
        problem = "is one line"
    elif not set(text[at:]) & {*text[:at], "\n"}:
        problem = "contains no token"
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(raw_bytes, "CHUNK_BYTES", chunk_bytes)
        patch.setattr(encoding, "MIN_TRAINING_TOKENS", 0)
        path = Path(folder, "text")
        path.write_text(text, "utf-8", newline="")
        cache = Cache(Path(folder, "cache"))
        if problem is not None:
            with pytest.raises(TextError, match=problem):
                load_corpus(Sources((str(path),)), config, cache=cache)
            return
        corpus = load_corpus(Sources((str(path),)), config, cache=cache)
    assert (corpus.train.num_characters, corpus.valid.num_characters) == (at, len(text) - at)


@pytest.mark.parametrize(
    ("num_characters", "dtype"),
    [(20, "uint8"), (254, "uint8"), (255, "uint16"), (65534, "uint16"), (65535, "uint32")],
)
def test_tokens_have_the_smallest_dtype_that_holds_the_vocabulary(corpus, num_characters, dtype):
    text = "".join(map(chr, range(0x20000, 0x20000 + num_characters)))
    loaded = corpus(text, valid=text, min_count=1)  # <unk> and the boundary come on top
    assert len(loaded.vocabulary) == num_characters + 2
    assert loaded.train.tokens_N.dtype == dtype
    assert loaded.train.tokens_N.tolist() == list(range(2, num_characters + 2))
