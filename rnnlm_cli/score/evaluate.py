"""The only evaluator of the project: -ln p of packed sentences and of running text.

Legend: T time, B batch (rows), N tokens of a text, M tokens of a part of it, L row length.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.nn.network import RecurrentNetwork
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


def read_rows(
    network: RecurrentNetwork, rows: Rows, *, batch_tokens: int | None = None
) -> Iterator[tuple[Ids, Nats, Mask]]:
    """Read rows window by window, carrying the hidden state.

    Args:
        batch_tokens: maximum number of tokens in one pass; None means MAX_BATCH_TOKENS.
    Yields: the targets, their -ln p, and a mask of those that count, all of shape (T, B). -ln p
        is infinite for a token without probability; see `has_probability`.
    """
    _, batch_size = rows.shape
    window_size = max(1, (batch_tokens or MAX_BATCH_TOKENS) // batch_size)
    slices = split_rows(batch_size, network.device)
    parts = [_PartOfRows(network, part) for part in slices]
    for window, counted_TB in read_windows(rows, window_size):
        if len(parts) > 1:
            nats = run_together([partial(part.compute_nats, window) for part in parts])
        else:
            nats = [_compute_nats_of_few_rows(parts[0], window)]
        yield window.targets_TB.numpy(), np.concatenate(nats, axis=1), counted_TB


class _PartOfRows:
    """Some rows of a batch, which one thread reads. It holds their hidden state."""

    def __init__(self, network: RecurrentNetwork, rows: slice) -> None:
        self.network, self._rows = network, rows
        self._state = network.initial_state(rows.stop - rows.start)

    @torch.inference_mode()
    def read(self, window: Window) -> tuple[Tensor, Tensor]:
        """Read the next window; return the network's outputs, (M, H), and the targets, (M,)."""
        inputs_TB, targets_TB, resets_TB = (
            tensor[:, self._rows].contiguous().to(self.network.device) for tensor in window
        )
        y_TBH, self._state = self.network.read(inputs_TB, self._state, resets_TB)
        return y_TBH.flatten(0, 1), targets_TB.flatten()

    def compute_nats(self, window: Window) -> Nats:
        """Read the next window; return -ln p of its targets in these rows, (T, B)."""
        y_MH, targets_M = self.read(window)
        nats_M = _compute_nats_of(self.network, y_MH, targets_M)
        return nats_M.reshape(len(window.targets_TB), -1)


def _compute_nats_of_few_rows(part: _PartOfRows, window: Window) -> Nats:
    """Return -ln p of all targets of a window that has too few rows to share them, (T, B).

    One thread reads the window: several would wait for each other at every step, and gain nothing.
    The output layer, which is large for many words, is shared by positions.
    """
    with one_thread():
        y_MH, targets_M = part.read(window)
    nats = run_together([
        partial(_compute_nats_of, part.network, y_MH[positions], targets_M[positions])
        for positions in split_rows(len(y_MH), y_MH.device, min_rows=MIN_POSITIONS)
    ])
    return np.concatenate(nats).reshape(window.targets_TB.shape)


@torch.inference_mode()
def _compute_nats_of(network: RecurrentNetwork, y_MH: Tensor, targets_M: Tensor) -> Nats:
    """Return -ln p of targets, given the network's outputs before them, (M,), in float64."""
    nats: Nats = network.compute_surprisal(y_MH, targets_M).double().cpu().numpy()
    return nats


def compute_row_nats(
    network: RecurrentNetwork, rows: Rows, *, batch_tokens: int | None = None
) -> Nats:
    """Return -ln p of every target of every row, (L, B), in float64; see `read_rows`."""
    windows = read_rows(network, rows, batch_tokens=batch_tokens)
    return np.concatenate([nats_TB for _, nats_TB, _ in windows] or [np.empty(rows.shape)])


def compute_sentence_nats(
    network: RecurrentNetwork, sentences: Sequence[Ids], *, batch_tokens: int | None = None
) -> list[Nats]:
    """Return -ln p of every token of every sentence, each scored from the zero state.

    Many sentences are packed in one batch. The other sentences of the batch do not change the
    score of a sentence.

    Args:
        sentences: the tokens to predict of each sentence. The closing boundary is one of them if
            it counts.
        batch_tokens: maximum number of tokens in one pass; None means MAX_BATCH_TOKENS.
    """
    if not sentences:
        return []
    rows, slots = pack_sentences(sentences, max_rows=min(MAX_ROWS, batch_tokens or MAX_ROWS))
    nats_LB = compute_row_nats(network, rows, batch_tokens=batch_tokens)
    return [
        nats_LB[slot.begin : slot.begin + len(sentence), slot.row]
        for slot, sentence in zip(slots, sentences, strict=True)
    ]


def compute_document_nats(
    network: RecurrentNetwork, tokens_N: Ids, *, num_rows: int = 1, reset_every: int | None = None,
    batch_tokens: int | None = None,
) -> Nats:
    """Return -ln p of every token of a running text, read from the zero state.

    Args:
        num_rows: 1 reads the text as one row and carries the hidden state through: exact. More
            rows split the text. Each row is warmed up on the 256 tokens before it, which is
            faster and almost equal.
        reset_every: reset the hidden state every `reset_every` tokens instead (cold windows).
        batch_tokens: maximum number of tokens in one pass; None means MAX_BATCH_TOKENS.
    """
    rows = _lay_document(tokens_N, num_rows, reset_every)
    nats_LB = compute_row_nats(network, rows, batch_tokens=batch_tokens)
    return nats_LB.T[rows.read(0, rows.shape[0]).counted_LB.T]


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
    read = (
        _read_sentences(network, tokens_N, max_tokens or len(tokens_N)) if sentences
        else _read_warmed_rows(network, tokens_N, max_tokens or len(tokens_N))
    )
    score = Score()
    for tokens_M, nats_M in read:
        score += Score.from_tokens(nats_M, tokens_M, has_probability(network, tokens_M))
    return score


def has_probability(network: RecurrentNetwork, tokens_N: Ids) -> Mask:
    """Return a mask of the tokens that have a probability.

    All have one, except the unknown token if it never occurred in training.
    """
    unknown_N: Mask = tokens_N == UNKNOWN_ID
    return ~unknown_N | network.config.unknown_trained


def _read_sentences(
    network: RecurrentNetwork, tokens_N: Ids, max_tokens: int
) -> Iterator[tuple[Ids, Nats]]:
    """Yield the tokens read and their -ln p, batch by batch."""
    lines = iter_lines(tokens_N, every=-(-len(tokens_N) // max_tokens))
    while batch := list(islice(lines, MAX_BATCH_SENTENCES)):
        yield np.concatenate(batch), np.concatenate(compute_sentence_nats(network, batch))


def _read_warmed_rows(
    network: RecurrentNetwork, tokens_N: Ids, max_tokens: int
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
    for targets_TB, nats_TB, counted_TB in read_rows(network, rows):
        yield targets_TB[counted_TB], nats_TB[counted_TB]
