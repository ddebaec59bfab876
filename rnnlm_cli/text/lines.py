"""The lines of a token stream, and which stand in another one too. N: stream, M: block length."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rnnlm_cli.config import BOUNDARY_ID, Level
from rnnlm_cli.text.tokenizers import Ids

BLOCK = 1 << 16  # tokens of a mapped stream looked at together
LONG: dict[Level, int] = {"char": 40, "byte": 40, "bpe": 12, "word": 8}  # tokens of a line


def line_ends(tokens_N: Ids, begin: int = 0) -> Iterator[int]:
    """Where the lines of a stream end, each behind its boundary, from a place on."""
    for at in range(begin, len(tokens_N), BLOCK):
        yield from (np.flatnonzero(tokens_N[at : at + BLOCK] == BOUNDARY_ID) + (at + 1)).tolist()


def num_boundaries(tokens_N: Ids) -> int:
    """How many boundaries a stream has."""
    blocks = (tokens_N[at : at + BLOCK] for at in range(0, len(tokens_N), BLOCK))
    return sum(int(np.count_nonzero(block_M == BOUNDARY_ID)) for block_M in blocks)


def iter_lines(tokens_N: Ids, *, every: int = 1) -> Iterator[Ids]:
    """The lines of a stream, or every so many-th of them, each with the boundary that closes it."""
    begin = number = 0
    for number, end in enumerate(line_ends(tokens_N), 1):
        if (number - 1) % every == 0:
            yield tokens_N[begin:end]
        begin = end
    if begin < len(tokens_N) and number % every == 0:
        yield tokens_N[begin:]


@dataclass(frozen=True)
class Overlap:
    """How many lines of a text stand in another one too. Empty lines are left out.

    Args:
        num_lines, num_shared: of all lengths.
        num_long, num_long_shared: those that are long enough not to recur by chance.
        least: how many tokens a long one has.
    """

    num_lines: int
    num_shared: int
    num_long: int
    num_long_shared: int
    least: int


def measure_overlap(train_N: Ids, valid_N: Ids, level: Level) -> Overlap:
    """Which validation lines also stand in the training text: a leak makes every figure false."""
    least = LONG[level]
    numbers: dict[bytes, list[int]] = {}  # of a line: how often, and its length
    for line in map(_without_boundary, iter_lines(valid_N)):
        if len(line):
            numbers.setdefault(line.tobytes(), [0, len(line)])[0] += 1
    shared: set[bytes] = set()
    for line in map(_without_boundary, iter_lines(train_N)):
        key = line.tobytes()
        if key in numbers:
            shared.add(key)
    of_all = [(times, length >= least, key in shared) for key, (times, length) in numbers.items()]
    return Overlap(
        num_lines=sum(times for times, _, _ in of_all),
        num_shared=sum(times for times, _, both in of_all if both),
        num_long=sum(times for times, is_long, _ in of_all if is_long),
        num_long_shared=sum(times for times, is_long, both in of_all if is_long and both),
        least=least,
    )


def _without_boundary(line_N: Ids) -> Ids:
    """The last line of a text may lack its boundary."""
    return line_N[:-1] if line_N[-1] == BOUNDARY_ID else line_N
