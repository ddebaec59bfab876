"""A row: one sample while it is generated, with its history, its decoder and its end."""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.config import BOUNDARY_ID, SampleConfig
from rnnlm_cli.generate.stopping import StopStrings
from rnnlm_cli.text.tokenizers import Ids
from rnnlm_cli.text.vocabulary import Decoder

NUM_UNIFORMS = 1 << 10  # drawn at once

StopReason = Literal["length", "stop", "lines", "end", "interrupted"]


@dataclass(frozen=True)
class GeneratedSample:
    """A generated text.

    Args:
        text: the new part. It ends before the stop string, if there was one.
        token_ids: the new tokens, those of the stop string included.
        log_p: ln p of the tokens under the model, without filters and at temperature 1; None if
            it was not asked for.
        index: the number of the sample, from 0.
        stop_reason: "length" for the maximum number of tokens, "stop" for a stop string, "lines"
            for the last line, "end" for the first newline, "interrupted" for Ctrl-C.
        num_replaced: the number of bytes that are not UTF-8 and became U+FFFD.
        score: the score by which a search has ranked it; None for a sample.
    """

    text: str
    token_ids: list[int]
    log_p: float | None
    index: int
    stop_reason: StopReason
    num_replaced: int
    score: float | None = None


class History:
    """The tokens of a row so far, the prompt included."""

    def __init__(self, prompt_N: Ids) -> None:
        self._size = len(prompt_N)
        self._tokens = np.zeros(max(64, 2 * self._size), np.int32)
        self._tokens[: self._size] = prompt_N

    @property
    def tokens(self) -> NDArray[np.int32]:
        """The tokens, as a view."""
        return self._tokens[: self._size]

    def copy(self) -> "History":
        """Return a history that goes on from here independently of this one."""
        return History(self.tokens)

    def append(self, token: int) -> None:
        """Add a token."""
        if self._size == len(self._tokens):
            self._tokens = np.concatenate([self._tokens, np.zeros_like(self._tokens)])
        self._tokens[self._size] = token
        self._size += 1


class Row:
    """One sample while it is generated.

    Args:
        index: its number, from 0.
        config: says where it ends, and whether a filter needs its history.
        prompt_N: the tokens that it continues.
        decoder: turns its tokens into text.
    """

    def __init__(
        self, index: int, config: SampleConfig, prompt_N: Ids, decoder: Decoder
    ) -> None:
        self.index, self.token_ids, self.log_p = index, list[int](), 0.0
        self.stop_reason: StopReason | None = None
        self.history = History(prompt_N) if config.looks_back else None
        self._decoder, self._pieces = decoder, list[str]()
        self._stops = StopStrings(config.stop) if config.stop else None
        self._max_tokens, self._lines_left = config.max_tokens, config.lines
        self._until_end = config.until_end
        self._watches_lines = config.until_end or config.lines is not None
        # Most rows have nothing to look for, and may be added to 50,000 times per second.
        self._is_plain = self.history is None and self._stops is None and not self._watches_lines

    def add(self, token: int) -> str:
        """Add a token. Returns the text that can be shown now, and sets `stop_reason` at the end.
        """
        self.token_ids.append(token)
        if self._is_plain and len(self.token_ids) < self._max_tokens:
            piece = self._decoder.feed_one(token)
            self._pieces.append(piece)
            return piece
        if self.history is not None:
            self.history.append(token)
        piece = "" if token == BOUNDARY_ID and self._until_end else self._decoder.feed_one(token)
        if self._stops is not None:
            piece, is_found = self._stops.feed(piece)
            if is_found:
                self.stop_reason = "stop"
        if self.stop_reason is None:
            if self._watches_lines and token == BOUNDARY_ID:
                self._end_line()
            if self.stop_reason is None and len(self.token_ids) >= self._max_tokens:
                self.stop_reason = "length"
            if self.stop_reason is not None:
                piece += self._finish()
        self._pieces.append(piece)
        return piece

    def interrupt(self) -> str:
        """End the sample here. Returns the text that can be shown now."""
        self.stop_reason = "interrupted"
        piece = self._finish()
        self._pieces.append(piece)
        return piece

    def copy(self) -> Self:
        """Return a row that goes on from here independently of this one."""
        other = copy(self)
        other.token_ids, other._pieces = self.token_ids.copy(), self._pieces.copy()
        other.history = None if self.history is None else self.history.copy()
        other._decoder, other._stops = self._decoder.copy(), copy(self._stops)
        return other

    def make_sample(self, *, with_log_p: bool) -> GeneratedSample:
        """Return the finished sample."""
        assert self.stop_reason is not None
        return GeneratedSample(
            "".join(self._pieces), self.token_ids.copy(), self.log_p if with_log_p else None,
            self.index, self.stop_reason, self._decoder.num_replaced,
        )

    def _end_line(self) -> None:
        if self._until_end:
            self.stop_reason = "end"
        elif self._lines_left is not None:
            self._lines_left -= 1
            if self._lines_left == 0:
                self.stop_reason = "lines"

    def _finish(self) -> str:
        """Return the rest of the text: of a character that is not complete, and what is held."""
        rest = self._decoder.finish()
        if self._stops is None:
            return rest
        shown, is_found = self._stops.feed(rest)
        if is_found:
            self.stop_reason = "stop"
        return shown + self._stops.finish()


def iter_uniforms(seed: int, index: int) -> Iterator[float]:
    """Yield uniform numbers from [0, 1) for a sample, one for each position.

    They come from numpy's Philox, a counter-based generator (Salmon et al. 2011), with the key
    (seed, index). So they do not depend on the number of samples.
    """
    generator = np.random.Generator(np.random.Philox(key=[seed, index]))
    while True:
        yield from generator.random(NUM_UNIFORMS).tolist()
