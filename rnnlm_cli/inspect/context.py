"""The context that a model uses: its loss when only the last n tokens are visible.

Following Khandelwal et al. 2018, "Sharp Nearby, Fuzzy Far Away: How Neural Language Models Use
Context". They shuffle the farther context too: if that costs little, the model knows which tokens
lie there, and not their order.

Legend: P positions of the text, N tokens of the text.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rnnlm_cli.config import BOUNDARY_ID, ContextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.inspect.context_windows import Indices, compute_last_nats, make_context_window
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.nn.randomness import make_generator
from rnnlm_cli.score.evaluate import (
    compute_document_figures,
    compute_sentence_figures,
    has_probability,
)
from rnnlm_cli.score.predictor import NetworkPredictor
from rnnlm_cli.score.score import Nats
from rnnlm_cli.text.lines import iter_lines
from rnnlm_cli.text.tokenizers import Ids

Watch = Callable[[int, int], object]  # receives the tokens read so far, and those planned so far

CONTEXT_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
MAX_TOKENS = 100_000  # of the text that are read
FAR_TOKENS = 250  # before the last n that are read in a random order
MAX_ROWS = 256  # that are read at once
EFFECTIVE_RATIO = 1.01  # of the loss with the effective context to the loss with all of it


@dataclass(frozen=True)
class ContextLoss:
    """The loss with a part of the context, over the positions.

    Args:
        size: n, the number of visible tokens, or of those that keep their order. A position of a
            sentence has fewer if less of its sentence comes before it.
        nats: the mean of -ln p.
        difference: the mean difference to the loss of the same position with all of its context.
        standard_error: of that mean, as if the positions were independent; NaN for one position.
    """

    size: int
    nats: float
    difference: float
    standard_error: float


@dataclass(frozen=True)
class ContextResult:
    """The losses of a model by its context.

    Args:
        num_tokens: tokens of the text that were read: the first MAX_TOKENS at most.
        num_positions: tokens of it that were predicted with each n.
        whole_nats: the mean of -ln p with all of the context, in nats.
        visible: the losses if only the last n tokens are visible, by n.
        shuffled: the losses if the FAR_TOKENS before the last n are read in a random order, and
            no earlier ones, by n.
        effective: the loss with the effective context: the smallest n from which on the loss is
            at most 1 % above `whole_nats`. None if it is larger than every n that was measured.
    """

    num_tokens: int
    num_positions: int
    whole_nats: float
    visible: Sequence[ContextLoss]
    shuffled: Sequence[ContextLoss]
    effective: ContextLoss | None


def measure_context(
    network: RecurrentNetwork, tokens_N: Ids, *, sentences: bool, config: ContextConfig,
    seed: int = 0, watch: Watch = lambda num_read, num_planned: None, subject: str = "text",
) -> ContextResult:
    """Measure the loss of a text when only the last n tokens are visible, for n = 1, 2, 5, ...

    For each position t the hidden state is reset, the boundary token and then the last n tokens
    are read, and x_t is predicted. All n have the same positions, which are spread evenly over
    the text, so the losses can be compared. For running text, the largest n leaves at least half
    of the text for the positions. For sentences, the context ends where the sentence begins.

    The effective context is found in the losses of the listed n, and then by bisection between
    the two listed n around it. The loss is assumed to fall between these two.

    Args:
        tokens_N: a held-out text.
        sentences: whether every line is a separate sentence.
        config: the number of positions.
        seed: of the random orders.
        watch: receives the progress.
        subject: the name of the text in errors.
    Raises: TextError if the text has no position with a context.
    """
    measurement = _Measurement(
        NetworkPredictor(network), tokens_N[:MAX_TOKENS], sentences=sentences,
        num_positions=config.positions, watch=watch, subject=subject,
    )
    visible = [measurement.measure(size) for size in measurement.sizes]
    shuffled = [measurement.measure(size, seed=seed) for size in measurement.sizes]
    return ContextResult(
        num_tokens=len(measurement.tokens_N),
        num_positions=len(measurement.positions_P),
        whole_nats=measurement.whole_nats,
        visible=visible,
        shuffled=shuffled,
        effective=_find_effective(measurement, visible),
    )


class _Measurement:
    """A text with the positions that are predicted, and their losses with all of the context.

    Attributes:
        sizes: the numbers n of tokens to measure, ascending.
        positions_P: indices of the tokens to predict, ascending.
        starts_P: the index at which the context of each position begins.
        max_size: the number of tokens from which on every context is whole; None for running
            text, whose contexts are longer than all sizes.
    """

    def __init__(
        self, predictor: NetworkPredictor, tokens_N: Ids, *, sentences: bool, num_positions: int,
        watch: Watch, subject: str,
    ) -> None:
        self.predictor, self.tokens_N, self._watch = predictor, tokens_N, watch
        max_size = len(tokens_N) // 2
        first = 0 if sentences else max((n for n in CONTEXT_SIZES if n <= max_size), default=1)
        self.positions_P = self._choose_positions(first, num_positions, subject)
        self.starts_P = np.zeros_like(self.positions_P)
        self.max_size = None
        if sentences:
            ends = np.flatnonzero(tokens_N == BOUNDARY_ID) + 1
            line_P = np.searchsorted(ends, self.positions_P, side="right")
            self.starts_P = np.concatenate([[0], ends])[line_P]
            self.max_size = max_size = int((self.positions_P - self.starts_P).max())
        self.sizes = [n for n in CONTEXT_SIZES if n <= max_size]
        if not self.sizes:
            raise TextError(
                f"{subject}: every line has one token at most, and each line is a sentence to this "
                "model; two tokens in a line are needed. Name a text with longer lines"
            )
        self._num_read, self._num_planned = 0, len(tokens_N) + sum(
            len(self.positions_P) * (2 * (n + 1) + FAR_TOKENS) for n in self.sizes
        )
        self._whole_nats_P = self._compute_whole_nats(sentences=sentences)

    @property
    def whole_nats(self) -> float:
        """The mean loss with all of the context, in nats."""
        return float(self._whole_nats_P.mean())

    def plan(self, size: int, num_times: int) -> None:
        """Add measurements of a size to those that the progress expects."""
        self._num_planned += num_times * len(self.positions_P) * (size + 1)

    def measure(self, size: int, *, seed: int | None = None) -> ContextLoss:
        """Measure the loss with the last `size` tokens.

        Args:
            size: n, 0 or more.
            seed: of the random order of the farther tokens; None leaves them out.
        """
        num_far = 0 if seed is None else FAR_TOKENS
        # It draws nothing if there are no farther tokens.
        generator = np.random.Generator(np.random.Philox(
            make_generator(seed or 0, "far context", size).initial_seed()
        ))
        nats = []
        for begin in range(0, len(self.positions_P), MAX_ROWS):
            rows = slice(begin, begin + MAX_ROWS)
            window = make_context_window(
                self.tokens_N, self.positions_P[rows], self.starts_P[rows], size, num_far,
                generator,
            )
            nats.append(compute_last_nats(self.predictor, window))
            self._report(window.targets_TB.numel())
        difference_P = np.concatenate(nats) - self._whole_nats_P
        difference, error = float(difference_P.mean()), math.nan
        if len(difference_P) > 1:
            error = float(difference_P.std(ddof=1)) / math.sqrt(len(difference_P))
        return ContextLoss(size, self.whole_nats + difference, difference, error)

    def _choose_positions(self, first: int, num_positions: int, subject: str) -> Indices:
        """Return the indices from `first` on that are predicted. Raises: TextError if none is."""
        candidates = first + np.flatnonzero(has_probability(self.predictor, self.tokens_N[first:]))
        if len(self.tokens_N) < 2 or not len(candidates):
            raise TextError(
                f"{subject}: has {len(self.tokens_N)} tokens of this model, and none to predict; "
                "at least two are needed, the last ones known to the model. Name a longer text"
            )
        size = min(num_positions, len(candidates))
        return candidates[np.linspace(0, len(candidates) - 1, size).round().astype(np.int64)]

    def _compute_whole_nats(self, *, sentences: bool) -> Nats:
        """Return the loss of each position with all of its context, as the evaluator has it."""
        if sentences:
            lines = list(iter_lines(self.tokens_N))
            figures_FN = np.concatenate(compute_sentence_figures(self.predictor, lines), axis=1)
        else:
            figures_FN = compute_document_figures(self.predictor, self.tokens_N)
        self._report(len(self.tokens_N))
        nats_P: Nats = figures_FN[0, self.positions_P]
        return nats_P

    def _report(self, num_tokens: int) -> None:
        self._num_read += num_tokens
        self._watch(self._num_read, self._num_planned)


def _find_effective(
    measurement: _Measurement, visible: Sequence[ContextLoss]
) -> ContextLoss | None:
    """Return the loss with the effective context; see `ContextResult`."""
    bound = EFFECTIVE_RATIO * measurement.whole_nats
    too_small = max((loss.size for loss in visible if loss.nats > bound), default=-1)
    found = next((loss for loss in visible if loss.size > too_small), None)
    if found is None and measurement.max_size is not None:
        found = measurement.measure(measurement.max_size)
    if found is None:
        return None
    measurement.plan(found.size, (found.size - too_small - 1).bit_length())
    while found.size - too_small > 1:
        loss = measurement.measure((too_small + found.size) // 2)
        if loss.nats > bound:
            too_small = loss.size
        else:
            found = loss
    return found
