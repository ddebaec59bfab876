"""The sampler: random draws of the next token. The filters decide what can be drawn.

Legend: B samples, V vocabulary size.
"""

import numpy as np
import torch
from torch import Tensor

from rnnlm_cli.config import UNKNOWN_ID, SampleConfig
from rnnlm_cli.generate.filters import compute_probabilities


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
        cumulative_BV = compute_probabilities(logits_BV, self._config).cumsum(axis=1)
        drawn = [
            np.searchsorted(cumulative_V, generator.random() * cumulative_V[-1], side="right")
            for cumulative_V, generator in zip(cumulative_BV, self._generators, strict=True)
        ]
        return torch.tensor(drawn, device=logits_BV.device)
