"""Token streams laid in rows, and the windows cut from them. No padding, no sorting.

What a row predicts is a run of the stream, its targets; the input at each position is the target
before it:

    targets   t0  t1  t2  t3  t4 ...
    inputs    #   t0  t1  #   t3 ...      # the boundary, read with a zero state
    resets    1   0   0   1   0  ...

A reset position reads the boundary in place of the token before it; its target stays. Every row
begins with one. So many texts can lie in one row, and training, validation and scoring read the
same kind of windows.

Legend: T time, B batch (rows), N stream length, L row length.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnlm_cli.config import BOUNDARY_ID
from rnnlm_cli.nn.randomness import make_generator
from rnnlm_cli.text.lines import count_boundaries, find_line_ends
from rnnlm_cli.text.tokenizers import Ids

Bools = NDArray[np.bool_]

RUNNING_RESET_EVERY = 1000  # tokens, on average
MIN_ALIGNED_SHARE = 0.9  # of a row must be left, for rows to begin at sentence starts


class Window(NamedTuple):
    """Three (T, B) tensors: int64, int64 and bool."""

    inputs_TB: Tensor
    targets_TB: Tensor
    resets_TB: Tensor


class Position(NamedTuple):
    """Where the next window begins."""

    epoch: int
    window: int


START = Position(0, 0)


@dataclass(frozen=True)
class ResetRule:
    """The probability of a reset at a boundary that is read, and at any position.

    A model that never met the zero state inside its text would be scored and sampled from a state
    that it does not know.
    """

    at_boundary: float
    anywhere: float

    @classmethod
    def of(cls, tokens_N: Ids, *, sentences: bool) -> "ResetRule":
        """Every boundary for sentences; for running text every 1000 tokens on average.

        There the resets fall on boundaries, unless lines are longer than that.
        """
        if sentences:
            return cls(1.0, 0.0)
        possible = count_boundaries(tokens_N)
        if possible * RUNNING_RESET_EVERY < len(tokens_N):
            return cls(0.0, 1 / RUNNING_RESET_EVERY)
        return cls(len(tokens_N) / possible / RUNNING_RESET_EVERY, 0.0)


class TrainingRows:
    """A token stream in B contiguous rows, read in order, T tokens of each at a time.

    An epoch begins at a random offset below T, so that windows are not cut at the same places
    twice; what is left over at its end is dropped. For sentences, rows begin where sentences do,
    unless lines are so long that more than a tenth of the text would be left over.

    Args:
        tokens_N: the stream.
        batch_size: B.
        bptt: T.
        sentences: whether every boundary ends a text of its own.
        seed: what offsets and resets are drawn from.
    """

    def __init__(
        self, tokens_N: Ids, *, batch_size: int, bptt: int, sentences: bool, seed: int
    ) -> None:
        self.tokens_N, self.batch_size, self.bptt, self.seed = tokens_N, batch_size, bptt, seed
        self.rule = ResetRule.of(tokens_N, sentences=sentences)
        self._sentences = sentences
        self._epoch = 0  # the one that is laid
        self._starts_B, self._num_windows = self._lay(0)

    def num_windows(self, epoch: int) -> int:
        """How many windows an epoch has. It can vary a little, with the offset."""
        return self._lay(epoch)[1]

    def window(self, position: Position, step: int) -> tuple[Window, Position]:
        """The window at a position, and the position after it. `step` seeds its resets."""
        if position.epoch != self._epoch:
            self._starts_B, self._num_windows = self._lay(position.epoch)
            self._epoch = position.epoch
        begins_B = self._starts_B + position.window * self.bptt
        targets_TB = torch.from_numpy(
            self.tokens_N[begins_B + np.arange(self.bptt)[:, None]].astype(np.int64)
        )
        before_1B = torch.from_numpy(self.tokens_N[begins_B - 1].astype(np.int64))[None]
        inputs_TB = torch.cat([before_1B, targets_TB[:-1]])
        resets_TB = self._resets(inputs_TB, step)
        if position.window == 0:
            resets_TB[0] = True
        inputs_TB.masked_fill_(resets_TB, BOUNDARY_ID)
        after = Position(position.epoch, position.window + 1)
        if after.window == self._num_windows:
            after = Position(position.epoch + 1, 0)
        return Window(inputs_TB, targets_TB, resets_TB), after

    def _resets(self, inputs_TB: Tensor, step: int) -> Tensor:
        if self.rule.at_boundary == 1:
            return inputs_TB == BOUNDARY_ID
        chance_TB = torch.rand(inputs_TB.shape, generator=make_generator(self.seed, "resets", step))
        if self.rule.anywhere:
            return chance_TB < self.rule.anywhere
        return (inputs_TB == BOUNDARY_ID) & (chance_TB < self.rule.at_boundary)

    def _lay(self, epoch: int) -> tuple[NDArray[np.int64], int]:
        """The first target of each row, and the number of windows."""
        num_tokens = len(self.tokens_N)
        draw = torch.randint(self.bptt, (), generator=make_generator(self.seed, "offset", epoch))
        offset = min(int(draw), num_tokens - self.batch_size * self.bptt)
        row_size = (num_tokens - offset) // self.batch_size
        starts_B = offset + row_size * np.arange(self.batch_size)
        if self._sentences:
            aligned_B = np.array([self._sentence_from(int(start)) for start in starts_B])
            aligned_size = int(np.diff(aligned_B, append=num_tokens).min())
            if aligned_size >= max(self.bptt, MIN_ALIGNED_SHARE * row_size):
                starts_B, row_size = aligned_B, aligned_size
        return starts_B, row_size // self.bptt

    def _sentence_from(self, start: int) -> int:
        """Where the first sentence begins at or after a place: at the end where none does."""
        return next(find_line_ends(self.tokens_N, start - 1), len(self.tokens_N)) if start else 0


def shrink(num_tokens: int, *, batch_size: int, bptt: int) -> tuple[int, int]:
    """The batch size and window that a small text allows: eight windows an epoch where possible.

    Rows are given up first, down to 4, then the window down to 16, then both down to 1.
    """
    for least_batch, least_window in ((4, bptt), (4, 16), (1, 1)):
        while batch_size > least_batch and num_tokens < 8 * batch_size * bptt:
            batch_size = max(least_batch, batch_size // 2)
        while bptt > least_window and num_tokens < 8 * batch_size * bptt:
            bptt = max(least_window, bptt // 2)
    return batch_size, bptt
