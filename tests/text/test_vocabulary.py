"""Tokens and ids at every level."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnlm_cli.config import TextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.text.vocabulary import Vocabulary, require_known

TEXT = "to be or not\nto be  b\n"


def build(text=TEXT, **settings):
    return Vocabulary.build([text], len(text), TextConfig(**settings))


def test_characters_are_ordered_by_falling_count_then_code_point():
    # 7 spaces (two together), o 4, t 3, b 3, e 2; n and r once, so unknown
    assert build().tokens == ("<unk>", "\n", " ", "o", "b", "t", "e")
    assert np.count_nonzero(build().encode(TEXT) == 0) == 2


@pytest.mark.parametrize("size", [1, 3, 7])
def test_pieces_of_any_size_give_the_same_characters_and_ids(monkeypatch, size):
    whole, ids = build(), build().encode(TEXT + "xyz")
    monkeypatch.setattr("rnnlm_cli.text.counting.PIECE_CHARACTERS", size)
    assert build() == whole and build().encode(TEXT + "xyz").tolist() == ids.tolist()


def test_words_are_split_at_white_space_and_rare_words_are_unknown():
    vocabulary = build(level="word")
    assert vocabulary.tokens == ("<unk>", "\n", "be", "to")
    assert vocabulary.encode(TEXT).tolist() == [3, 2, 0, 0, 1, 3, 2, 0, 1]


def test_min_count_one_keeps_everything_and_vocab_size_the_most_frequent():
    assert 0 not in build(level="word", min_count=1).encode(TEXT)
    assert build(level="word", min_count=1, vocab_size=3).tokens == ("<unk>", "\n", "be")


def test_a_literal_unk_is_the_unknown_token_at_word_level_only():
    vocabulary = build("<unk> a a <unk>\n", level="word")
    assert vocabulary.tokens == ("<unk>", "\n", "a")
    assert vocabulary.encode("<unk> a").tolist() == [0, 2]
    assert 0 not in build("<unk><unk>", min_count=1).encode("<unk>")


def test_byte_level_knows_all_bytes_and_counts_no_unknowns():
    vocabulary = build("", level="byte")
    assert len(vocabulary) == 257
    assert vocabulary.encode("\n")[0] == 1
    assert 0 not in vocabulary.encode("".join(map(chr, range(300))))


@given(st.text(st.characters(codec="utf-8")))
def test_char_and_byte_round_trips_are_exact(text):
    for vocabulary in (build(text, min_count=1), build(text, level="byte")):
        decoder = vocabulary.make_decoder()
        assert decoder.feed(vocabulary.encode(text)) + decoder.finish() == text
        assert decoder.num_replaced == 0
        assert len(vocabulary.split(text)) == len(vocabulary.encode(text))


@given(st.lists(st.lists(st.sampled_from(["a", "bc", "<unk>"])).map(" ".join)).map("\n".join))
def test_word_round_trip_keeps_words_and_lines(text):
    vocabulary = build("a a bc bc", level="word")
    assert vocabulary.make_decoder().feed(vocabulary.encode(text)) == text
    assert len(vocabulary.split(text)) == len(vocabulary.encode(text))


@pytest.mark.parametrize("level", ["char", "byte", "word"])
def test_a_dict_round_trip_restores_the_vocabulary(level):
    vocabulary = build("caf\u00e9 caf\u00e9\n", level=level)
    assert Vocabulary.from_dict(vocabulary.to_dict()) == vocabulary


@pytest.mark.parametrize(
    "change",
    [{"tokens": ["a", "b"]}, {"tokens": ["<unk>", "\n", "a", "a"]}, {"level": "bits"},
     {"tokens": ["<unk>", "\n", 3]}, {"level": "byte"},
     {"tokens": ["<unk>", "\n", "ab"]}],
)
def test_data_that_is_no_vocabulary_is_refused(change):
    with pytest.raises(ValueError):
        Vocabulary.from_dict(build().to_dict() | change)


def test_unknown_characters_of_any_code_point_get_id_zero():
    vocabulary = build("aa")
    assert vocabulary.encode("a\u0000b\U0001f600\udc80").tolist() == [2, 0, 0, 0, 0]


def test_a_decoder_separates_words_and_continues_the_prompt():
    vocabulary = build(level="word")
    be, to = 2, 3
    assert vocabulary.make_decoder().feed([to, be, 1, to]) == "to be\nto"
    assert vocabulary.make_decoder("not").feed([to, be]) == " to be"
    assert vocabulary.make_decoder("not ").feed([to]) == "to"
    assert vocabulary.make_decoder("not\n").feed([to]) == "to"


def test_invalid_utf8_is_replaced_visibly_and_counted():
    vocabulary = build("", level="byte")
    raw = np.frombuffer(b"a\xff\xe2\x82\xaca\xe2\x82", np.uint8)
    tokens = [bytes([value]).decode("ascii", "surrogateescape") for value in raw]
    decoder = vocabulary.make_decoder()
    text = decoder.feed(vocabulary.tokens.index(token) for token in tokens) + decoder.finish()
    assert text == "a\ufffd\u20aca\ufffd\ufffd"
    assert decoder.num_replaced == 3


def test_a_copy_of_a_decoder_completes_a_character_independently():
    vocabulary = build("", level="byte")
    a, first, second, last = (
        vocabulary.tokens.index(bytes([value]).decode("utf-8", "surrogateescape"))
        for value in (ord("a"), 0xe2, 0x82, 0xac)
    )
    decoder = vocabulary.make_decoder()
    assert decoder.feed([a, first, second]) == "a"
    copied = decoder.copy()
    assert decoder.feed([a]) == "\ufffd\ufffda"
    assert copied.feed([last, a]) == "\u20aca"
    assert decoder.copy().feed([last]) == "\ufffd"
    assert (decoder.num_replaced, copied.num_replaced) == (2, 0)


def test_a_copy_of_a_decoder_knows_whether_a_space_follows():
    decoder = build(level="word").make_decoder()
    assert decoder.feed([2]) == "be"
    copied = decoder.copy()
    assert decoder.feed([1, 2]) == "\nbe"
    assert copied.feed([2]) == " be"


def test_unknown_tokens_are_listed_once():
    vocabulary = build()
    assert vocabulary.find_unknown("to xyx\n?") == ["x", "y", "?"]
    with pytest.raises(TextError, match="characters 'x' 'y'"):
        require_known(vocabulary, "xyx", subject="prompt", remedy="...")


def test_an_error_lists_twenty_unknown_tokens_at_most():
    vocabulary = Vocabulary("word", ("<unk>", "\n", "known"))
    text = " ".join(f"word{number}" for number in range(5_000))
    with pytest.raises(TextError, match=r"'word19' and 4,980 more; ...$"):
        require_known(vocabulary, text, subject="prompt", remedy="...")


def test_other_keys_of_a_description_are_ignored():
    """Version 1 counted the unknown tokens of the training text in the vocabulary."""
    vocabulary = build()
    assert Vocabulary.from_dict(vocabulary.to_dict() | {"num_unknown": 3}) == vocabulary


def test_a_byte_vocabulary_that_lacks_a_byte_is_refused():
    data = build(level="byte").to_dict()
    assert Vocabulary.from_dict(data) == build(level="byte")
    data["tokens"][-1] = "\u4e2d"
    with pytest.raises(ValueError, match="tokens"):
        Vocabulary.from_dict(data)
