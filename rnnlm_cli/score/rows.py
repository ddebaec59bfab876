"""Rows to evaluate: a document split into rows, or sentences packed into rows. No sorting by
length, no padding between sentences.

Legend: T time, B batch (rows), N tokens of a document, L row length.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch

from rnnlm_cli.config import BOUNDARY_ID
from rnnlm_cli.score.score import Mask
from rnnlm_cli.text.tokenizers import Ids
from rnnlm_cli.windows import Window, make_window


class Segment(NamedTuple):
    """Some positions of all rows.

    `counted_LB` is false at positions that are not scored: warm-up, and the unused end of a row.
    """

    targets_LB: Ids
    resets_LB: Mask
    counted_LB: Mask


class Rows(Protocol):
    """Rows of targets that are read segment by segment. Every row begins with a reset."""

    @property
    def shape(self) -> tuple[int, int]:
        """The length and the number of the rows, (L, B)."""

    def read(self, begin: int, end: int) -> Segment:
        """Return positions begin to end of all rows."""


@dataclass(frozen=True)
class DocumentRows:
    """Parts of a document, one in each row.

    Args:
        tokens_N: the document.
        starts_B: index of the first scored token of each row.
        size: scored tokens of each row (fewer if the document ends before).
        warm_up: tokens of context read before each row and not scored (fewer at the start of
            the document).
        reset_every: length of the cold windows; None carries the hidden state through.
    """

    tokens_N: Ids
    starts_B: Sequence[int]
    size: int
    warm_up: int
    reset_every: int | None

    @property
    def shape(self) -> tuple[int, int]:
        """The length and the number of the rows, (L, B)."""
        return self.warm_up + self.size, len(self.starts_B)

    def read(self, begin: int, end: int) -> Segment:
        """Return positions begin to end of all rows."""
        offset_L = np.arange(begin, end) - self.warm_up
        at_LB = np.array(self.starts_B) + offset_L[:, None]
        inside_LB = (at_LB >= 0) & (at_LB < len(self.tokens_N))
        read_LB = self.tokens_N[at_LB.clip(0, len(self.tokens_N) - 1)]
        targets_LB = np.where(inside_LB, read_LB, BOUNDARY_ID).astype(np.int32)
        resets_LB = at_LB == 0
        resets_LB[offset_L == -self.warm_up] = True
        if self.reset_every is not None:
            resets_LB[(offset_L >= 0) & (offset_L % self.reset_every == 0)] = True
        return Segment(targets_LB, resets_LB, inside_LB & (offset_L >= 0)[:, None])


@dataclass(frozen=True)
class PackedRows:
    """Rows that are held in memory as one segment."""

    whole: Segment

    @property
    def shape(self) -> tuple[int, int]:
        """The length and the number of the rows, (L, B)."""
        length, num_rows = self.whole.targets_LB.shape
        return length, num_rows

    def read(self, begin: int, end: int) -> Segment:
        """Return positions begin to end of all rows."""
        targets_LB, resets_LB, counted_LB = self.whole
        return Segment(targets_LB[begin:end], resets_LB[begin:end], counted_LB[begin:end])


class Slot(NamedTuple):
    """The place of a sentence in packed rows: its row and its first position."""

    row: int
    begin: int


def pack_sentences(sentences: Sequence[Ids], *, max_rows: int) -> tuple[PackedRows, list[Slot]]:
    """Pack sentences end to end into rows of about equal length. Each begins with a reset.

    The longest sentence is placed first, and each goes into the row that is shortest at that
    moment (longest processing time first, Graham 1969). So little space is unused at the ends.

    Args:
        sentences: the tokens to predict of each sentence. The closing boundary is one of them if
            it counts.
        max_rows: maximum number of rows.
    Returns: the rows, and the slot of each sentence, in the order of `sentences`.
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
    return PackedRows(Segment(targets_LB, resets_LB, counted_LB)), slots


def read_windows(rows: Rows, size: int) -> Iterator[tuple[Window, Mask]]:
    """Yield the windows of `size` positions, in order, each with a mask of those that count."""
    length, num_rows = rows.shape
    before_B = torch.full((num_rows,), BOUNDARY_ID)  # every row begins with a reset
    for begin in range(0, length, size):
        segment = rows.read(begin, min(begin + size, length))
        targets_TB = torch.from_numpy(segment.targets_LB.astype(np.int64))
        window = make_window(targets_TB, torch.from_numpy(segment.resets_LB), before_B)
        yield window, segment.counted_LB
        before_B = targets_TB[-1]
