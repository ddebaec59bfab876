"""The only evaluator in the project: nats of packed sentences and of running text.

Legend: T time, B batch (rows), N stream length, L row length.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rnnlm_cli.config import BOUNDARY_ID, UNKNOWN_ID
from rnnlm_cli.nn.model import RecurrentNetwork
from rnnlm_cli.windows import (
    WARM_UP,
    Ids,
    Rows,
    document_rows,
    evaluation_window,
    packed_rows,
)

Nats = NDArray[np.float64]

WINDOW_TOKENS = 1 << 12  # read at once: bounds the memory of a pass through the network
MOST_ROWS = 64


@torch.inference_mode()
def nats_of_rows(
    network: RecurrentNetwork, rows: Rows, *, window_tokens: int | None = None
) -> Nats:
    """-ln p of every target of every row, (L, B), state carried from window to window.

    Args:
        window_tokens: how many tokens to read at once; None takes WINDOW_TOKENS.
    Returns: float64; infinity for an unknown token where training held none (`has_probability`).
    """
    length, batch_size = rows.targets_LB.shape
    nats_LB = np.empty((length, batch_size))
    window_size = max(1, (window_tokens or WINDOW_TOKENS) // batch_size)
    state = network.initial_state(batch_size)
    for begin in range(0, length, window_size):
        end = min(begin + window_size, length)
        window = evaluation_window(rows, begin, end)
        inputs_TB, targets_TB, resets_TB = (tensor.to(network.device) for tensor in window)
        nats_TB, state = network.surprisal(inputs_TB, targets_TB, state, resets_TB)
        nats_LB[begin:end] = nats_TB.double().cpu().numpy()
    return nats_LB


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
    rows, slots = packed_rows(sentences, most_rows=min(MOST_ROWS, window_tokens or MOST_ROWS))
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
    num_rows = min(num_rows, max(1, len(tokens_N) // WARM_UP))  # shorter ones only warm up
    stride = reset_every or 1
    if reset_every is not None and num_rows == 1:
        num_rows = MOST_ROWS  # cold windows do not depend on each other
    size = -(-len(tokens_N) // num_rows)
    size = -(-size // stride) * stride
    rows = document_rows(
        tokens_N,
        range(0, len(tokens_N), size),
        size,
        warm_up=0 if num_rows == 1 or reset_every is not None else WARM_UP,
        reset_every=reset_every,
    )
    nats_LB = nats_of_rows(network, rows, window_tokens=window_tokens)
    return nats_LB.T[rows.counted_LB.T]


def split_sentences(tokens_N: Ids) -> list[Ids]:
    """The lines of a stream, each with the boundary that closes it."""
    ends = np.flatnonzero(tokens_N == BOUNDARY_ID) + 1
    sentences = np.split(tokens_N, ends)
    return sentences if len(sentences[-1]) else sentences[:-1]


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
    network: RecurrentNetwork, tokens_N: Ids, *, sentences: bool, most_tokens: int | None = None
) -> Evaluation:
    """Read a stream as training does: running text in warmed rows, sentences packed.

    Args:
        most_tokens: about how many tokens to read at most, warm-up included, spread evenly over
            the stream; None reads all.
    """
    if sentences:
        lines = split_sentences(tokens_N)
        if most_tokens is not None:
            lines = lines[:: max(1, -(-len(tokens_N) // most_tokens))]
        read_M, nats_M = np.concatenate(lines), np.concatenate(_in_batches(network, lines))
    else:
        read_M, nats_M = _in_warmed_rows(network, tokens_N, most_tokens or len(tokens_N))
    scored_M, unknown_M = has_probability(network, read_M), read_M == UNKNOWN_ID
    return Evaluation(
        nats=float(nats_M[scored_M].sum()),
        num_scored=int(scored_M.sum()),
        num_read=len(read_M),
        num_unknown=int(unknown_M.sum()),
        unknown_nats=float(nats_M[scored_M & unknown_M].sum()),
    )


def has_probability(network: RecurrentNetwork, tokens_N: Ids) -> NDArray[np.bool_]:
    """Which tokens a network can predict: all, but for the unknown where training held none."""
    unknown_N: NDArray[np.bool_] = tokens_N == UNKNOWN_ID
    return ~unknown_N | network.config.unknown_trained


def _in_batches(network: RecurrentNetwork, sentences: list[Ids]) -> list[Nats]:
    """`sentence_nats` of many sentences, some at a time."""
    batch_size = 4096
    nats: list[Nats] = []
    for begin in range(0, len(sentences), batch_size):
        nats += sentence_nats(network, sentences[begin : begin + batch_size])
    return nats


def _in_warmed_rows(
    network: RecurrentNetwork, tokens_N: Ids, most_tokens: int
) -> tuple[Ids, Nats]:
    """The tokens read and their nats."""
    num_read = min(len(tokens_N), most_tokens)
    num_rows = min(MOST_ROWS, max(1, num_read // (4 * WARM_UP)))
    if num_read == len(tokens_N):
        return tokens_N, document_nats(network, tokens_N, num_rows=num_rows)
    size = max(1, num_read // num_rows - WARM_UP)
    starts = [len(tokens_N) * row // num_rows for row in range(num_rows)]
    rows = document_rows(tokens_N, starts, size, warm_up=WARM_UP, reset_every=None)
    return rows.targets_LB[rows.counted_LB], nats_of_rows(network, rows)[rows.counted_LB]
