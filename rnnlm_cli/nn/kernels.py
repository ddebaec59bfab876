"""Private kernels of PyTorch. Each has a public replacement that is used if it is missing.

A release of PyTorch may change or remove a private kernel. So this is the only file that names
them. Each kernel is a module constant, and the constant is None on a PyTorch that lacks the
kernel. The functions below then compute the same result with public operations.

Legend: M any leading sizes, H hidden size, B batch size, K inputs, N outputs.
"""

import ctypes
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


def _find_out_variant(operator_name: str) -> Any:
    """Return the variant of an ATen operator that writes into `grad_input`, or None."""
    operator = getattr(torch.ops.aten, operator_name, None)
    return getattr(operator, "grad_input", None)


def _find_default(library: Any, operator_name: str) -> Any:
    """Return the default overload of an operator, which is called faster; None if missing."""
    return getattr(getattr(library, operator_name, None), "default", None)


# A derivative times a gradient in one pass over memory, without a temporary tensor. Forward and
# backward of the Elman cell, which calls them at every step, are 3 to 13 % faster. The GRU and
# the LSTM call them once for a whole window: there they save the temporary tensor, and no time.
SIGMOID_BACKWARD = _find_out_variant("sigmoid_backward")
TANH_BACKWARD = _find_out_variant("tanh_backward")
THRESHOLD_BACKWARD = _find_out_variant("threshold_backward")

# Products by a matrix that MKL has packed once: 16 to 43 % faster than torch.mm at
# 64 x 512 x 2048 and 64 x 1024 x 4096, because torch.mm packs the matrix in every call.
MKL_PACK = getattr(torch.ops.mkl, "_mkl_reorder_linear_weight", None)
MKL_LINEAR = getattr(torch.ops.mkl, "_mkl_linear", None)

# Products by oneDNN, for float32 and bfloat16; the matrix may be packed. `matmul.py` has the rule
# that uses them. On AMD processors they are up to twice as fast as those of MKL.
ONEDNN_PACK = _find_default(torch.ops.mkldnn, "_reorder_linear_weight")
ONEDNN_LINEAR = _find_default(torch.ops.mkldnn, "_linear_pointwise")

# The properties of the processor: a dictionary of names and flags.
CAPABILITIES: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()

# AdamW in one pass over weights, gradients and both averages: 3 times as fast as the public
# operations for an LSTM of hidden size 512. torch.optim.AdamW runs the same kernel, but importing
# torch.optim takes 1.5 s.
FUSED_ADAMW = getattr(torch, "_fused_adamw_", None)

# One call for a whole list of tensors: one launch on CUDA instead of one for each tensor. On the
# CPU the difference is below 2 %.
FOREACH_ADD = getattr(torch, "_foreach_add_", None)
FOREACH_MUL = getattr(torch, "_foreach_mul_", None)
FOREACH_NORM = getattr(torch, "_foreach_norm", None)


def apply_sigmoid_derivative(grad_MH: Tensor, y_MH: Tensor, *, out: Tensor) -> Tensor:
    """Compute grad * y * (1 - y) into `out`, which may be one of the inputs; y is the sigmoid."""
    if SIGMOID_BACKWARD is None:
        return torch.mul(grad_MH, (1 - y_MH) * y_MH, out=out)
    SIGMOID_BACKWARD(grad_MH, y_MH, grad_input=out)
    return out


def apply_tanh_derivative(grad_MH: Tensor, y_MH: Tensor, *, out: Tensor) -> Tensor:
    """Compute grad * (1 - y * y) into `out`, which may be one of the inputs; y is the tanh."""
    if TANH_BACKWARD is None:
        return torch.mul(grad_MH, 1 - y_MH * y_MH, out=out)
    TANH_BACKWARD(grad_MH, y_MH, grad_input=out)
    return out


def apply_relu_derivative(grad_MH: Tensor, y_MH: Tensor, *, out: Tensor) -> Tensor:
    """Compute grad * (y > 0) into `out`, which may be one of the inputs; y is the ReLU."""
    if THRESHOLD_BACKWARD is None:
        return out.copy_(grad_MH.masked_fill(y_MH <= 0, 0))
    THRESHOLD_BACKWARD(grad_MH, y_MH, 0, grad_input=out)
    return out


def is_amd() -> bool:
    """Return whether the processor is an AMD: only these ever had the instructions SSE4a."""
    return bool(CAPABILITIES.get("sse4a"))


def multiplies_bfloat16() -> bool:
    """Return whether the processor has instructions for products in bfloat16."""
    return bool(CAPABILITIES.get("avx512_bf16") or CAPABILITIES.get("amx_bf16"))


def has_packed_mkl() -> bool:
    """Return whether this PyTorch has MKL's packed products."""
    return MKL_PACK is not None and MKL_LINEAR is not None


def has_onednn() -> bool:
    """Return whether this PyTorch has oneDNN's products."""
    return (
        ONEDNN_PACK is not None and ONEDNN_LINEAR is not None
        and torch.backends.mkldnn.is_available()
    )


def pack_mkl(weight_NK: Tensor, batch_size: int) -> Tensor:
    """Pack a contiguous float32 matrix for `multiply_mkl`."""
    assert MKL_PACK is not None
    packed: Tensor = MKL_PACK(weight_NK, batch_size)
    return packed


def multiply_mkl(x_BK: Tensor, packed: Tensor, weight_NK: Tensor, batch_size: int) -> Tensor:
    """Return x W^T. `packed` is what `pack_mkl` returned for the same matrix and B."""
    assert MKL_LINEAR is not None
    product_BN: Tensor = MKL_LINEAR(x_BK, packed, weight_NK, None, batch_size)
    return product_BN


def find_sgemm() -> int | None:
    """Return the address of the function SGEMM of the BLAS that PyTorch brings, or None.

    PyTorch's library for x86 exports MKL's. Its integers have 32 bits.
    """
    path = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    if sys.platform != "linux" or not path.exists():
        return None
    sgemm = getattr(ctypes.CDLL(str(path)), "sgemm_", None)
    return None if sgemm is None else ctypes.cast(sgemm, ctypes.c_void_p).value


def pack_onednn(weight_NK: Tensor, batch_size: int) -> Tensor:
    """Pack a matrix for `multiply_onednn`."""
    assert ONEDNN_PACK is not None
    packed: Tensor = ONEDNN_PACK(weight_NK.detach(), batch_size)
    return packed


def multiply_onednn(x_MK: Tensor, weight_NK: Tensor, bias_N: Tensor | None = None) -> Tensor:
    """Return x W^T + b. W may be packed; all have one type."""
    assert ONEDNN_LINEAR is not None
    product_MN: Tensor = ONEDNN_LINEAR(x_MK, weight_NK, bias_N, "none", [], "")
    return product_MN


def step_adamw(
    parameters: Sequence[Tensor], gradients: Sequence[Tensor], means: Sequence[Tensor],
    squares: Sequence[Tensor], steps: Sequence[Tensor], *, lr: float,
    betas: tuple[float, float], weight_decay: float, epsilon: float,
) -> None:
    """Take one step of AdamW (Loshchilov & Hutter 2019) in place, as torch.optim.AdamW does.

    Args:
        means, squares: the moving averages of each gradient and of its square.
        steps: for each parameter a tensor without dimensions, the steps taken before this one.
    """
    if FOREACH_ADD is None:
        for step in steps:
            step.add_(1)
    else:
        FOREACH_ADD(list(steps), 1)
    if FUSED_ADAMW is not None:
        FUSED_ADAMW(
            list(parameters), list(gradients), list(means), list(squares), [], list(steps),
            lr=lr, beta1=betas[0], beta2=betas[1], weight_decay=weight_decay, eps=epsilon,
            amsgrad=False, maximize=False,
        )
        return
    for parameter, gradient, mean, square, step in zip(
        parameters, gradients, means, squares, steps, strict=True
    ):
        mean_correction, square_correction = (1 - beta ** step.item() for beta in betas)
        mean.lerp_(gradient, 1 - betas[0])
        square.mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
        spread = square.sqrt().div_(math.sqrt(square_correction)).add_(epsilon)
        parameter.mul_(1 - lr * weight_decay)
        parameter.addcdiv_(mean, spread, value=-lr / mean_correction)


def compute_norms(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the Euclidean norm of each tensor."""
    if FOREACH_NORM is None:
        return [torch.linalg.vector_norm(tensor) for tensor in tensors]
    norms: Sequence[Tensor] = FOREACH_NORM(list(tensors))
    return list(norms)


def scale_in_place(tensors: Sequence[Tensor], factor: float) -> None:
    """Multiply every tensor by a factor, in place."""
    if FOREACH_MUL is None:
        for tensor in tensors:
            tensor.mul_(factor)
    else:
        FOREACH_MUL(list(tensors), factor)
