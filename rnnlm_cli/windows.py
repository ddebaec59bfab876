"""The rule that makes a window, and the rows of the training text. No padding, no sorting.

A row predicts a run of tokens, its targets. The input at each position is the target before it:

    targets   t0  t1  t2  t3  t4 ...
    inputs    #   t0  t1  #   t3 ...      (# is the boundary token)
    resets    1   0   0   1   0  ...

At a reset the hidden state becomes zero, and the input is the boundary instead of the target
before it; the target stays. Every row begins with a reset. So one row can hold many texts, and
training, validation and scoring read the same kind of window.

Legend: T time, B batch (rows), N tokens of a text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnlm_cli.config import BOUNDARY_ID
from rnnlm_cli.nn.randomness import make_generator
from rnnlm_cli.text.lines import count_boundaries, find_line_ends
from rnnlm_cli.text.tokenizers import Ids

MEAN_RESET_DISTANCE = 1000  # tokens between two resets of running text, on average
PROMPT_WINDOW = 1 << 10  # tokens of a prompt in one pass through the network, bounds its memory
MIN_ALIGNED_SHARE = 0.9  # rows that begin at sentence starts must keep this share of their size


class Window(NamedTuple):
    """A window of a batch: three tensors of shape (T, B), of type int64, int64 and bool."""

    inputs_TB: Tensor
    targets_TB: Tensor
    resets_TB: Tensor


class Position(NamedTuple):
    """The position of the next window: its epoch, and its number in that epoch."""

    epoch: int
    window: int


START = Position(0, 0)


@dataclass(frozen=True)
class ResetRule:
    """The probabilities of a reset in training.

    If training never reset the state, scoring and sampling would start from a state that the
    model has never seen.

    Args:
        at_boundary: probability of a reset at a position that follows a boundary.
        anywhere: probability of a reset at any position. If it is above 0, at_boundary is unused.
    """

    at_boundary: float
    anywhere: float

    @classmethod
    def choose(cls, tokens_N: Ids, *, sentences: bool) -> "ResetRule":
        """Return the rule for a training text.

        Sentences are reset at every boundary. Running text is reset every 1000 tokens on
        average: at boundaries, or anywhere if the lines are longer than that.
        """
        if sentences:
            return cls(1.0, 0.0)
        count = count_boundaries(tokens_N)
        if count * MEAN_RESET_DISTANCE < len(tokens_N):
            return cls(0.0, 1 / MEAN_RESET_DISTANCE)
        return cls(len(tokens_N) / count / MEAN_RESET_DISTANCE, 0.0)


def shift_targets(targets_TB: Tensor, before_B: Tensor) -> Tensor:
    """Return the target before each position, (T, B); at the first position it is `before_B`."""
    return torch.cat([before_B[None], targets_TB[:-1]])


def make_window(targets_TB: Tensor, resets_TB: Tensor, before_B: Tensor) -> Window:
    """Make the window that predicts these targets.

    This is the only rule that makes inputs, for training, scoring and prompts: the input is the
    target before a position, or the boundary at a reset.

    Args:
        targets_TB: the tokens to predict, int64.
        resets_TB: where the hidden state becomes zero, bool.
        before_B: the target before the first position, int64. At a reset it is not used.
    """
    inputs_TB = shift_targets(targets_TB, before_B).masked_fill_(resets_TB, BOUNDARY_ID)
    return Window(inputs_TB, targets_TB, resets_TB)


class RowLayout(NamedTuple):
    """The rows of an epoch: the index of the first target of each, and the number of windows."""

    starts_B: NDArray[np.int64]
    num_windows: int


class TrainingRows:
    """The training text in B contiguous rows, read in order, T tokens of every row at a time.

    Each epoch skips a random number of tokens below T at the beginning of the text, so that the
    windows of two epochs are not cut at the same places. The rest at the end of the text, which
    does not fill a window, is dropped. For sentences, rows begin at sentence starts, unless the
    lines are so long that this would drop more than a tenth of the text.

    Args:
        tokens_N: the training text.
        batch_size: B.
        bptt: T.
        sentences: whether every line is a separate sentence.
        seed: seed of the offsets and the resets.
    """

    def __init__(
        self, tokens_N: Ids, *, batch_size: int, bptt: int, sentences: bool, seed: int
    ) -> None:
        self.tokens_N, self.batch_size, self.bptt, self.seed = tokens_N, batch_size, bptt, seed
        self._sentences = sentences
        # Caches that change no result: the layout depends on the offset only, and the offset on
        # the epoch. There are T offsets, so that many epochs are planned in bounded time.
        self._cached_layout = lru_cache(maxsize=1)(self._lay_rows)
        self._num_windows = cache(lambda offset: self._lay_rows_from(offset).num_windows)

    @cached_property
    def rule(self) -> ResetRule:
        """The reset rule of the text. The first use reads the whole text."""
        return ResetRule.choose(self.tokens_N, sentences=self._sentences)

    def count_windows(self, epoch: int) -> int:
        """Return the number of windows in an epoch. It varies a little with the offset."""
        return self._num_windows(self._draw_offset(epoch))

    def read_window(self, position: Position, step: int) -> tuple[Window, Position]:
        """Return the window at a position, and the next position.

        Args:
            step: number of this reading, counted over the whole run. It seeds the resets.
        """
        layout = self._cached_layout(position.epoch)
        begins_B = layout.starts_B + position.window * self.bptt
        targets_TB = torch.from_numpy(
            self.tokens_N[begins_B + np.arange(self.bptt)[:, None]].astype(np.int64)
        )
        before_B = torch.from_numpy(self.tokens_N[begins_B - 1].astype(np.int64))
        resets_TB = self._draw_resets(shift_targets(targets_TB, before_B), step)
        if position.window == 0:
            resets_TB[0] = True
        after = Position(position.epoch, position.window + 1)
        if after.window == layout.num_windows:
            after = Position(position.epoch + 1, 0)
        return make_window(targets_TB, resets_TB, before_B), after

    def _draw_resets(self, before_TB: Tensor, step: int) -> Tensor:
        """Draw the resets of a window. `before_TB` holds the target before each position."""
        if self.rule.at_boundary == 1:
            return before_TB == BOUNDARY_ID
        drawn_TB = torch.rand(before_TB.shape, generator=make_generator(self.seed, "resets", step))
        if self.rule.anywhere:
            return drawn_TB < self.rule.anywhere
        return (before_TB == BOUNDARY_ID) & (drawn_TB < self.rule.at_boundary)

    def _lay_rows(self, epoch: int) -> RowLayout:
        """Lay the text out in rows for an epoch."""
        return self._lay_rows_from(self._draw_offset(epoch))

    def _draw_offset(self, epoch: int) -> int:
        """Return the number of tokens that an epoch skips."""
        draw = torch.randint(self.bptt, (), generator=make_generator(self.seed, "offset", epoch))
        return min(int(draw), len(self.tokens_N) - self.batch_size * self.bptt)

    def _lay_rows_from(self, offset: int) -> RowLayout:
        """Lay the text out in rows behind the first `offset` tokens."""
        num_tokens = len(self.tokens_N)
        row_size = (num_tokens - offset) // self.batch_size
        starts_B = offset + row_size * np.arange(self.batch_size)
        if self._sentences:
            aligned_B = np.array([self._find_sentence_start(int(start)) for start in starts_B])
            aligned_size = int(np.diff(aligned_B, append=num_tokens).min())
            if aligned_size >= max(self.bptt, MIN_ALIGNED_SHARE * row_size):
                starts_B, row_size = aligned_B, aligned_size
        return RowLayout(starts_B, row_size // self.bptt)

    def _find_sentence_start(self, start: int) -> int:
        """Return the index of the first sentence start at or after `start`.

        Returns len(tokens_N) if there is none.
        """
        return next(find_line_ends(self.tokens_N, start - 1), len(self.tokens_N)) if start else 0


def shrink(num_tokens: int, *, batch_size: int, bptt: int) -> tuple[int, int]:
    """Reduce the batch size and the window length for a small text.

    An epoch should have at least eight windows. First the batch size is halved, down to 4, then
    the window length, down to 16, then both, down to 1.

    Returns: the batch size and the window length.
    """
    for min_batch_size, min_bptt in ((4, bptt), (4, 16), (1, 1)):
        while batch_size > min_batch_size and num_tokens < 8 * batch_size * bptt:
            batch_size = max(min_batch_size, batch_size // 2)
        while bptt > min_bptt and num_tokens < 8 * batch_size * bptt:
            bptt = max(min_bptt, bptt // 2)
    return batch_size, bptt


def split_prompt(prompt_N: Ids, *, sentences: bool) -> Iterator[Window]:
    """Yield the windows of a prompt, at least one. The last target is the token to be drawn.

    Args:
        sentences: whether every boundary resets the hidden state.
    """
    before_1 = torch.tensor([BOUNDARY_ID])
    for begin in range(0, len(prompt_N) + 1, PROMPT_WINDOW):
        tokens = prompt_N[begin : begin + PROMPT_WINDOW].tolist()
        if len(tokens) < PROMPT_WINDOW:
            # The place of the token to be drawn is filled, because only inputs are read.
            tokens.append(BOUNDARY_ID)
        targets_T1 = torch.tensor(tokens)[:, None]
        resets_T1 = shift_targets(targets_T1, before_1) == BOUNDARY_ID
        if not sentences:
            resets_T1[:] = False
            resets_T1[0] = begin == 0
        yield make_window(targets_T1, resets_T1, before_1)
        before_1 = targets_T1[-1]
