"""Sampling filters: from logits to the probabilities to draw with. Pure functions.

They apply in this order: temperature, top-k, top-p.

Legend: B samples, V vocabulary size.
"""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rnnlm_cli.config import UNKNOWN_ID, SampleConfig

Probabilities = NDArray[np.float64]


def compute_probabilities(logits_BV: Tensor, config: SampleConfig) -> Probabilities:
    """Return the probabilities to draw with, (B, V) in float64, at a temperature above 0.

    Between equal tokens top-k and top-p prefer the lower id.
    """
    p_BV = apply_temperature(logits_BV, config.temperature)
    vocab_size = p_BV.shape[1]
    top_k = min(config.top_k or vocab_size, vocab_size)
    if top_k == vocab_size and config.top_p == 1:
        return p_BV
    order_BV = np.argsort(-p_BV, axis=1, kind="stable")
    sorted_BV = np.take_along_axis(p_BV, order_BV, axis=1)
    sorted_BV = keep_top_p(keep_top_k(sorted_BV, top_k), config.top_p)
    filtered_BV = np.empty_like(p_BV)
    np.put_along_axis(filtered_BV, order_BV, sorted_BV, axis=1)
    return _normalise(filtered_BV)


def apply_temperature(logits_BV: Tensor, temperature: float) -> Probabilities:
    """Return softmax(logits / temperature) without <unk>, whose probability is 0."""
    below_best_BV = logits_BV.double().cpu().numpy().copy()
    below_best_BV[:, UNKNOWN_ID] = -np.inf
    below_best_BV -= below_best_BV.max(axis=1, keepdims=True)
    with np.errstate(over="ignore"):  # -inf for a temperature near 0, which is greedy
        return _normalise(np.exp(below_best_BV / temperature))


def keep_top_k(sorted_BV: Probabilities, top_k: int) -> Probabilities:
    """Set all except the first top_k probabilities to 0.

    Args:
        sorted_BV: probabilities in descending order.
    Returns: probabilities in the same order, not normalised.
    """
    kept_BV = sorted_BV.copy()
    kept_BV[:, top_k:] = 0
    return kept_BV


def keep_top_p(sorted_BV: Probabilities, top_p: float) -> Probabilities:
    """Keep the smallest set that holds top_p of the probability (Holtzman et al. 2020).

    Args:
        sorted_BV: probabilities in descending order. They need not be normalised: top_p is a
            share of their sum.
    Returns: probabilities in the same order, not normalised.
    """
    before_BV = sorted_BV.cumsum(axis=1) - sorted_BV
    kept_BV = sorted_BV.copy()
    is_beyond_BV = before_BV >= top_p * sorted_BV.sum(axis=1, keepdims=True)
    is_beyond_BV[:, 0] = False  # the product of a tiny top_p can be 0
    kept_BV[is_beyond_BV] = 0
    return kept_BV


def _normalise(p_BV: Probabilities) -> Probabilities:
    total_B1: Probabilities = p_BV.sum(axis=1, keepdims=True)
    return p_BV / total_B1
