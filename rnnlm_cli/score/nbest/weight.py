"""The weight with which a model's score is added to the scores in n-best lists.

    total = base + weight * lm

The best hypothesis of a list has the highest total, and of several such hypotheses it is the first.
Over the weights, the total of each hypothesis is a straight line. The best ones are the upper
envelope of these lines (Och 2003), so the number of lists with a wrong winner is constant between
breakpoints. `tune_weight` finds all of them, and so the exact minimum.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

from rnnlm_cli.config.rescore import MAX_WEIGHT


class Candidate(NamedTuple):
    """A hypothesis: its score in the list, its score by the model, and whether it is right."""

    base: float
    lm: float
    is_right: bool


@dataclass(frozen=True)
class Tuning:
    """A weight and the sentence errors that it makes.

    Args:
        weight: the weight.
        num_errors: the number of lists whose winner is wrong.
        num_errors_without: the same with weight 0, that is without the model.
        num_lists: the number of lists.
    """

    weight: float
    num_errors: int
    num_errors_without: int
    num_lists: int


class Interval(NamedTuple):
    """An interval of weights in which the number of errors is constant."""

    left: float
    right: float
    num_errors: int

    @property
    def middle(self) -> float:
        """The middle; in an interval without end, a weight well inside it."""
        if math.isinf(self.right):
            return self.left + max(1.0, self.left)
        return (self.left + self.right) / 2


def choose_best(candidates: Iterable[Candidate], weight: float) -> Candidate:
    """Return the candidate with the highest total, the first of several."""
    return max(candidates, key=lambda each: each.base + weight * each.lm)


def tune_weight(lists: Sequence[Sequence[Candidate]]) -> Tuning:
    """Find the weight of 0 or more with the fewest errors.

    It is the middle of the widest interval of weights with so few errors.

    Args:
        lists: the candidates of each list; no list is empty.
    """
    pieces = _find_intervals(lists)
    intervals = [_merge(list(group)) for _, group in groupby(pieces, lambda each: each.num_errors)]
    best = _choose_widest(intervals)
    weight = best.middle
    num_errors = _count_errors(lists, weight)
    if num_errors != best.num_errors:  # the middle is a breakpoint, where other lines may win
        inner = [each for each in pieces if best.left <= each.left and each.right <= best.right]
        weight = _choose_widest(inner).middle
        num_errors = _count_errors(lists, weight)
    return Tuning(weight, num_errors, _count_errors(lists, 0.0), len(lists))


def _count_errors(lists: Sequence[Sequence[Candidate]], weight: float) -> int:
    return sum(not choose_best(candidates, weight).is_right for candidates in lists)


def _choose_widest(intervals: Sequence[Interval]) -> Interval:
    """Return the widest of the intervals with the fewest errors."""
    return min(intervals, key=lambda each: (each.num_errors, each.left - each.right))


def _merge(pieces: Sequence[Interval]) -> Interval:
    """Return the interval that adjacent ones with equal errors make up."""
    return Interval(pieces[0].left, pieces[-1].right, pieces[0].num_errors)


def _find_intervals(lists: Sequence[Sequence[Candidate]]) -> list[Interval]:
    """Return the intervals between all breakpoints, in order."""
    num_errors, changes = 0, []
    for candidates in lists:
        envelope = _find_envelope(candidates)
        num_errors += not envelope[0][1].is_right
        changes += [
            (begin, before.is_right - after.is_right)
            for (_, before), (begin, after) in pairwise(envelope)
        ]
    intervals, left = [], 0.0
    for weight, group in groupby(sorted(changes), lambda each: each[0]):
        intervals.append(Interval(left, weight, num_errors))
        left, num_errors = weight, num_errors + sum(change for _, change in group)
    return [*intervals, Interval(left, math.inf, num_errors)]


def _find_envelope(candidates: Sequence[Candidate]) -> list[tuple[float, Candidate]]:
    """Return the winners for weights above 0, each with the weight from which on it wins."""
    envelope: list[tuple[float, Candidate]] = []
    # Of equal lines, the first one comes last, and replaces the others.
    for each in sorted(reversed(candidates), key=lambda each: (each.lm, each.base)):
        begin = 0.0
        while envelope:
            start, last = envelope[-1]
            begin = (last.base - each.base) / (each.lm - last.lm) if each.lm > last.lm else 0.0
            if begin > start:
                break
            envelope.pop()
            begin = 0.0
        if begin < MAX_WEIGHT / 4:  # so that every weight can be given as --weight
            envelope.append((begin, each))
    return envelope
