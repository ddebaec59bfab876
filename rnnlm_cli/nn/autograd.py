"""What every backward pass that is written by hand has in common."""

from collections.abc import Callable
from typing import Any

import torch
from torch.amp import custom_bwd, custom_fwd
from torch.autograd.function import once_differentiable


def forward(function: Callable[..., Any]) -> Any:
    """The forward pass of a torch.autograd.Function; under CUDA's autocast it stays in float32."""
    return staticmethod(custom_fwd(function, device_type="cuda", cast_inputs=torch.float32))


def backward(function: Callable[..., Any]) -> Any:
    """Its backward pass, which cannot itself be differentiated."""
    return staticmethod(once_differentiable(custom_bwd(function, device_type="cuda")))
