"""The exact line search for the weight, against all breakpoints by brute force."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnlm_cli.config.rescore import MAX_WEIGHT
from rnnlm_cli.score.nbest.weight import Candidate, choose_best, tune_weight

# Few values, so that there are many ties and parallel lines.
CANDIDATES = st.builds(
    Candidate, st.integers(-9, 9).map(float), st.integers(-5, 0).map(float), st.booleans()
)
LISTS = st.lists(st.lists(CANDIDATES, min_size=1, max_size=6), min_size=1, max_size=5)


def count_errors(lists, weight):
    return sum(not choose_best(candidates, weight).is_right for candidates in lists)


def crossings(lists):
    """Every weight above 0 at which two hypotheses of a list have the same total, in order."""
    return sorted({
        (one.base - two.base) / (two.lm - one.lm)
        for candidates in lists for one in candidates for two in candidates
        if two.lm > one.lm and one.base > two.base
    })


@given(LISTS)
def test_no_weight_makes_fewer_errors(lists):
    points = [0.0, *crossings(lists)]
    weights = [(left + right) / 2 for left, right in pairwise(points)]
    fewest = min(count_errors(lists, weight) for weight in [*weights, points[-1] + 1])
    tuning = tune_weight(lists)
    assert tuning.num_errors == fewest == count_errors(lists, tuning.weight)
    assert tuning.num_errors_without == count_errors(lists, 0.0)
    assert tuning.num_lists == len(lists) and 0 < tuning.weight <= MAX_WEIGHT


@given(LISTS)
def test_the_weight_is_not_at_a_breakpoint_that_changes_the_errors(lists):
    weight = tune_weight(lists).weight
    gap = min(abs(weight - each) for each in [0.0, *crossings(lists)] if each != weight)
    for near in (weight - gap / 2, weight + gap / 2):
        assert count_errors(lists, near) == count_errors(lists, weight)


def make_list(*points, right):
    """Make a list whose winner changes at some weights, and is right at the numbers in `right`."""
    base, candidates = 0.0, []
    for number, point in enumerate([0.0, *points]):
        base -= point
        candidates.append(Candidate(base, float(number), number in right))
    return candidates


@pytest.mark.parametrize(("lists", "weight", "num_errors"), [
    ([make_list(2, 6, right={1})], 4.0, 0),
    ([make_list(2, 6, right={0})], 1.0, 0),
    ([make_list(2, 6, right={2})], 12.0, 0),
    ([make_list(0.25, right={1})], 1.25, 0),
    ([make_list(2, 6, right=set())], 1.0, 1),
    ([make_list(1, 2, 8, 16, right={0, 2})], 5.0, 0),  # the wider of two intervals
    ([make_list(2, 6, right={1}), make_list(4, 9, right={1})], 5.0, 0),
    ([make_list(3, 5, right={1}), make_list(1, 9, right={1})], 4.0, 0),
    ([make_list(2, 5, 8, right={1, 2})], 5.0, 0),
    ([make_list(2, right={0}), make_list(2, right={1})], 1.0, 1),  # one at any weight
    ([make_list(2, 4, 9, right={1, 2})], 5.5, 0),
])
def test_the_weight_is_the_middle_of_the_widest_interval(lists, weight, num_errors):
    tuning = tune_weight(lists)
    assert (tuning.weight, tuning.num_errors) == (weight, num_errors)


def test_the_weight_avoids_a_point_where_a_wrong_hypothesis_draws_level():
    level_at_5 = Candidate(-2.5, 0.5, False)
    tuning = tune_weight([
        make_list(2, 8, right={1}), [level_at_5, *make_list(5, right={0, 1})],
    ])
    assert (tuning.weight, tuning.num_errors) == (3.5, 0)


def test_of_equal_hypotheses_the_first_wins():
    right, wrong = Candidate(-1.0, -1.0, True), Candidate(-1.0, -1.0, False)
    assert tune_weight([[right, wrong]]).num_errors == 0
    assert tune_weight([[wrong, right]]).num_errors == 1
    assert choose_best([Candidate(0.0, -2.0, True), Candidate(-1.0, -1.0, False)], 1.0).is_right


def test_a_weight_is_never_too_large_to_be_given():
    steep = [Candidate(0.0, 0.0, False), Candidate(-1e12, 1e-3, True)]
    tuning = tune_weight([steep, make_list(1e8, right={1})])
    assert tuning.weight <= MAX_WEIGHT and math.isfinite(tuning.weight)
    assert tuning.num_errors == 1
