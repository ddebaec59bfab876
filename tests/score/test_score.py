"""Score: sums that add up, and the means derived from them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnlm_cli.score.score import Score, TextScore, compute_perplexity

TOKENS = np.array([3, 0, 4, 0, 1])
NATS = np.array([1.0, 2.0, 4.0, 8.0, 16.0])

tokens_with_nats = st.lists(
    st.tuples(st.integers(0, 4), st.floats(0, 50, allow_subnormal=False), st.booleans()),
    max_size=30,
)


def sum_tokens(tokens, *, text=""):
    """Sum (id, nats, is_scored) triples. A known token is always scored."""
    ids = np.array([token for token, _, _ in tokens], np.int32)
    nats = np.array([nats for _, nats, _ in tokens], np.float64)
    scored = np.array([token != 0 or scored for token, _, scored in tokens], np.bool_)
    return Score.from_tokens(nats, ids, scored, text=text)


def test_scored_unknown_tokens_are_part_of_the_sum():
    score = Score.from_tokens(NATS, TOKENS, np.full(5, True), text="a" * 9)
    assert score == Score(
        nats=31.0, num_predicted=5, num_characters=9, num_bytes=9, num_unknown=2, unknown_nats=10.0
    )
    assert score.num_read == 5
    assert score.nats_per_token == pytest.approx(31 / 5)
    assert score.perplexity == pytest.approx(math.exp(31 / 5))
    assert score.perplexity_without_unknown == pytest.approx(math.exp(21 / 3))
    assert score.log10_prob == pytest.approx(-31 / math.log(10))
    assert score.bits_per_character == pytest.approx(31 / math.log(2) / 9)


def test_tokens_without_probability_are_counted_and_left_out_of_the_sum():
    nats = np.where(TOKENS == 0, np.inf, NATS)
    score = Score.from_tokens(nats, TOKENS, TOKENS != 0)
    assert score == Score(nats=21.0, num_predicted=3, num_unknown=2, num_unscored=2)
    assert score.num_read == 5
    assert score.perplexity == score.perplexity_without_unknown == pytest.approx(math.exp(7))


@pytest.mark.parametrize("score", [Score(), Score(num_unknown=2, num_unscored=2)])
def test_nothing_predicted_has_a_sum_but_no_mean(score):
    assert score.nats == 0 and math.copysign(1, score.log10_prob) == 1
    assert math.isnan(score.nats_per_token)
    assert score.perplexity is score.perplexity_without_unknown is None
    assert score.bits_per_character is None


def test_only_unknown_tokens_predicted_have_no_perplexity_without_them():
    score = Score(nats=4.0, num_predicted=2, num_unknown=2, unknown_nats=4.0)
    assert score.perplexity == pytest.approx(math.exp(2))
    assert score.perplexity_without_unknown is None


def test_bits_per_character_need_the_number_of_characters():
    assert Score(nats=4.0, num_predicted=2).bits_per_character is None


def test_perplexity_beyond_a_float_is_infinity():
    assert compute_perplexity(1e6) == Score(nats=1e6, num_predicted=1).perplexity == math.inf
    assert compute_perplexity(2.0) == math.exp(2)


@given(tokens_with_nats, tokens_with_nats)
def test_scores_of_parts_add_up_to_the_score_of_the_whole(first, second):
    total = sum_tokens(first, text="abc") + sum_tokens(second, text="d\u00e9fg")
    whole = sum_tokens(first + second, text="abcd\u00e9fg")
    counts = (
        "num_predicted", "num_characters", "num_bytes", "num_unknown", "num_unscored", "num_read",
    )
    for name in counts:
        assert getattr(total, name) == getattr(whole, name)
    assert total.nats == pytest.approx(whole.nats)
    assert total.unknown_nats == pytest.approx(whole.unknown_nats)
    assert total.nats_per_token == pytest.approx(whole.nats_per_token, nan_ok=True)


@given(tokens_with_nats)
def test_the_empty_score_is_the_zero_of_the_sum(tokens):
    score = sum_tokens(tokens, text="abcde")
    assert score + Score() == Score() + score == sum([score], Score()) == score


def test_a_text_score_gives_the_figures_of_its_score():
    score = Score(nats=4.0, num_predicted=2, num_characters=5)
    text = TextScore("a b", score, closing=True)
    for name in ("nats", "log10_prob", "perplexity", "bits_per_character"):
        assert getattr(text, name) == getattr(score, name)
