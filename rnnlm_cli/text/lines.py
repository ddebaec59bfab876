"""The lines of a stream of token ids, and the lines that two streams share.

Legend: N stream length, M block length.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rnnlm_cli.config import BOUNDARY_ID, Level
from rnnlm_cli.text.tokenizers import Ids

BLOCK_TOKENS = 1 << 16  # of a memory-mapped stream, searched at once
# The number of tokens from which a line is unlikely to recur by chance.
MIN_LONG_LINE: dict[Level, int] = {"char": 40, "byte": 40, "bpe": 12, "word": 8}


def find_line_ends(tokens_N: Ids, begin: int = 0) -> Iterator[int]:
    """Yield the ends of the lines from index `begin` on; an end is the index after a boundary."""
    for at in range(begin, len(tokens_N), BLOCK_TOKENS):
        block_M = tokens_N[at : at + BLOCK_TOKENS]
        yield from (np.flatnonzero(block_M == BOUNDARY_ID) + (at + 1)).tolist()


def count_boundaries(tokens_N: Ids) -> int:
    """Count the boundary tokens of a stream."""
    starts = range(0, len(tokens_N), BLOCK_TOKENS)
    blocks = (tokens_N[at : at + BLOCK_TOKENS] for at in starts)
    return sum(int(np.count_nonzero(block_M == BOUNDARY_ID)) for block_M in blocks)


def iter_lines(tokens_N: Ids, *, every: int = 1) -> Iterator[Ids]:
    """Yield every `every`-th line of a stream, with its closing boundary."""
    begin = number = 0
    for number, end in enumerate(find_line_ends(tokens_N), 1):
        if (number - 1) % every == 0:
            yield tokens_N[begin:end]
        begin = end
    if begin < len(tokens_N) and number % every == 0:
        yield tokens_N[begin:]


@dataclass(frozen=True)
class Overlap:
    """The number of lines of a text that also occur in another text, without empty lines.

    Args:
        num_lines, num_shared: lines of any length.
        num_long, num_long_shared: lines that are long enough not to recur by chance.
        min_long_line: the number of tokens from which a line counts as long.
    """

    num_lines: int
    num_shared: int
    num_long: int
    num_long_shared: int
    min_long_line: int


def measure_overlap(train_N: Ids, valid_N: Ids, level: Level) -> Overlap:
    """Count validation lines that also occur in the training text (train/validation leakage)."""
    min_long_line = MIN_LONG_LINE[level]
    facts: dict[bytes, list[int]] = {}  # of a validation line: number of occurrences, length
    for line_N in map(_strip_boundary, iter_lines(valid_N)):
        if len(line_N):
            facts.setdefault(line_N.tobytes(), [0, len(line_N)])[0] += 1
    shared: set[bytes] = set()
    for line_N in map(_strip_boundary, iter_lines(train_N)):
        key = line_N.tobytes()
        if key in facts:
            shared.add(key)
    rows = [
        (count, length >= min_long_line, key in shared) for key, (count, length) in facts.items()
    ]
    return Overlap(
        num_lines=sum(count for count, _, _ in rows),
        num_shared=sum(count for count, _, is_shared in rows if is_shared),
        num_long=sum(count for count, is_long, _ in rows if is_long),
        num_long_shared=sum(
            count for count, is_long, is_shared in rows if is_long and is_shared
        ),
        min_long_line=min_long_line,
    )


def _strip_boundary(line_N: Ids) -> Ids:
    """Remove the closing boundary, which the last line of a text may lack."""
    return line_N[:-1] if line_N[-1] == BOUNDARY_ID else line_N
