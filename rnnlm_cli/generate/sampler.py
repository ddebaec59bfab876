"""Sampling of the next token: temperature, top-k, top-p, in this order.

Legend: B samples, V vocabulary size.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnlm_cli.config import UNKNOWN_ID, SampleConfig

Probabilities = NDArray[np.float64]


class Sampler:
    """A sampler that draws the next token of each sample with one uniform number.

    The numbers come from numpy's Philox, a counter-based generator (Salmon et al. 2011), with the
    key (seed, sample). So a sample does not depend on the number of samples.
    """

    def __init__(self, config: SampleConfig) -> None:
        self._config = config
        self._generators = [
            np.random.Generator(np.random.Philox(key=[config.seed, sample]))
            for sample in range(config.num_samples)
        ]

    def draw(self, logits_BV: Tensor) -> Tensor:
        """Return the next token id of each sample, (B,) int64. <unk> is never drawn."""
        if self._config.temperature == 0:
            greedy_BV = logits_BV.clone()
            greedy_BV[:, UNKNOWN_ID] = -torch.inf
            return greedy_BV.argmax(dim=1)
        cumulative_BV = probabilities(logits_BV, self._config).cumsum(axis=1)
        drawn = [
            np.searchsorted(cumulative_V, generator.random() * cumulative_V[-1], side="right")
            for cumulative_V, generator in zip(cumulative_BV, self._generators, strict=True)
        ]
        return torch.tensor(drawn, device=logits_BV.device)


def probabilities(logits_BV: Tensor, config: SampleConfig) -> Probabilities:
    """Return the probabilities to draw with, (B, V) in float64, at a temperature above 0.

    They are softmax(logits / temperature), limited to the top_k most probable tokens, then to
    the smallest set of those that holds top_p of their probability (Holtzman et al. 2020).
    Between equal tokens the lower id is preferred.
    """
    below_best_BV = logits_BV.double().cpu().numpy().copy()
    below_best_BV[:, UNKNOWN_ID] = -np.inf
    below_best_BV -= below_best_BV.max(axis=1, keepdims=True)
    with np.errstate(over="ignore"):  # -inf for a temperature near 0, which is greedy
        p_BV = np.exp(below_best_BV / config.temperature)
    p_BV = _normalise(p_BV)
    vocab_size = p_BV.shape[1]
    keep = min(config.top_k or vocab_size, vocab_size)
    if keep == vocab_size and config.top_p == 1:
        return p_BV
    order_BV = np.argsort(-p_BV, axis=1, kind="stable")
    sorted_BV = np.take_along_axis(p_BV, order_BV, axis=1)
    sorted_BV[:, keep:] = 0
    before_BV = sorted_BV.cumsum(axis=1) - sorted_BV
    sorted_BV[before_BV >= config.top_p * sorted_BV.sum(axis=1, keepdims=True)] = 0
    np.put_along_axis(p_BV, order_BV, sorted_BV, axis=1)
    return _normalise(p_BV)


def _normalise(p_BV: Probabilities) -> Probabilities:
    total_B1: Probabilities = p_BV.sum(axis=1, keepdims=True)
    return p_BV / total_B1
