"""Dropout (Hinton et al. 2012; in recurrent networks: Zaremba et al. 2014)."""

import torch
from torch import Tensor


def apply_dropout(x: Tensor, probability: float, generator: torch.Generator | None) -> Tensor:
    """Set each element to 0 with this probability, and scale the others to keep the mean.

    Args:
        generator: draws the mask, on the CPU; None means no dropout.
    """
    if probability == 0 or generator is None:
        return x
    kept = torch.rand(x.shape, generator=generator) >= probability
    return x * (kept.to(x.device, x.dtype) / (1 - probability))
