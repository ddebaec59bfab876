"""Minimal pairs: the formats of their files, the judgement of a known model, the interval."""

import gzip
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.model_file import Model
from rnnlm_cli.score import sentences as room
from rnnlm_cli.score.pairs import (
    Pair,
    PairCounts,
    compute_wilson_interval,
    count_pairs,
    read_pairs,
    score_pairs,
)
from rnnlm_cli.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary("char", ("<unk>", "\n", *"abcde"))
COUNTS_V = np.array([0, 2, 31, 15, 7, 3, 1])  # the newline, then "a" to "e", ever rarer
TOTAL = (COUNTS_V[1:] + 1).sum()


@pytest.fixture
def model(make_network):
    """A model of independent letters: p = (count + 1) / TOTAL, whatever is before."""
    network = make_network(unknown_trained=False)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.output_bias.copy_(torch.tensor(np.log(COUNTS_V + 1)))
    return LanguageModel(Model(network, VOCABULARY, False, "utf-8", {}, COUNTS_V))


def ln_p(text):
    return sum(math.log((COUNTS_V[VOCABULARY.tokens.index(each)] + 1) / TOTAL) for each in text)


def judge(model, *pairs, **options):
    given = [Pair(good, bad, "g") for good, bad in pairs]
    scores = list(score_pairs(model, given, **options))
    assert [score.pair for score in scores] == given
    return scores


def results(model, *pairs, **options):
    return [score.result for score in judge(model, *pairs, **options)]


@pytest.fixture
def read(tmp_path):
    """Reads the pairs of a text."""

    def call(text, *, encoding="utf-8", name="pairs"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
        pairs = read_pairs(str(path), encoding=encoding, default_group="-")
        return [(pair.good, pair.bad, pair.group) for pair in pairs]

    return call


def test_the_sentence_that_is_likelier_by_construction_is_preferred(model):
    pairs = [("aab", "aac"), ("ed", "ec"), ("abc", "abca"), ("abca", "abc"), ("eeeee", "c")]
    scores = judge(model, *pairs)
    assert [score.result for score in scores] == ["right", "wrong", "right", "wrong", "wrong"]
    differences = [ln_p(good) - ln_p(bad) for good, bad in pairs]
    assert [score.difference for score in scores] == pytest.approx(differences, rel=1e-5)


def test_equal_sentences_and_equal_probabilities_are_ties(model):
    assert results(model, ("abc", "abc"), ("abcde", "edcba"), ("ab", "aab")) == [
        "tie", "tie", "right"
    ]


def test_a_difference_beyond_the_rounding_is_no_tie(model):
    def make_likelier(difference):
        with torch.no_grad():  # ln p of every letter is -1.8, and that of "a" is a little higher
            model.network.output_bias.zero_()
            model.network.output_bias[2] = difference

    make_likelier(1e-5)
    assert results(model, ("aaaa", "bbbb"), ("bb", "aa")) == ["right", "wrong"]
    make_likelier(1e-6)
    assert results(model, ("aaaa", "bbbb"), ("bb", "aa")) == ["tie", "tie"]


def test_normalised_by_length_a_longer_sentence_loses_nothing(model):
    pairs = [("aa", "a"), ("aab", "b"), ("b", "ab")]
    assert results(model, *pairs) == ["wrong", "wrong", "right"]
    for how in ("token", "char"):
        assert results(model, *pairs, normalize=how) == ["tie", "right", "wrong"]
    (score,) = judge(model, ("aab", "b"), normalize="token")
    assert score.difference == pytest.approx(ln_p("aab") / 3 - ln_p("b"), rel=1e-5)


def test_slor_makes_ties_of_sentences_whose_words_explain_all(model):
    assert results(model, ("aaa", "e"), ("edc", "ab"), normalize="slor") == ["tie", "tie"]
    with torch.no_grad():
        model.network.output_bias[6] += 1  # now "e" is likelier than its frequency
    assert results(model, ("aaa", "e"), ("edc", "ab"), normalize="slor") == ["wrong", "right"]


def test_the_closing_boundary_counts_if_it_is_predicted(model):
    (plain,) = judge(model, ("a", "e"), normalize="token")
    (closed,) = judge(model, ("a", "e"), normalize="token", closing=True)
    assert closed.difference == pytest.approx(plain.difference / 2, rel=1e-5)


def test_a_sentence_without_any_probability_makes_a_tie_without_difference(model):
    scores = judge(model, ("x", "a"), ("a", "xx"), ("ax", "bxx"), ("a", "b"))
    assert [score.result for score in scores] == ["tie", "tie", "right", "right"]
    assert [score.difference is None for score in scores] == [True, True, False, False]
    assert [score.num_unscored for score in scores] == [1, 1, 2, 0]


@pytest.mark.parametrize("size", [1, 3, 4])
def test_pairs_are_judged_alike_in_batches_of_any_size(model, monkeypatch, size):
    pairs = [("abcde"[k % 5] * (k % 3 + 1), "edcba"[k % 4]) for k in range(40)]
    whole = judge(model, *pairs)
    monkeypatch.setattr(room, "MAX_BATCH_SENTENCES", size)
    pieces = judge(model, *pairs)
    assert [score.result for score in pieces] == [score.result for score in whole]


def test_the_first_judgements_come_before_the_last_pairs_are_read(model, monkeypatch):
    monkeypatch.setattr(room, "MAX_BATCH_SENTENCES", 6)
    num_read = 0

    def read_endlessly():
        nonlocal num_read
        while True:
            num_read += 1
            yield Pair("a", "b", "g")

    scores = score_pairs(model, read_endlessly())
    for num_scored in range(1, 100):
        next(scores)
        assert num_scored <= num_read <= num_scored + 3


def test_counts_are_those_of_each_group_in_order_and_of_all(model):
    pairs = [("a", "b", "z"), ("b", "a", "y"), ("c", "c", "z"), ("x", "a", "z"), ("a", "e", "y")]
    groups, total = count_pairs(score_pairs(model, [Pair(*pair) for pair in pairs]))
    assert list(groups.items()) == [
        ("z", PairCounts(num_pairs=3, num_right=1, num_ties=2, num_unscored=1)),
        ("y", PairCounts(num_pairs=2, num_right=1)),
    ]
    assert total == PairCounts(num_pairs=5, num_right=2, num_ties=2, num_unscored=1)
    assert total.accuracy == 0.4


@pytest.mark.parametrize(("num_right", "num_pairs", "low", "high"), [
    (8, 10, 0.4902, 0.9433),
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3
    (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
])
def test_the_interval_has_the_published_bounds(num_right, num_pairs, low, high):
    counts = PairCounts(num_pairs=num_pairs, num_right=num_right)
    assert counts.interval == pytest.approx((low, high), abs=5e-5)


@given(num_pairs=st.integers(1, 100_000), share=st.floats(0, 1, allow_subnormal=False))
def test_the_bounds_are_the_proportions_that_a_two_sided_test_just_accepts(num_pairs, share):
    num_right = round(num_pairs * share)
    p = num_right / num_pairs
    low, high = compute_wilson_interval(num_right, num_pairs)
    assert 0 <= low <= p <= high <= 1
    for bound in (low, high):
        if 0 < bound < 1:
            assert (p - bound) ** 2 == pytest.approx(
                1.959964**2 * bound * (1 - bound) / num_pairs, rel=1e-5, abs=1e-15
            )


@pytest.mark.parametrize(("text", "expected"), [
    ('{"sentence_good": "a b", "sentence_bad": "b a", "UID": "u", "field": "syntax", "n": 1}',
     [("a b", "b a", "u")]),
    ('{"sentence_bad": "d", "sentence_good": "c", "group": "v"}', [("c", "d", "v")]),
    ('{"sentence_good": "c", "sentence_bad": "d", "group": "v", "UID": "u"}', [("c", "d", "u")]),
    ('{"sentence_good": "c", "sentence_bad": "d", "group": "v", "UID": null}', [("c", "d", "v")]),
    ('{"sentence_good": "c", "sentence_bad": "d", "group": "v", "UID": ""}', [("c", "d", "v")]),
    ('{"sentence_good": "c", "sentence_bad": "d", "group": ""}', [("c", "d", "-")]),
    ('\n  {"sentence_good": "\\u00e9", "sentence_bad": " d "}\n\n', [("\u00e9", " d ", "-")]),
    ("c d\td c", [("c d", "d c", "-")]),
    ("\n \nc\td\tu\n\t\ne\tf\t\n", [("c", "d", "u"), ("e", "f", "-")]),
    ("good\tbad\nc\td", [("c", "d", "-")]),
    ("good\tbad\tgroup\nc\td\tu", [("c", "d", "u")]),
    ("Sentence_Good\tSentence_Bad\tUID\nc\td\tu", [("c", "d", "u")]),
    ("c\td\ngood\tbad", [("c", "d", "-"), ("good", "bad", "-")]),
    ('c\td\n{"\t}', [("c", "d", "-"), ('{"', "}", "-")]),
])
def test_files_of_each_format(read, text, expected):
    assert read(text) == expected


def test_files_that_are_compressed_or_come_from_windows(read):
    assert read(gzip.compress(b"a\tb\n"), name="pairs.gz") == [("a", "b", "-")]
    for encoding in ("utf-8", None):  # None is byte level, where nothing is removed on the way
        assert read(b"\xef\xbb\xbfa\tb\r\nc\td\tu\r\n", encoding=encoding) == [
            ("a", "b", "-"), ("c", "d", "u")
        ]


def test_bytes_that_are_not_utf_8_are_kept_at_byte_level(read):
    assert read(b"caf\xe9\tb\n", encoding=None) == [("caf\udce9", "b", "-")]
