"""The format tsv: rows of the same number of fields, and figures that keep their precision."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnlm_cli.score.score import Score, TextScore, TokenScore, WordScore

FOUR_NATS = Score(nats=4.0, num_predicted=2, num_characters=4, num_bytes=8, unigram_nats=7.0)
UNKNOWN = Score(nats=0.0, num_characters=3, num_bytes=3, num_unknown=2, num_unscored=2)
LETTERS = ["a", " ", "\t", "\n", "\r", "\x1f", "\x85", "\u2028", "\u00e9", "\udcff", '"', "\\"]


def read(lines):
    """Return the rows as dictionaries. Every row must have as many fields as the header."""
    header, *rows = [line.split("\t") for line in lines]
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_each_text_has_a_row_under_the_header(write):
    lines, messages = write(
        "tsv", TextScore("a b", FOUR_NATS, True), TextScore("c", UNKNOWN, False)
    )
    assert lines[0].split("\t") == [
        "sentence", "ln_p", "log10_p", "tokens", "perplexity", "bits_per_char", "bits_per_byte",
        "unknown", "unscored", "closing", "text",
    ]
    first, second = read(lines)
    assert first == {
        "sentence": "1", "ln_p": "-4", "log10_p": "-1.73717793", "tokens": "2",
        "perplexity": "7.3890561", "bits_per_char": "1.44269504", "bits_per_byte": "0.72134752",
        "unknown": "0", "unscored": "0", "closing": "true", "text": "a b",
    }
    assert second == {
        "sentence": "2", "ln_p": "0", "log10_p": "0", "tokens": "0", "perplexity": "NA",
        "bits_per_char": "NA", "bits_per_byte": "NA", "unknown": "2", "unscored": "2",
        "closing": "false", "text": "c",
    }
    assert messages == [
        "total: 2 texts, ln p -4.0000, perplexity 7.3891 over 2 predicted tokens; "
        "left out 2 unknown tokens without probability"
    ]


def test_normalised_and_adapted_figures_have_columns_if_they_are_asked_for(write):
    texts = (
        TextScore("a", FOUR_NATS, False, adapted=Score(nats=2.0, num_predicted=2)),
        TextScore("b", Score(), False),
    )
    lines, _ = write("tsv", *texts, normalize="slor", adapted=True, document=True)
    names = lines[0].split("\t")
    assert names[2:5] == ["log10_p", "normalized", "tokens"]
    assert names[-4:] == ["closing", "adapted_ln_p", "adapted_perplexity", "text"]
    rows = read(lines)
    assert [row["normalized"] for row in rows] == ["1.5", "NA"]
    assert [row["adapted_ln_p"] for row in rows] == ["-2", "NA"]
    assert [row["adapted_perplexity"] for row in rows] == ["2.71828183", "NA"]


def test_each_word_has_a_row_with_its_figures_in_bits(write):
    words = (
        WordScore("caf\u00e9", 1, 1, math.log(8), math.log(4), 3, False),
        WordScore("x", 2, 1, None, math.log(2), None, True),
    )
    text = TextScore("f", Score(), False, None, words)
    lines, _ = write("tsv", text, text, unit="words")
    assert lines[0] == "sentence\tword_number\tword\tsurprisal_bits\tentropy_bits\trank\tlength"
    rows = [line.split("\t") for line in lines[1:]]
    assert [row[0] for row in rows] == ["1", "1", "2", "2"]
    assert rows[0][1:] == ["1", "caf\u00e9", "3", "2", "3", "4"]
    assert rows[1][1:] == ["1", "x", "NA", "1", "NA", "1"]
    lines, _ = write("tsv", text, unit="words", document=True)
    assert [row["sentence"] for row in read(lines)] == ["1", "2"]


def test_each_token_has_a_row_and_white_space_is_escaped(write):
    names = ["a", " ", "\n", "\t", " the", "\u3000", "\udcff", "b"]
    tokens = [TokenScore(name, math.log(2), False) for name in names]
    tokens[0] = TokenScore("a", None, True, 0, entropy=math.log(16))
    tokens[-1] = TokenScore("b", math.log(2), False, 5, entropy=math.log(4), rank=7)
    lines, _ = write("tsv", TextScore("a", Score(), False, tokens), unit="tokens")
    assert lines[0] == "sentence\ttoken_number\ttoken\tsurprisal_bits\tentropy_bits\trank\tlength"
    rows = read(lines)
    assert [row["token"] for row in rows] == [
        "a", r"\x20", r"\n", r"\t", " the", r"\u3000", r"\udcff", "b"
    ]
    assert [row["length"] for row in rows] == ["1", "1", "1", "1", "4", "1", "1", "1"]
    assert lines[1].split("\t")[3:6] == ["NA", "4", "NA"]
    assert lines[2].split("\t")[3:6] == ["1", "NA", "NA"]
    assert lines[-1].split("\t")[3:6] == ["1", "2", "7"]


def test_tokens_of_a_document_are_numbered_in_their_lines(write):
    tokens = [TokenScore(name, 1.0, False) for name in ("a", "b", "\n", "\n", "c")]
    text = TextScore("f", Score(), False, tokens)
    lines, _ = write("tsv", text, unit="tokens", document=True)
    assert [(row["sentence"], row["token_number"]) for row in read(lines)] == [
        ("1", "1"), ("1", "2"), ("1", "3"), ("2", "1"), ("3", "1")
    ]


@given(name=st.text(st.sampled_from(LETTERS)))
def test_every_row_is_one_line_with_the_fields_of_the_header(write, name):
    text = TextScore(
        name, FOUR_NATS, False, [TokenScore(name, 1.0, False)],
        [WordScore(name, 1, 1, 1.0, 1.0, 1, False)],
    )
    for unit in (None, "words", "tokens"):
        lines, _ = write("tsv", text, unit=unit)
        assert len(read(lines)) == 1
        assert all(len(line.splitlines()) == 1 for line in lines)


@given(bits=st.floats(0, 2.0**100, width=32, allow_subnormal=False))
def test_figures_restore_a_float32(write, bits):
    score = Score(nats=bits, num_predicted=1)
    (row,) = read(write("tsv", TextScore("a", score, False))[0])
    assert np.float32(row["ln_p"]) == np.float32(-bits)
    assert not row["ln_p"].startswith("-0") or "." in row["ln_p"]


def test_a_perplexity_beyond_a_float_is_inf(write):
    (row,) = read(write("tsv", TextScore("a", Score(nats=1e6, num_predicted=2), True))[0])
    assert row["perplexity"] == "inf"


@pytest.mark.parametrize("unit", ["tokens", "words"])
def test_rows_of_words_and_tokens_need_their_scores(write, unit):
    with pytest.raises(AssertionError):
        write("tsv", TextScore("a", FOUR_NATS, True), unit=unit)
