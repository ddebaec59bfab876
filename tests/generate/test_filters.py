"""Sampling filters: the tokens that they keep, on rows worked by hand."""

import math

import numpy as np
import pytest

from rnnlm_cli.config import SampleConfig
from rnnlm_cli.generate.filters import (
    add_bias,
    apply_history_filters,
    apply_temperature,
    compute_log_p,
    forbid_repeated_ngrams,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    keep_typical,
    penalize_frequency,
    penalize_presence,
    penalize_repetition,
    truncate,
)

TRUNCATIONS = [keep_top_k, keep_typical, keep_top_p, keep_min_p]

# The row that is worked by hand, with two impossible tokens and a tie of tokens 1 and 3.
#
#     token                 0      1     2     3     4     5     6
#     p                     0   1/16   1/2  1/16   1/4   1/8     0
#     surprisal, bits              4     1     4     2     3
#     distance from H          2.125 0.875 2.125 0.125 1.125
#
# The entropy is H = (4 * 1 + 1 * 8 + 4 * 1 + 2 * 4 + 3 * 2) / 16 = 30 / 16 = 1.875 bits.
#
# By probability: 2, 4, 5, 1, 3, with the sums 0.5, 0.75, 0.875, 0.9375, 1.
# By typicality:  4, 2, 5, 1, 3, with the sums 0.25, 0.75, 0.875, 0.9375, 1.
P = [0, 1 / 16, 1 / 2, 1 / 16, 1 / 4, 1 / 8, 0]
ALL = [1, 2, 3, 4, 5]

X = -math.inf  # in the rows below, to keep them aligned


@pytest.fixture(params=[np.float32, np.float64])
def dtype(request):
    return request.param


def logits_of(*rows, dtype=np.float64):
    """Return the logits of rows of probabilities."""
    with np.errstate(divide="ignore"):
        return np.log(np.array(rows, np.float64)).astype(dtype)


def kept_by(keep, logits_BV, setting):
    """Return the ids that a filter keeps in each row; check that their logits are unchanged."""
    before_BV = logits_BV.copy()
    kept_BV = keep(logits_BV, setting)
    np.testing.assert_array_equal(logits_BV, before_BV)
    assert kept_BV.shape == logits_BV.shape and kept_BV.dtype == logits_BV.dtype
    is_kept_BV = kept_BV > -np.inf
    np.testing.assert_array_equal(kept_BV[is_kept_BV], before_BV[is_kept_BV])
    return [np.flatnonzero(row_V).tolist() for row_V in is_kept_BV]


@pytest.mark.parametrize(
    ("keep", "setting", "expected"),
    [
        (keep_top_k, 1, [2]),
        (keep_top_k, 3, [2, 4, 5]),
        (keep_top_k, 4, [1, 2, 4, 5]),  # 1 and 3 are equal
        (keep_top_k, 5, ALL),
        (keep_top_k, 6, ALL),  # the sixth is impossible
        (keep_top_k, 7, ALL),
        (keep_top_k, 99, ALL),
        (keep_typical, 1e-300, [4]),
        (keep_typical, 0.2, [4]),  # not the most probable one
        (keep_typical, 0.3, [2, 4]),
        (keep_typical, 0.8, [2, 4, 5]),
        (keep_typical, 0.9, [1, 2, 4, 5]),
        (keep_typical, 0.95, ALL),
        (keep_top_p, 1e-300, [2]),
        (keep_top_p, 0.45, [2]),
        (keep_top_p, 0.55, [2, 4]),
        (keep_top_p, 0.8, [2, 4, 5]),
        (keep_top_p, 0.9, [1, 2, 4, 5]),
        (keep_top_p, 0.95, ALL),
        (keep_min_p, 1.0, [2]),
        (keep_min_p, 0.3, [2, 4]),  # at least 0.15
        (keep_min_p, 0.2, [2, 4, 5]),
        (keep_min_p, 0.1, ALL),
        (keep_min_p, 1e-300, ALL),
    ],
)
def test_a_truncation_keeps_exactly_these_tokens(keep, setting, expected, dtype):
    logits_BV = logits_of(P, dtype=dtype)
    assert kept_by(keep, logits_BV, setting) == [expected]
    # The logits may be far from 0, where their probabilities under- or overflow.
    for shift in (1000, -1000):
        assert kept_by(keep, logits_BV + dtype(shift), setting) == [expected]


@pytest.mark.parametrize(
    ("keep", "setting", "expected"),
    [
        (keep_top_p, 0.5, [1]),  # at least top_p
        (keep_top_p, 0.75, [0, 1]),
        (keep_min_p, 0.5, [0, 1, 2]),  # p >= min_p max p
    ],
)
def test_a_truncation_keeps_what_meets_its_setting_exactly(keep, setting, expected):
    # Nothing is rounded to a side here: in float64 too, ln 4 is twice ln 2.
    assert kept_by(keep, logits_of([1 / 4, 1 / 2, 1 / 4]), setting) == [expected]


def test_min_p_does_not_round_a_share_to_float32():
    """exp(0.6137057 - 2) = 0.25000001; the nearest difference in float32 has 0.24999999."""
    assert kept_by(keep_min_p, np.array([[2, 0.6137057]], np.float32), 0.25) == [[0, 1]]


def test_equal_tokens_are_kept_from_the_lower_ids_up(dtype):
    flat_BV = np.zeros((1, 8), dtype)
    assert kept_by(keep_top_k, flat_BV, 3) == [[0, 1, 2]]
    assert kept_by(keep_typical, flat_BV, 0.3) == [[0, 1, 2]]
    assert kept_by(keep_top_p, flat_BV, 0.3) == [[0, 1, 2]]
    assert kept_by(keep_min_p, flat_BV, 1.0) == [list(range(8))]  # all have the largest p


@pytest.mark.parametrize("keep", TRUNCATIONS)
def test_a_truncation_treats_each_row_by_itself_and_keeps_the_only_possible_token(keep, dtype):
    setting = 2 if keep is keep_top_k else 0.3
    flat, only = [1 / 8, 1 / 8, 1 / 8, 1 / 8, 1 / 4, 1 / 8, 1 / 8], [0, 0, 0, 0, 0, 1, 0]
    # Typicality in the flat row: H = (2 * 2 + 3 * 6) / 8 = 2.75 bits, and the distances are 0.75
    # for token 4 and 0.25 for the others, three of which have more than 0.3.
    expected_flat = {
        keep_top_k: [0, 4], keep_typical: [0, 1, 2], keep_top_p: [0, 4],
        keep_min_p: [0, 1, 2, 3, 4, 5, 6],
    }[keep]
    expected_p = [2] if keep is keep_top_p else [2, 4]
    logits_BV = logits_of(P, flat, only, P, dtype=dtype)
    assert kept_by(keep, logits_BV, setting) == [expected_p, expected_flat, [5], expected_p]


@pytest.mark.parametrize("top_p", [0.1, 0.5, 0.9, 0.99, 0.999])
def test_top_p_of_a_large_vocabulary_equals_sorting_all_tokens(top_p, dtype):
    """Against a plain sort of the ids, ties included."""
    generator = np.random.default_rng(5)
    vocab_size = 1537
    noise_V = generator.normal(size=vocab_size)
    rows = [
        6 * noise_V,  # the nucleus is among the candidates
        0.1 * noise_V,  # it is larger
        np.zeros(vocab_size),  # all are equal
        np.round(2 * noise_V),  # equal ones are in the nucleus, at its border, and outside
        np.where(np.arange(vocab_size) % 3 == 1, 3.0, np.round(noise_V)),  # more best than fit
        np.where(np.arange(vocab_size) % 7 == 1, np.round(noise_V), -np.inf),
    ]
    logits_BV = np.array(rows, dtype)

    def sort_all(row_V):
        p_V = np.exp(row_V.astype(np.float64))
        p_V /= p_V.sum()
        total, nucleus = 0.0, []
        for token in sorted(range(vocab_size), key=lambda token: (-p_V[token], token)):
            if total < top_p and p_V[token] > 0:
                total += p_V[token]
                nucleus.append(token)
        return sorted(nucleus)

    assert kept_by(keep_top_p, logits_BV, top_p) == [sort_all(row_V) for row_V in logits_BV]


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [  # (p / max p) ** (1 / temperature), with the ratios 0, 1/8, 1, 1/8, 1/2, 1/4, 0
        (1.0, [0, 1 / 8, 1, 1 / 8, 1 / 2, 1 / 4, 0]),
        (0.5, [0, 1 / 64, 1, 1 / 64, 1 / 4, 1 / 16, 0]),
        (2.0, [0, 8**-0.5, 1, 8**-0.5, 2**-0.5, 1 / 2, 0]),
        (1e-300, [0, 0, 1, 0, 0, 0, 0]),
        (5e-324, [0, 0, 1, 0, 0, 0, 0]),
    ],
)
def test_temperature_raises_the_probabilities_to_a_power(temperature, expected, dtype):
    logits_BV = logits_of(P, [1 / 7] * 7, dtype=dtype)
    before_BV = logits_BV.copy()
    weights_BV = apply_temperature(logits_BV, temperature)
    np.testing.assert_array_equal(logits_BV, before_BV)
    assert weights_BV.dtype == np.float64
    # rtol: of the logits in float32, times 1 / temperature
    np.testing.assert_allclose(weights_BV, [expected, [1] * 7], rtol=1e-6)
    shifted_BV = logits_of(P) + np.array([[1000.0], [-1000.0]])
    np.testing.assert_allclose(apply_temperature(shifted_BV, temperature), [expected] * 2)


def test_a_bias_is_added_and_minus_infinity_forbids(dtype):
    logits_BV = np.array([[1, 2.5, -3, 7], [0, X, 4, 8]], dtype)
    before_BV = logits_BV.copy()
    biased_BV = add_bias(logits_BV, np.array([0, 0.5, -1, X], np.float32))
    assert biased_BV.tolist() == [[1, 3, -4, X], [0, X, 3, X]]
    assert biased_BV.dtype == dtype
    np.testing.assert_array_equal(logits_BV, before_BV)


@pytest.mark.parametrize(
    ("size", "history", "forbidden"),
    [
        (1, [], []),
        (1, [3, 1, 3], [1, 3]),
        (2, [5], []),
        (2, [2, 3, 4], []),  # 4 is new
        (2, [2, 3, 2, 4, 2], [3, 4]),  # 2 3 and 2 4
        (2, [5, 5], [5]),
        (3, [], []),
        (3, [2, 2], []),  # no 3-gram yet
        (3, [1, 2, 3, 1, 2, 4, 1, 2], [3, 4]),  # 1 2 3 and 1 2 4
        (3, [2, 2, 2], [2]),  # the 3-gram overlaps the one that would be completed
        (3, [1, 4, 5, 3, 2, 5, 1, 2], []),  # 1 4 5 and 3 2 5 agree with 1 2 in one token only
        (3, [4, 1, 2, 2], []),  # 2 is preceded by 1, then by 2
    ],
)
def test_the_tokens_that_would_complete_a_repeated_ngram_are_forbidden(
    size, history, forbidden, dtype
):
    logits_BV = np.array([[0, 1, -2, 3, -4, 5, X]], dtype)
    before_BV = logits_BV.copy()
    allowed_BV = forbid_repeated_ngrams(logits_BV, [np.array(history, np.int32)], size)
    expected = [X if token in forbidden else x for token, x in enumerate(before_BV[0].tolist())]
    assert allowed_BV.tolist() == [expected]
    assert allowed_BV.dtype == dtype
    np.testing.assert_array_equal(logits_BV, before_BV)


def test_no_token_is_forbidden_in_a_row_in_which_none_would_be_left(dtype):
    row = [X, 3, 2]  # token 0 is forbidden already
    histories = [np.array(history, np.int32) for history in ([1, 2, 1], [2, 0], [0, 1])]
    allowed_BV = forbid_repeated_ngrams(np.array([row] * 3, dtype), histories, 1)
    assert allowed_BV.tolist() == [row, [X, 3, X], [X, X, 2]]


@pytest.mark.parametrize(
    ("penalize", "penalty", "expected"),
    [  # of the logits 3, -1, 0, -inf, 5, -2, the first 4 are in the history, the first one twice
        (penalize_repetition, 2.0, [1.5, -2, 0, X, 5, -2]),
        (penalize_repetition, 0.5, [6, -0.5, 0, X, 5, -2]),
        (penalize_presence, 0.5, [2.5, -1.5, -0.5, X, 5, -2]),
        (penalize_presence, -2.0, [5, 1, 2, X, 5, -2]),
        (penalize_frequency, 0.5, [2, -1.5, -0.5, X, 5, -2]),
        (penalize_frequency, -2.0, [7, 1, 2, X, 5, -2]),
    ],
)
def test_penalties_change_the_logits_of_the_tokens_in_the_history_of_a_row(
    penalize, penalty, expected, dtype
):
    row = [3, -1, 0, X, 5, -2]
    logits_BV = np.array([row] * 3, dtype)
    before_BV = logits_BV.copy()
    histories = [np.array(history, np.int32) for history in ([0, 1, 3, 2, 0], [], [2, 3, 0, 1, 0])]
    penalized_BV = penalize(logits_BV, histories, penalty)
    assert penalized_BV.tolist() == [expected, row, expected]
    assert penalized_BV.dtype == dtype
    np.testing.assert_array_equal(logits_BV, before_BV)


@pytest.mark.parametrize("penalty", ["repeat_penalty", "presence_penalty", "frequency_penalty"])
@pytest.mark.parametrize(
    ("repeat_last_n", "penalized"),
    [(1, [4]), (2, [2, 4]), (4, [1, 2, 3, 4]), (99, [1, 2, 3, 4]), (0, [1, 2, 3, 4])],
)
def test_penalties_look_at_the_last_tokens_only_and_at_all_of_them_for_zero(
    penalty, repeat_last_n, penalized
):
    """A logit of 2 becomes 1 by each penalty: 2 / 2, 2 - 1 and 2 - 1 * 1."""
    value = 2.0 if penalty == "repeat_penalty" else 1.0
    config = SampleConfig(repeat_last_n=repeat_last_n, **{penalty: value})
    history = np.array([1, 3, 2, 4])
    changed_BV = apply_history_filters(np.full((1, 6), 2.0), [history], config)
    assert changed_BV.tolist() == [[1 if token in penalized else 2 for token in range(6)]]


def test_the_ngram_ban_looks_at_the_whole_history():
    config = SampleConfig(no_repeat_ngram=1, repeat_last_n=1, presence_penalty=1)
    changed_BV = apply_history_filters(np.full((1, 4), 2.0), [np.array([3, 1, 2])], config)
    assert changed_BV.tolist() == [[2, X, X, X]]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ALL),
        # After top-k, the shares are 2/3 and 1/3. Before it, top-p would keep 2 and 4.
        ({"top_k": 2, "top_p": 0.6}, [2]),
        # Typical alone keeps 4.
        ({"top_k": 1, "typical": 0.2}, [2]),
        # Top-p alone keeps 2, of which typical could not choose 4.
        ({"typical": 0.2, "top_p": 0.45}, [4]),
        # Top-p needs 2, 4 and 5. After min-p, their shares would be 4/7, 2/7 and 1/7, and 2 and 4
        # would do.
        ({"top_p": 0.8, "min_p": 0.2}, [2, 4, 5]),
        # Top-k alone keeps 2. With a penalty of 1, more than ln 2, token 4 is before it.
        ({"top_k": 1, "presence_penalty": 1.0}, [4]),
        # Token 2 is in the history.
        ({"top_k": 1, "no_repeat_ngram": 1}, [4]),
    ],
)
def test_filters_apply_in_the_documented_order(settings, expected, dtype):
    logits_BV = logits_of(P, dtype=dtype)
    config = SampleConfig(**settings)
    filtered_BV = truncate(apply_history_filters(logits_BV, [np.array([2])], config), config)
    assert np.flatnonzero(filtered_BV[0] > -np.inf).tolist() == expected


def test_the_penalties_apply_in_the_documented_order():
    """4 / 2 - 1 - 2 * 0.25 = 0.5; if repetition came last, (4 - 1 - 0.5) / 2 = 1.25."""
    config = SampleConfig(repeat_penalty=2, presence_penalty=1, frequency_penalty=0.25)
    changed_BV = apply_history_filters(np.array([[4.0, 3.0]]), [np.array([0, 0])], config)
    assert changed_BV.tolist() == [[0.5, 3]]


def test_log_p_is_the_log_softmax_in_float64(dtype):
    log_p_V = compute_log_p(logits_of(P, dtype=dtype)[0] + dtype(3))
    assert log_p_V.dtype == np.float64
    expected = logits_of(P)[0]
    np.testing.assert_allclose(log_p_V, expected, rtol=1e-6 if dtype is np.float32 else 1e-14)
