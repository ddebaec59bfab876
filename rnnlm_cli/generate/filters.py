"""Sampling filters: pure functions from logits to logits. A token that is not kept gets -inf.

They apply in the order of llama.cpp, which is the order in this file:

    bias, n-gram ban, repetition, presence and frequency penalty,
    top-k, typical, top-p, min-p, temperature

So top-k, typical, top-p and min-p look at the distribution at temperature 1. Each of them looks at
the softmax over the tokens that the filters before it have kept. Where tokens are equal, the ones
with the lower ids are kept. At least one token is always kept.

Legend: B rows, V vocabulary size, K tokens of a row. A history is the tokens of a row so far, the
prompt included, as an array of ids.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.config import SampleConfig

Logits = NDArray[np.floating]
History = NDArray[np.integer]

MIN_BUCKETED_VOCAB = 1 << 10  # top-p sorts smaller ones
NUM_BUCKETS, BUCKETS_PER_NAT = 1 << 13, 1 << 9  # the tokens that are rarer are in the last one


def apply_history_filters(
    logits_BV: Logits, histories: Sequence[History], config: SampleConfig
) -> Logits:
    """Apply the filters that depend on the history: the n-gram ban and the penalties.

    The result may be `logits_BV` itself, if none of them is on; so in `truncate`.
    """
    if config.no_repeat_ngram:
        logits_BV = forbid_repeated_ngrams(logits_BV, histories, config.no_repeat_ngram)
    if config.penalizes:
        recent = [history[-config.repeat_last_n :] for history in histories]  # -0 is the whole
        logits_BV = penalize_repetition(logits_BV, recent, config.repeat_penalty)
        logits_BV = penalize_presence(logits_BV, recent, config.presence_penalty)
        logits_BV = penalize_frequency(logits_BV, recent, config.frequency_penalty)
    return logits_BV


def truncate(logits_BV: Logits, config: SampleConfig) -> Logits:
    """Apply the filters that cut off a part of the distribution."""
    if config.top_k:
        logits_BV = keep_top_k(logits_BV, config.top_k)
    if config.typical < 1:
        logits_BV = keep_typical(logits_BV, config.typical)
    if config.top_p < 1:
        logits_BV = keep_top_p(logits_BV, config.top_p)
    if config.min_p > 0:
        logits_BV = keep_min_p(logits_BV, config.min_p)
    return logits_BV


def add_bias(logits_BV: Logits, bias_V: Logits) -> Logits:
    """Return logits + bias. A bias of -inf forbids a token; <unk> always has one."""
    return logits_BV + bias_V


def forbid_repeated_ngrams(
    logits_BV: Logits, histories: Sequence[History], size: int
) -> Logits:
    """Forbid each token that would complete an n-gram of this size that the history contains.

    If w_1 ... w_t is the history, token v is forbidden where some i has
    w_i ... w_{i+n-1} = w_{t-n+2} ... w_t v (Paulus et al. 2018). If no token were left in a row,
    none is forbidden there.
    """
    allowed_BV = logits_BV.copy()
    for row_V, history in zip(allowed_BV, histories, strict=True):
        if len(history) < size:
            continue
        # Column j of the n-grams of the history is history[j], history[j + 1], ...
        num_ngrams = len(history) - size + 1
        is_same = np.ones(num_ngrams, bool)
        for offset, token in enumerate(history[len(history) - size + 1 :]):
            is_same &= history[offset : offset + num_ngrams] == token
        repeated = history[size - 1 :][is_same]
        usual = row_V[repeated]
        row_V[repeated] = -np.inf
        if not np.isfinite(row_V).any():
            row_V[repeated] = usual
    return allowed_BV


def penalize_repetition(
    logits_BV: Logits, histories: Sequence[History], penalty: float
) -> Logits:
    """Divide positive logits of the tokens in the history by the penalty, multiply negative ones.

        l_v <- l_v / penalty if l_v > 0 else l_v * penalty      (CTRL, Keskar et al. 2019)
    """
    penalized_BV = logits_BV.copy()
    for row_V, history in zip(penalized_BV, histories, strict=True):
        seen = np.unique(history)
        usual = row_V[seen]
        row_V[seen] = np.where(usual > 0, usual / penalty, usual * penalty)
    return penalized_BV


def penalize_presence(logits_BV: Logits, histories: Sequence[History], penalty: float) -> Logits:
    """Subtract the penalty from the logit of each token in the history.

        l_v <- l_v - penalty [count_v > 0]      (the presence penalty of OpenAI's interface)
    """
    penalized_BV = logits_BV.copy()
    for row_V, history in zip(penalized_BV, histories, strict=True):
        row_V[np.unique(history)] -= penalty
    return penalized_BV


def penalize_frequency(logits_BV: Logits, histories: Sequence[History], penalty: float) -> Logits:
    """Subtract the penalty from the logit of each token once for each time it is in the history.

        l_v <- l_v - penalty count_v      (the frequency penalty of OpenAI's interface)
    """
    penalized_BV = logits_BV.copy()
    for row_V, history in zip(penalized_BV, histories, strict=True):
        seen, counts = np.unique(history, return_counts=True)
        row_V[seen] -= (penalty * counts).astype(row_V.dtype)
    return penalized_BV


def keep_top_k(logits_BV: Logits, top_k: int) -> Logits:
    """Keep the k most probable tokens of each row (Fan et al. 2018)."""
    vocab_size = logits_BV.shape[1]
    if top_k >= vocab_size:
        return logits_BV
    smallest_B = np.partition(logits_BV, vocab_size - top_k, axis=1)[:, vocab_size - top_k]
    return np.stack([
        _keep_largest(row_V, top_k, smallest)
        for row_V, smallest in zip(logits_BV, smallest_B, strict=True)
    ])


def keep_typical(logits_BV: Logits, typical: float) -> Logits:
    """Keep the tokens of typical surprisal (locally typical sampling, Meister et al. 2023).

    With the entropy H = sum_v p_v (-ln p_v), tokens are ranked by | -ln p_v - H |, smallest first.
    The first ones are kept, as many as are needed for a probability of at least `typical`.
    """
    kept_BV = np.full_like(logits_BV, -np.inf)
    for row_V, kept_V in zip(logits_BV, kept_BV, strict=True):
        possible = np.flatnonzero(row_V > -np.inf)
        log_p_K = compute_log_p(row_V[possible])
        p_K = np.exp(log_p_K)
        order = np.argsort(np.abs(-log_p_K + p_K @ log_p_K), kind="stable")
        kept = possible[order[: _count_needed(p_K[order], typical)]]
        kept_V[kept] = row_V[kept]
    return kept_BV


def keep_top_p(logits_BV: Logits, top_p: float) -> Logits:
    """Keep the smallest set of most probable tokens that has probability top_p (nucleus sampling).

    Tokens are ranked by p_v, largest first. The first ones are kept, as many as are needed for a
    probability of at least top_p (Holtzman et al. 2020).
    """
    return np.stack([_keep_nucleus(row_V, top_p) for row_V in logits_BV])


def keep_min_p(logits_BV: Logits, min_p: float) -> Logits:
    """Keep the tokens with p_v >= min_p max_u p_u (Nguyen et al. 2024)."""
    below_best_BV = np.subtract(logits_BV, logits_BV.max(axis=1, keepdims=True), dtype=np.float64)
    return np.where(below_best_BV >= np.log(min_p), logits_BV, -np.inf)


def apply_temperature(logits_BV: Logits, temperature: float) -> NDArray[np.float64]:
    """Return exp(l / temperature), (B, V) in float64, divided by that of the largest logit.

    These are the probabilities to draw with, except for a common factor in each row. Their sums
    need float64: in float32, a sum over many tokens would lose the improbable ones.
    """
    below_best_BV = np.subtract(logits_BV, logits_BV.max(axis=1, keepdims=True), dtype=np.float64)
    with np.errstate(over="ignore"):  # -inf for a temperature near 0, which is greedy
        below_best_BV /= temperature
    weights_BV: NDArray[np.float64] = np.exp(below_best_BV, out=below_best_BV)
    return weights_BV


def compute_log_p(logits_V: Logits) -> NDArray[np.float64]:
    """Return the log softmax of one row, in float64."""
    below_best_V = np.subtract(logits_V, logits_V.max(), dtype=np.float64)
    log_p_V: NDArray[np.float64] = below_best_V - np.log(np.exp(below_best_V).sum())
    return log_p_V


def _keep_nucleus(logits_V: Logits, top_p: float) -> Logits:
    """Keep the fewest most probable tokens of one row that have probability top_p together.

    A large vocabulary is not sorted. The tokens are counted into buckets by their logits, from the
    largest one down, and only the bucket in which the sum reaches top_p is sorted.
    """
    num_above, share_above, total = 0, 0.0, 1.0
    candidates_K = logits_V
    if len(logits_V) >= MIN_BUCKETED_VOCAB:
        below_best_V = (logits_V.max() - logits_V).astype(np.float32)
        buckets_V = np.minimum(below_best_V * np.float32(BUCKETS_PER_NAT), NUM_BUCKETS - 1)
        bucket_V = buckets_V.astype(np.int32)
        sums = np.cumsum(np.bincount(bucket_V, weights=np.exp(-below_best_V)))
        last = min(int(np.searchsorted(sums, top_p * sums[-1])), len(sums) - 1)
        candidates_K = logits_V[bucket_V == last]
        if last > 0:
            num_above, share_above = int((bucket_V < last).sum()), float(sums[last - 1])
        total = float(sums[-1])
    sorted_K = np.sort(candidates_K)[::-1]
    if len(candidates_K) == len(logits_V):
        p_K = np.exp(compute_log_p(sorted_K))
    else:
        p_K = np.exp(np.subtract(sorted_K, logits_V.max(), dtype=np.float64)) / total
    count = _count_needed(p_K, top_p - share_above / total)
    return _keep_largest(logits_V, num_above + count, sorted_K[count - 1])


def _keep_largest(logits_V: Logits, count: int, smallest: np.floating) -> Logits:
    """Keep the largest logits of one row; of equal ones, those with the lower ids.

    Args:
        smallest: the smallest of the logits to keep.
    """
    is_kept_V = logits_V > smallest
    equal = np.flatnonzero(logits_V == smallest)
    is_kept_V[equal[: count - np.count_nonzero(is_kept_V)]] = True
    return np.where(is_kept_V, logits_V, -np.inf)


def _count_needed(p_K: NDArray[np.float64], share: float) -> int:
    """Return how many probabilities, from the first one, are needed for a sum of `share`."""
    return min(int(np.searchsorted(np.cumsum(p_K), share)) + 1, len(p_K))
