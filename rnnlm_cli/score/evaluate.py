"""The only evaluator of the project: -ln p of packed sentences and of running text.

Legend: T time, B batch (rows), N tokens of a text, M tokens of a part of it, L row length, F
figures of a token (see `FigureChoice`), the first of which is -ln p.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

import numpy as np
from torch import Tensor

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.score.predictor import (
    FigureChoice,
    Figures,
    NetworkPredictor,
    Predictions,
    Predictor,
)
from rnnlm_cli.score.rows import DocumentRows, Rows, pack_sentences, read_windows
from rnnlm_cli.score.score import Mask, Nats, Score
from rnnlm_cli.text.lines import iter_lines
from rnnlm_cli.text.tokenizers import Ids
from rnnlm_cli.threads import one_thread, run_together, split_rows
from rnnlm_cli.windows import Window

MAX_BATCH_TOKENS = 1 << 12  # tokens in one pass through the network, which bounds its memory
MAX_ROWS = 64
MIN_POSITIONS = 256  # of a thread, in the output layer of few rows
WARM_UP_TOKENS = 256  # tokens of context that a row reads before its first scored token
MAX_BATCH_SENTENCES = 4096
NATS = FigureChoice()  # -ln p alone


def read_rows(
    predictor: Predictor, rows: Rows, *, batch_tokens: int | None = None,
    choice: FigureChoice = NATS,
) -> Iterator[tuple[Ids, Figures, Mask]]:
    """Read rows window by window, carrying the state of the predictor.

    Args:
        batch_tokens: maximum number of tokens in one pass; None means MAX_BATCH_TOKENS.
        choice: the figures to compute for each target.
    Yields: the targets, (T, B), their figures, (F, T, B), and a mask of those that count, (T, B).
        -ln p is infinite for a token without probability; see `has_probability`. In a window
        without any target that counts, all figures are zeros.
    """
    _, batch_size = rows.shape
    window_size = max(1, (batch_tokens or MAX_BATCH_TOKENS) // batch_size)
    window_size = min(window_size, predictor.max_window or window_size)
    slices = split_rows(batch_size, predictor.device)
    parts = [_PartOfRows(predictor, choice, part) for part in slices]
    for window, counted_TB in read_windows(rows, window_size):
        if not counted_TB.any():
            _read_warm_up(parts, window)
            figures = [np.zeros((choice.size, *counted_TB.shape))]
        elif len(parts) > 1:
            figures = run_together([partial(part.compute_figures, window) for part in parts])
        else:
            figures = [_compute_figures_of_few_rows(parts[0], window)]
        yield window.targets_TB.numpy(), np.concatenate(figures, axis=2), counted_TB


class _PartOfRows:
    """Some rows of a batch, which one thread reads. It holds the state of the predictor."""

    def __init__(self, predictor: Predictor, choice: FigureChoice, rows: slice) -> None:
        self.choice, self.device = choice, predictor.device
        self._predictor, self._rows = predictor, rows
        self._state = predictor.initial_state(rows.stop - rows.start)

    def read(self, window: Window) -> tuple[Predictions, Tensor]:
        """Read the next window; return the predictions and the targets, (M,)."""
        inputs_TB, targets_TB, resets_TB = (
            tensor[:, self._rows].contiguous().to(self.device) for tensor in window
        )
        predictions, self._state = self._predictor.read(inputs_TB, self._state, resets_TB)
        return predictions, targets_TB.flatten()

    def compute_figures(self, window: Window) -> Figures:
        """Read the next window; return the figures of its targets in these rows, (F, T, B)."""
        figures_FM = self.choice.compute(*self.read(window))
        return figures_FM.reshape(len(figures_FM), len(window.targets_TB), -1)


def _read_warm_up(parts: Sequence[_PartOfRows], window: Window) -> None:
    """Read a window in which no target counts: the output layer, which can be slow, is left out."""
    with one_thread():
        run_together([partial(part.read, window) for part in parts])


def _compute_figures_of_few_rows(part: _PartOfRows, window: Window) -> Figures:
    """Return the figures of all targets of a window that has too few rows to share them, (F, T, B).

    One thread reads the window: several would wait for each other at every step, and gain nothing.
    The output layer, which is large for many words, is shared by positions.
    """
    with one_thread():
        predictions, targets_M = part.read(window)
    figures = run_together([
        partial(part.choice.compute, predictions.select(positions), targets_M[positions])
        for positions in split_rows(len(targets_M), part.device, min_rows=MIN_POSITIONS)
    ])
    figures_FM = np.concatenate(figures, axis=1)
    return figures_FM.reshape(len(figures_FM), *window.targets_TB.shape)


def compute_row_figures(
    predictor: Predictor, rows: Rows, *, batch_tokens: int | None = None,
    choice: FigureChoice = NATS,
) -> Figures:
    """Return the figures of every target of every row, (F, L, B), in float64; see `read_rows`."""
    windows = read_rows(predictor, rows, batch_tokens=batch_tokens, choice=choice)
    figures = [figures_FTB for _, figures_FTB, _ in windows]
    return np.concatenate(figures or [np.empty((choice.size, *rows.shape))], axis=1)


def compute_sentence_figures(
    predictor: Predictor, sentences: Sequence[Ids], *, batch_tokens: int | None = None,
    choice: FigureChoice = NATS,
) -> list[Figures]:
    """Return the figures of every token of every sentence, each read from the zero state, (F, N).

    Many sentences are packed in one batch. The other sentences of the batch do not change the
    score of a sentence.

    Args:
        sentences: the tokens to predict of each sentence. The closing boundary is one of them if
            it counts.
        batch_tokens: maximum number of tokens in one pass; None means MAX_BATCH_TOKENS.
        choice: the figures to compute.
    """
    if not sentences:
        return []
    max_rows = min(MAX_ROWS, batch_tokens or MAX_ROWS)
    rows, slots = pack_sentences(sentences, max_rows=max_rows)
    figures_FLB = compute_row_figures(predictor, rows, batch_tokens=batch_tokens, choice=choice)
    return [
        figures_FLB[:, slot.begin : slot.begin + len(sentence), slot.row]
        for slot, sentence in zip(slots, sentences, strict=True)
    ]


def compute_document_figures(
    predictor: Predictor, tokens_N: Ids, *, num_rows: int = 1, reset_every: int | None = None,
    batch_tokens: int | None = None, choice: FigureChoice = NATS,
) -> Figures:
    """Return the figures of every token of a running text, read from the zero state, (F, N).

    Args:
        num_rows: 1 reads the text as one row and carries the hidden state through: exact. More
            rows split the text. Each row is warmed up on the 256 tokens before it, which is
            faster and almost equal.
        reset_every: reset the hidden state every `reset_every` tokens instead (cold windows).
        batch_tokens: maximum number of tokens in one pass; None means MAX_BATCH_TOKENS.
        choice: the figures to compute.
    """
    rows = _lay_document(tokens_N, num_rows, reset_every)
    figures_FLB = compute_row_figures(predictor, rows, batch_tokens=batch_tokens, choice=choice)
    return figures_FLB.transpose(0, 2, 1)[:, rows.read(0, rows.shape[0]).counted_LB.T]


def _lay_document(tokens_N: Ids, num_rows: int, reset_every: int | None) -> DocumentRows:
    # shorter rows would consist of warm-up only
    num_rows = min(num_rows, max(1, len(tokens_N) // WARM_UP_TOKENS))
    stride = reset_every or 1
    if reset_every is not None and num_rows == 1:
        num_rows = MAX_ROWS  # cold windows do not depend on each other
    size = -(-len(tokens_N) // num_rows)
    size = -(-size // stride) * stride
    warm_up = 0 if num_rows == 1 or reset_every is not None else WARM_UP_TOKENS
    return DocumentRows(tokens_N, range(0, len(tokens_N), size), size, warm_up, reset_every)


def evaluate(
    network: RecurrentNetwork, tokens_N: Ids, *, sentences: bool, max_tokens: int | None = None
) -> Score:
    """Score a text as training reads it: running text in warmed-up rows, or packed sentences.

    Args:
        tokens_N: the text.
        sentences: whether every line is a separate sentence.
        max_tokens: approximate maximum number of tokens to read, warm-up included. They are
            spread evenly over the text. None reads all.
    """
    predictor = NetworkPredictor(network)
    read = (
        _read_sentences(predictor, tokens_N, max_tokens or len(tokens_N)) if sentences
        else _read_warmed_rows(predictor, tokens_N, max_tokens or len(tokens_N))
    )
    score = Score()
    for tokens_M, nats_M in read:
        score += Score.from_tokens(nats_M, tokens_M, has_probability(predictor, tokens_M))
    return score


def has_probability(predictor: Predictor, tokens_N: Ids) -> Mask:
    """Return a mask of the tokens that have a probability.

    All have one, except the unknown token if it never occurred in training.
    """
    unknown_N: Mask = tokens_N == UNKNOWN_ID
    return ~unknown_N | predictor.unknown_trained


def _read_sentences(
    predictor: Predictor, tokens_N: Ids, max_tokens: int
) -> Iterator[tuple[Ids, Nats]]:
    """Yield the tokens read and their -ln p, batch by batch."""
    lines = iter_lines(tokens_N, every=-(-len(tokens_N) // max_tokens))
    while batch := list(islice(lines, MAX_BATCH_SENTENCES)):
        figures_FN = np.concatenate(compute_sentence_figures(predictor, batch), axis=1)
        yield np.concatenate(batch), figures_FN[0]


def _read_warmed_rows(
    predictor: Predictor, tokens_N: Ids, max_tokens: int
) -> Iterator[tuple[Ids, Nats]]:
    """Yield the tokens read and their -ln p, window by window."""
    num_read = min(len(tokens_N), max_tokens)
    num_rows = min(MAX_ROWS, max(1, num_read // (4 * WARM_UP_TOKENS)))
    if num_read == len(tokens_N):
        rows = _lay_document(tokens_N, num_rows, None)
    else:
        size = max(1, num_read // num_rows - WARM_UP_TOKENS)
        starts = [len(tokens_N) * row // num_rows for row in range(num_rows)]
        rows = DocumentRows(tokens_N, starts, size, WARM_UP_TOKENS, None)
    for targets_TB, figures_FTB, counted_TB in read_rows(predictor, rows):
        yield targets_TB[counted_TB], figures_FTB[0][counted_TB]
