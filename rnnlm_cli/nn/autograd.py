"""Decorators for the methods of a torch.autograd.Function that is written by hand."""

from collections.abc import Callable
from typing import Any

import torch
from torch.amp import custom_bwd, custom_fwd
from torch.autograd.function import once_differentiable


def forward(function: Callable[..., Any]) -> Any:
    """Mark the forward pass. Under CUDA's autocast it stays in float32."""
    return staticmethod(custom_fwd(function, device_type="cuda", cast_inputs=torch.float32))


def backward(function: Callable[..., Any]) -> Any:
    """Mark the backward pass. It cannot be differentiated itself."""
    return staticmethod(once_differentiable(custom_bwd(function, device_type="cuda")))
