"""One draw, compiled by numba: the filters that truncate, the temperature, and the random choice.

The definition is in `filters.py`, and a test compares the two. With a small vocabulary, the calls
of numpy would take as long as the network. Here a draw is one call.

Importing this module imports numba.

Legend: B rows, V vocabulary size.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.nn.fused.compiler import Array, compiled

Work = NDArray[np.float64]
EXCLUDED, KEPT = -np.inf, np.inf  # as a logit, and as a rank
MAX_SEARCHES = 8
MAX_RANK = 1e300


@compiled
def _exclude_all_but_top_k(logits_V: Work, top_k: int, marks_V: Work) -> None:
    """Keep the k largest logits; between equal ones, those with the lower ids."""
    marks_V[:] = 0.0
    for _ in range(min(top_k, len(logits_V))):
        best = -1
        for token in range(len(logits_V)):
            if marks_V[token] == 0 and (best < 0 or logits_V[token] > logits_V[best]):
                best = token
        marks_V[best] = 1.0
    for token in range(len(logits_V)):
        if marks_V[token] == 0:
            logits_V[token] = EXCLUDED


@compiled
def _exclude_beyond(logits_V: Work, p_V: Work, rank_V: Work, share: float) -> None:
    """Keep the tokens of the smallest ranks, as many as are needed for a probability of `share`.

    The first few are looked for one by one. Mostly they are enough, and nothing is sorted. The
    ranks are changed.
    """
    total = 0.0
    for _ in range(min(MAX_SEARCHES, len(logits_V))):
        best = rank_V.argmin()
        rank_V[best] = KEPT
        total += p_V[best]
        if total >= share:
            break
    if total < share:
        order = np.argsort(rank_V, kind="mergesort")  # the kept ones come last
        for token in order[: len(order) - min(MAX_SEARCHES, len(order))]:
            rank_V[token] = KEPT
            total += p_V[token]
            if total >= share:
                break
    for token in range(len(logits_V)):
        if rank_V[token] < KEPT:
            logits_V[token] = EXCLUDED


@compiled
def _compute_p(logits_V: Work, p_V: Work, log_p_V: Work) -> None:
    """Compute the softmax of the logits and its logarithm."""
    largest = logits_V.max()
    total = 0.0
    for token in range(len(logits_V)):
        total += math.exp(logits_V[token] - largest)
    log_total = math.log(total)
    for token in range(len(logits_V)):
        log_p_V[token] = logits_V[token] - largest - log_total
        p_V[token] = math.exp(log_p_V[token])


@compiled
def _truncate(
    logits_V: Work, top_k: int, typical: float, top_p: float, min_p: float, p_V: Work, rank_V: Work
) -> None:
    """Apply top-k, typical, top-p and min-p, in this order."""
    if 0 < top_k < len(logits_V):
        _exclude_all_but_top_k(logits_V, top_k, rank_V)
    if typical < 1:
        _compute_p(logits_V, p_V, rank_V)
        entropy = 0.0
        for token in range(len(logits_V)):
            if logits_V[token] > EXCLUDED:
                entropy -= p_V[token] * rank_V[token]
        for token in range(len(logits_V)):
            rank = abs(-rank_V[token] - entropy)  # infinite for an excluded token
            rank_V[token] = min(rank, MAX_RANK)
        _exclude_beyond(logits_V, p_V, rank_V, typical)
    if top_p < 1:
        _compute_p(logits_V, p_V, rank_V)
        for token in range(len(logits_V)):
            rank_V[token] = -p_V[token]
        _exclude_beyond(logits_V, p_V, rank_V, top_p)
    if min_p > 0:
        largest, least = logits_V.max(), math.log(min_p)
        for token in range(len(logits_V)):
            if logits_V[token] - largest < least:
                logits_V[token] = EXCLUDED


@compiled
def draw_token(
    logits_V: Array, uniform: float, bias_V: Array, temperature: float, top_k: int,
    typical: float, top_p: float, min_p: float, work_3V: Any,
) -> int:
    """Draw a token with one uniform number from [0, 1).

    Args:
        logits_V: float32.
        bias_V: added to the logits; -inf forbids a token.
        temperature: above 0.
        work_3V: memory, float64.
    """
    x_V, p_V, rank_V = work_3V[0], work_3V[1], work_3V[2]
    for token in range(len(logits_V)):
        x_V[token] = logits_V[token] + bias_V[token]
    if top_k > 0 or typical < 1 or top_p < 1 or min_p > 0:
        _truncate(x_V, top_k, typical, top_p, min_p, p_V, rank_V)
    largest = x_V.max()
    total = 0.0
    for token in range(len(logits_V)):
        total += math.exp((x_V[token] - largest) / temperature)
        p_V[token] = total
    bound = uniform * total
    for token in range(len(logits_V)):
        if p_V[token] > bound:
            return token
    return len(logits_V) - 1


@compiled
def draw_tokens(
    logits_BV: Array, uniforms_B: Work, bias_V: Array, temperature: float, top_k: int,
    typical: float, top_p: float, min_p: float, work_3V: Any, tokens_B: Any,
) -> None:
    """Draw a token of each row; see `draw_token`."""
    for row in range(len(logits_BV)):
        tokens_B[row] = draw_token(
            logits_BV[row], uniforms_B[row], bias_V, temperature, top_k, typical, top_p, min_p,
            work_3V,
        )
