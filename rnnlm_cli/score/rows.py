"""What an evaluation reads: a document in rows, or sentences packed in rows. No padding.

Legend: T time, B batch (rows), N stream length, L row length.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch

from rnnlm_cli.config import BOUNDARY_ID
from rnnlm_cli.text.tokenizers import Ids
from rnnlm_cli.windows import Bools, Window


class Stretch(NamedTuple):
    """Positions of rows. `counted_LB` is false where a position only warms up or fills."""

    targets_LB: Ids
    resets_LB: Bools
    counted_LB: Bools


class Rows(Protocol):
    """What an evaluation reads, a stretch at a time."""

    @property
    def shape(self) -> tuple[int, int]:
        """(L, B)."""

    def stretch(self, begin: int, end: int) -> Stretch:
        """Positions begin to end of all rows."""


@dataclass(frozen=True)
class DocumentRows:
    """Stretches of a stream, a row each.

    Args:
        tokens_N: the stream.
        starts_B: where each stretch begins.
        size: how many tokens it has; the end of the stream may cut it short.
        warm_up: how many tokens before it are read first, as far as there are any.
        reset_every: cold windows of this many tokens; None carries the state through.
    """

    tokens_N: Ids
    starts_B: Sequence[int]
    size: int
    warm_up: int
    reset_every: int | None

    @property
    def shape(self) -> tuple[int, int]:
        """(L, B)."""
        return self.warm_up + self.size, len(self.starts_B)

    def stretch(self, begin: int, end: int) -> Stretch:
        """Positions begin to end of all rows."""
        offset_L = np.arange(begin, end) - self.warm_up
        at_LB = np.array(self.starts_B) + offset_L[:, None]
        inside_LB = (at_LB >= 0) & (at_LB < len(self.tokens_N))
        read_LB = self.tokens_N[at_LB.clip(0, len(self.tokens_N) - 1)]
        targets_LB = np.where(inside_LB, read_LB, BOUNDARY_ID).astype(np.int32)
        resets_LB = at_LB == 0
        resets_LB[offset_L == -self.warm_up] = True
        if self.reset_every is not None:
            resets_LB[(offset_L >= 0) & (offset_L % self.reset_every == 0)] = True
        return Stretch(targets_LB, resets_LB, inside_LB & (offset_L >= 0)[:, None])


@dataclass(frozen=True)
class PackedRows:
    """Rows that stand in memory."""

    whole: Stretch

    @property
    def shape(self) -> tuple[int, int]:
        """(L, B)."""
        length, num_rows = self.whole.targets_LB.shape
        return length, num_rows

    def stretch(self, begin: int, end: int) -> Stretch:
        """Positions begin to end of all rows."""
        targets_LB, resets_LB, counted_LB = self.whole
        return Stretch(targets_LB[begin:end], resets_LB[begin:end], counted_LB[begin:end])


class Slot(NamedTuple):
    """Where a sentence lies: its row and its first position."""

    row: int
    begin: int


def packed_rows(sentences: Sequence[Ids], *, max_rows: int) -> tuple[PackedRows, list[Slot]]:
    """Sentences laid end to end in rows of about equal length, each begun by a reset.

    Args:
        sentences: what is to be predicted of each, its closing boundary included if it counts.
        max_rows: the largest number of rows.
    Returns: the rows, and the slot of each sentence, in order. The longest sentences are laid
        first, each into the shortest row (Graham 1969), so little is left over at the ends.
    """
    sizes = [len(sentence) for sentence in sentences]
    num_rows = max(1, min(max_rows, sum(sizes) // max(1, *sizes, 1)))
    slots = [Slot(0, 0)] * len(sentences)
    filled = [(0, row) for row in range(num_rows)]
    for index in sorted(range(len(sentences)), key=lambda index: -sizes[index]):
        size, row = heapq.heappop(filled)
        slots[index] = Slot(row, size)
        heapq.heappush(filled, (size + sizes[index], row))
    shape = (max(size for size, _ in filled), num_rows)
    targets_LB = np.full(shape, BOUNDARY_ID, np.int32)
    resets_LB, counted_LB = np.ones(shape, np.bool_), np.zeros(shape, np.bool_)
    for (row, begin), sentence in zip(slots, sentences, strict=True):
        end = begin + len(sentence)
        targets_LB[begin:end, row] = sentence
        resets_LB[begin + 1 : end, row] = False
        counted_LB[begin:end, row] = True
    return PackedRows(Stretch(targets_LB, resets_LB, counted_LB)), slots


def evaluation_window(rows: Rows, begin: int, end: int) -> tuple[Window, Bools]:
    """Positions begin to end of all rows as tensors, and which of them count."""
    first = max(begin - 1, 0)  # what is read at `begin` is the target before it
    targets_LB, resets_LB, counted_LB = rows.stretch(first, end)
    skipped = begin - first
    inputs_TB = targets_LB[:-1] if skipped else np.roll(targets_LB, 1, axis=0)  # 0 is a reset
    inputs_TB = np.where(resets_LB[skipped:], BOUNDARY_ID, inputs_TB)
    window = Window(
        torch.from_numpy(inputs_TB.astype(np.int64)),
        torch.from_numpy(targets_LB[skipped:].astype(np.int64)),
        torch.from_numpy(resets_LB[skipped:]),
    )
    return window, counted_LB[skipped:]
