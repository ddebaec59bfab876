"""The only evaluator in the project: nats of packed sentences and of running text.

Legend: T time, B batch (rows), N stream length, L row length.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.score.rows import DocumentRows, Rows, evaluation_window, packed_rows
from rnnlm_cli.text.lines import iter_lines
from rnnlm_cli.text.tokenizers import Ids
from rnnlm_cli.windows import Bools

Nats = NDArray[np.float64]

WINDOW_TOKENS = 1 << 12  # read at once: bounds the memory of a pass through the network
MAX_ROWS = 64
WARM_UP = 256  # tokens read before a row counts
SENTENCES_AT_ONCE = 4096


def read_rows(
    network: RecurrentNetwork, rows: Rows, *, window_tokens: int | None = None
) -> Iterator[tuple[Ids, Nats, Bools]]:
    """Read rows window by window, the state carried.

    Args:
        window_tokens: how many tokens to read at once; None takes WINDOW_TOKENS.
    Yields: targets, their -ln p, and which of them count, (T, B) each. -ln p is infinite for an
        unknown token where training held none (`has_probability`).
    """
    length, batch_size = rows.shape
    window_size = max(1, (window_tokens or WINDOW_TOKENS) // batch_size)
    state = network.initial_state(batch_size)
    for begin in range(0, length, window_size):
        window, counted_TB = evaluation_window(rows, begin, min(begin + window_size, length))
        inputs_TB, targets_TB, resets_TB = (tensor.to(network.device) for tensor in window)
        with torch.inference_mode():
            nats_TB, state = network.compute_surprisal(inputs_TB, targets_TB, state, resets_TB)
        yield window.targets_TB.numpy(), nats_TB.double().cpu().numpy(), counted_TB


def nats_of_rows(
    network: RecurrentNetwork, rows: Rows, *, window_tokens: int | None = None
) -> Nats:
    """-ln p of every target of every row, (L, B), in float64; see `read_rows`."""
    windows = read_rows(network, rows, window_tokens=window_tokens)
    return np.concatenate([nats_TB for _, nats_TB, _ in windows] or [np.empty(rows.shape)])


def sentence_nats(
    network: RecurrentNetwork, sentences: Sequence[Ids], *, window_tokens: int | None = None
) -> list[Nats]:
    """-ln p of every token of every sentence, each from the zero state.

    Args:
        sentences: what is predicted of each, its closing boundary included if it counts. Many
            lie packed in one batch; what stands beside a sentence does not change its score.
        window_tokens: how many tokens to read at once; None takes WINDOW_TOKENS.
    """
    if not sentences:
        return []
    rows, slots = packed_rows(sentences, max_rows=min(MAX_ROWS, window_tokens or MAX_ROWS))
    nats_LB = nats_of_rows(network, rows, window_tokens=window_tokens)
    return [
        nats_LB[slot.begin : slot.begin + len(sentence), slot.row]
        for slot, sentence in zip(slots, sentences, strict=True)
    ]


def document_nats(
    network: RecurrentNetwork, tokens_N: Ids, *, num_rows: int = 1, reset_every: int | None = None,
    window_tokens: int | None = None,
) -> Nats:
    """-ln p of every token of a running text, from the zero state on, state carried.

    Args:
        num_rows: 1 reads one stream, exactly. More cut it into that many rows, each warmed up on
            the 256 tokens before it: faster, and all but equal.
        reset_every: cold windows instead: the zero state again after so many tokens.
        window_tokens: how many tokens to read at once; None takes WINDOW_TOKENS.
    """
    rows = _document_rows(tokens_N, num_rows, reset_every)
    nats_LB = nats_of_rows(network, rows, window_tokens=window_tokens)
    return nats_LB.T[rows.stretch(0, rows.shape[0]).counted_LB.T]


def _document_rows(tokens_N: Ids, num_rows: int, reset_every: int | None) -> DocumentRows:
    num_rows = min(num_rows, max(1, len(tokens_N) // WARM_UP))  # shorter ones only warm up
    stride = reset_every or 1
    if reset_every is not None and num_rows == 1:
        num_rows = MAX_ROWS  # cold windows do not depend on each other
    size = -(-len(tokens_N) // num_rows)
    size = -(-size // stride) * stride
    warm_up = 0 if num_rows == 1 or reset_every is not None else WARM_UP
    return DocumentRows(tokens_N, range(0, len(tokens_N), size), size, warm_up, reset_every)


def perplexity(mean_nats: float) -> float:
    """exp of the mean nats per token; infinity where that is beyond what a float holds."""
    return math.exp(mean_nats) if mean_nats < 700 else math.inf


@dataclass(frozen=True)
class Evaluation:
    """How a network does on a stream, or on a part of it.

    Args:
        nats: -ln p, summed over the tokens that have a probability.
        num_scored: how many they are.
        num_read: those that have none (unknown, where training held none) included.
        num_unknown: unknown tokens among those read.
        unknown_nats: their part of `nats`.
    """

    nats: float
    num_scored: int
    num_read: int
    num_unknown: int
    unknown_nats: float

    @property
    def mean(self) -> float:
        """Nats per scored token: what a model is selected by."""
        return self.nats / self.num_scored if self.num_scored else math.nan


def evaluate(
    network: RecurrentNetwork, tokens_N: Ids, *, sentences: bool, max_tokens: int | None = None
) -> Evaluation:
    """Read a stream as training does: running text in warmed rows, sentences packed.

    Args:
        max_tokens: about how many tokens to read at most, warm-up included, spread evenly over
            the stream; None reads all.
    """
    read = (
        _read_sentences(network, tokens_N, max_tokens or len(tokens_N)) if sentences
        else _read_warmed_rows(network, tokens_N, max_tokens or len(tokens_N))
    )
    nats = unknown_nats = 0.0
    num_scored = num_read = num_unknown = 0
    for tokens_M, nats_M in read:
        scored_M, unknown_M = has_probability(network, tokens_M), tokens_M == UNKNOWN_ID
        nats += float(nats_M[scored_M].sum())
        unknown_nats += float(nats_M[scored_M & unknown_M].sum())
        num_scored += int(scored_M.sum())
        num_read += len(tokens_M)
        num_unknown += int(unknown_M.sum())
    return Evaluation(nats, num_scored, num_read, num_unknown, unknown_nats)


def has_probability(network: RecurrentNetwork, tokens_N: Ids) -> NDArray[np.bool_]:
    """Which tokens a network can predict: all, but for the unknown where training held none."""
    unknown_N: NDArray[np.bool_] = tokens_N == UNKNOWN_ID
    return ~unknown_N | network.config.unknown_trained


def _read_sentences(
    network: RecurrentNetwork, tokens_N: Ids, max_tokens: int
) -> Iterator[tuple[Ids, Nats]]:
    """The tokens read and their nats, some sentences at a time."""
    lines = iter_lines(tokens_N, every=-(-len(tokens_N) // max_tokens))
    while batch := list(islice(lines, SENTENCES_AT_ONCE)):
        yield np.concatenate(batch), np.concatenate(sentence_nats(network, batch))


def _read_warmed_rows(
    network: RecurrentNetwork, tokens_N: Ids, max_tokens: int
) -> Iterator[tuple[Ids, Nats]]:
    """The tokens read and their nats, a window at a time."""
    num_read = min(len(tokens_N), max_tokens)
    num_rows = min(MAX_ROWS, max(1, num_read // (4 * WARM_UP)))
    if num_read == len(tokens_N):
        rows = _document_rows(tokens_N, num_rows, None)
    else:
        size = max(1, num_read // num_rows - WARM_UP)
        starts = [len(tokens_N) * row // num_rows for row in range(num_rows)]
        rows = DocumentRows(tokens_N, starts, size, WARM_UP, None)
    for targets_TB, nats_TB, counted_TB in read_rows(network, rows):
        yield targets_TB[counted_TB], nats_TB[counted_TB]
