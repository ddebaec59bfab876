"""The part of a text that each token stands for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnlm_cli.config import TextConfig
from rnnlm_cli.text.pieces import join_bytes, split_pieces
from rnnlm_cli.text.vocabulary import Vocabulary

LEVELS = ("char", "byte", "word", "bpe")


def build(level):
    text = "to be, or not to be: that is the question\n" * 5
    return Vocabulary.build([text], len(text), TextConfig(level=level))


VOCABULARIES = {level: build(level) for level in LEVELS}


@pytest.mark.parametrize("level", LEVELS)
@given(text=st.text(st.sampled_from("tobe ,\n\t\r\u00a0\u2028\u00e9\u20ac\U0001f600"), max_size=20))
def test_there_is_a_piece_for_every_token_and_they_spell_the_text(level, text):
    pieces = split_pieces(VOCABULARIES[level], text)
    assert len(pieces) == len(VOCABULARIES[level].encode(text))
    joined = "".join(pieces)
    if level == "word":  # white space after the last token belongs to none
        assert text.startswith(joined) and not text[len(joined) :].strip()
    else:
        assert joined == text


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a\u20acb", ["a", "\u20ac", "", "", "b"]),
        ("\u00e9\n", ["\u00e9", "", "\n"]),
        ("a\udcff\u00e9", ["a", "\ufffd", "\u00e9", ""]),
        ("\udce2\udc82x", ["\ufffd", "", "x"]),
        ("x\udce2\udc82", ["x", "\ufffd", ""]),
    ],
)
def test_a_character_belongs_to_the_first_of_its_bytes(text, pieces):
    tokens = VOCABULARIES["byte"].split(text)
    assert join_bytes(tokens) == split_pieces(VOCABULARIES["byte"], text) == pieces


def test_white_space_belongs_to_the_word_or_the_newline_after_it():
    pieces = split_pieces(VOCABULARIES["word"], "  to\tbe \n\n or  ")
    assert pieces == ["  to", "\tbe", " \n", "\n", " or"]
