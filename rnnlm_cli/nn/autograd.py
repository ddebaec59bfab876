"""Decorators for the methods of a torch.autograd.Function that is written by hand."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def forward(function: Callable[..., Any]) -> Any:
    """Mark the forward pass. Under autocast it stays in float32."""
    return staticmethod(_without_autocast(function))


def backward(function: Callable[..., Any]) -> Any:
    """Mark the backward pass. It cannot be differentiated itself."""
    return staticmethod(once_differentiable(_without_autocast(function)))


def _without_autocast(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method of a Function so that autocast changes no operation inside.

    Tensors of low precision become float32, and autograd returns their gradients in their own
    type. PyTorch's `custom_fwd` does the same for one type of device, which must be chosen
    before the tensors are known. Other arguments are passed on as they are.
    """

    @wraps(function)
    def run(ctx: Any, *arguments: Any) -> Any:
        device = next(each.device.type for each in arguments if isinstance(each, Tensor))
        if not torch.amp.is_autocast_available(device) or not torch.is_autocast_enabled(device):
            return function(ctx, *arguments)
        with torch.autocast(device, enabled=False):
            return function(ctx, *map(_to_float32, arguments))

    return run


def _to_float32(argument: Any) -> Any:
    """Return a tensor of low precision in float32, and anything else as it is."""
    if isinstance(argument, Tensor) and argument.dtype in (torch.float16, torch.bfloat16):
        return argument.float()
    return argument
