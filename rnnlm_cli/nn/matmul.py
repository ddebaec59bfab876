"""Matrix products, and the rule that chooses the library that computes them.

The choice depends on the processor, the shapes and the types, never on a timing: a timing near
its threshold would choose differently from run to run, and a run could not be repeated bit for
bit. For float32 on a CPU:

- oneDNN on AMD processors, for large products. It is up to twice as fast as MKL there.
- MKL with a packed matrix elsewhere, for many products by one large matrix.
- torch.mm for the others; in PyTorch's builds for x86 it calls MKL.

Products in bfloat16 are those of oneDNN. Other types and devices use torch.mm.

Legend: M rows, B batch, K inputs, N outputs.
"""

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from rnnlm_cli.config import Precision
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.nn import kernels

MIN_PACKED_SIZE = 1 << 20  # elements of the matrix; packing a smaller one for MKL gains nothing
MIN_PACKED_USES = 16  # packing costs about as much as two products
# Multiply-adds of a product. A call of oneDNN costs 15 us more than one of MKL.
MIN_ONEDNN_WORK = MIN_BFLOAT16_WORK = 1 << 23
MIN_ONEDNN_SUM = 1 << 20  # elements of the gradient of a matrix; MKL is as fast for smaller ones
# Elements of a matrix that vectors are multiplied by, one at a time. MKL does that on one thread.
MIN_ONEDNN_VECTOR, MIN_BFLOAT16_VECTOR = 1 << 20, 1 << 19


class Library(StrEnum):
    """The libraries that compute products."""

    TORCH = "torch.mm"
    MKL_PACKED = "MKL, packed"
    ONEDNN = "oneDNN"


def choose_library(weight_NK: Tensor, num_rows: int, num_uses: int = 1) -> Library:
    """Return the library for x W^T.

    Args:
        num_rows: the number of rows of x.
        num_uses: the approximate number of products by the same W.
    """
    if weight_NK.device.type != "cpu" or num_rows < 2:
        return Library.TORCH
    if weight_NK.dtype == torch.bfloat16 and kernels.has_onednn():
        return Library.ONEDNN
    if weight_NK.dtype != torch.float32:
        return Library.TORCH
    if kernels.is_amd() and kernels.has_onednn():
        is_large = num_rows * weight_NK.numel() >= MIN_ONEDNN_WORK
        return Library.ONEDNN if is_large else Library.TORCH
    if (
        kernels.has_packed_mkl() and weight_NK.numel() >= MIN_PACKED_SIZE
        and num_uses >= MIN_PACKED_USES
    ):
        return Library.MKL_PACKED
    return Library.TORCH


def choose_vector_library(weight_NK: Tensor) -> Library:
    """Return the library for many products of the same W by one vector at a time."""
    if weight_NK.device.type != "cpu" or not kernels.has_onednn():
        return Library.TORCH
    if weight_NK.dtype == torch.bfloat16:
        return Library.ONEDNN
    is_large = weight_NK.dtype == torch.float32 and weight_NK.numel() >= MIN_ONEDNN_VECTOR
    return Library.ONEDNN if is_large and kernels.is_amd() else Library.TORCH


def describe_libraries() -> str:
    """Say in a few words which library multiplies float32 matrices on this processor."""
    if kernels.is_amd() and kernels.has_onednn():
        return "oneDNN for large products, torch.mm for small ones"
    if kernels.has_packed_mkl():
        return "torch.mm, and MKL's packed products for large recurrent matrices"
    return "torch.mm"


def supports_bfloat16(device: torch.device) -> bool:
    """Return whether products in bfloat16 are faster than in float32 on a device."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return kernels.has_onednn() and kernels.multiplies_bfloat16()


def choose_precision(device: torch.device) -> Precision:
    """Return the precision that trains fastest: the held-out loss is the same in both.

    On CUDA it is float32, because bfloat16 is not measured there.
    """
    on_cpu = device.type == "cpu"
    return "bfloat16" if on_cpu and supports_bfloat16(device) else "float32"


def require_bfloat16(device: torch.device) -> None:
    """Raise ConfigError if products in bfloat16 would be slower than in float32 on a device."""
    if not supports_bfloat16(device):
        raise ConfigError(
            f"--precision: bfloat16 given; this device ({device}) has no instructions for it "
            "(avx512_bf16 or AMX, or a GPU of compute capability 8.0), and would be slower with "
            "it. Leave --precision out"
        )


@dataclass(frozen=True)
class Products:
    """The products of a network, in one precision.

    With bfloat16, both operands of a large product are rounded to bfloat16, the sums are float32,
    and each product is rounded to bfloat16 when it is complete. Operands and results keep their
    type. Only float32 is affected: a network in float64 stays exact. No method is differentiable.
    """

    precision: Precision = "float32"

    def round(self, tensor: Tensor) -> Tensor:
        """Return a float32 tensor in the precision of the products, and others as they are.

        The methods below do this with their operands; a matrix that several products share can be
        rounded before.
        """
        if self.precision == "bfloat16" and tensor.dtype == torch.float32:
            return tensor.bfloat16()
        return tensor

    def linear(self, x_MK: Tensor, weight_NK: Tensor, bias_N: Tensor | None = None) -> Tensor:
        """Return x W^T + b."""
        dtype, x_MK, weight_NK = x_MK.dtype, self.round(x_MK), self.round(weight_NK)
        outer_bias_N = bias_N if x_MK.dtype != dtype else None  # added after the rounding
        bias_N = None if outer_bias_N is not None else bias_N
        if choose_library(weight_NK, len(x_MK)) is Library.ONEDNN:
            product_MN = kernels.multiply_onednn(x_MK, weight_NK, bias_N)
        elif bias_N is not None:
            product_MN = torch.addmm(bias_N, x_MK, weight_NK.t())
        else:
            product_MN = torch.mm(x_MK, weight_NK.t())
        product_MN = product_MN.to(dtype)
        return product_MN if outer_bias_N is None else product_MN.add_(outer_bias_N)

    def multiply(self, grad_MN: Tensor, weight_NK: Tensor) -> Tensor:
        """Return grad W: the gradient of x, where grad is that of x W^T."""
        return self.linear(grad_MN, weight_NK.t())

    def sum_outer(self, grad_MN: Tensor, x_MK: Tensor) -> Tensor:
        """Return grad^T x, (N, K): the gradient of W, where grad is that of x W^T."""
        return self.add_outer(x_MK.new_zeros(grad_MN.shape[1], x_MK.shape[1]), grad_MN, x_MK)

    def add_outer(self, sum_NK: Tensor, grad_MN: Tensor, x_MK: Tensor) -> Tensor:
        """Add grad^T x to a sum in place."""
        grad_MN, x_MK = self.round(grad_MN), self.round(x_MK)
        if x_MK.dtype == sum_NK.dtype:
            library = choose_library(grad_MN.t(), x_MK.shape[1])
            if library is Library.ONEDNN and sum_NK.numel() >= MIN_ONEDNN_SUM:
                return sum_NK.add_(kernels.multiply_onednn(grad_MN.t(), x_MK.t()))
            return sum_NK.addmm_(grad_MN.t(), x_MK)
        return sum_NK.add_(torch.mm(grad_MN.t(), x_MK))

    def repeat(self, weight_NK: Tensor, *, batch_size: int, num_uses: int) -> "RepeatedMatmul":
        """Prepare many products by the same matrix; see `RepeatedMatmul`.

        Small ones stay in float32, because rounding their operands would take longer than it
        saves.
        """
        if batch_size * weight_NK.numel() >= MIN_BFLOAT16_WORK:
            weight_NK = self.round(weight_NK)
        return RepeatedMatmul(weight_NK, batch_size=batch_size, num_uses=num_uses)


class RepeatedMatmul:
    """x_BK -> x_BK W^T for one W_NK and many x. W is copied into a fast layout once.

    A product by the view `W.t()` is up to four times slower than by a contiguous copy of it, and
    MKL spends a third of a product by a large W on packing it.

    Args:
        weight_NK: the matrix, in the precision of the products.
        batch_size: B of all products.
        num_uses: the approximate number of products.

    Attributes: library, which computes the products; dtype, the type of W; and, if the library is
    Library.TORCH, weight_KN, the contiguous transposed matrix.
    """

    def __init__(self, weight_NK: Tensor, *, batch_size: int, num_uses: int) -> None:
        self._batch_size, self.dtype = batch_size, weight_NK.dtype
        self.library = choose_library(weight_NK, batch_size, num_uses)
        if self.library is Library.ONEDNN:
            self._packed = kernels.pack_onednn(weight_NK, batch_size)
        elif self.library is Library.MKL_PACKED:
            self._weight_NK = weight_NK.contiguous()
            self._packed = kernels.pack_mkl(self._weight_NK, batch_size)
        else:
            self.weight_KN = weight_NK.t().contiguous()

    def __call__(self, x_BK: Tensor, out: Tensor | None = None) -> Tensor:
        """Return x W^T in the type of x: in a new tensor, or in `out`."""
        if self.library is Library.TORCH and x_BK.dtype == self.dtype:
            return torch.mm(x_BK, self.weight_KN, out=out)
        product_BN = self._multiply(x_BK)
        return product_BN.to(x_BK.dtype) if out is None else out.copy_(product_BN)

    def add_to(self, sum_BN: Tensor, x_BK: Tensor) -> Tensor:
        """Add x W^T to sum_BN in place."""
        if self.library is Library.TORCH and x_BK.dtype == self.dtype:
            return sum_BN.addmm_(x_BK, self.weight_KN)
        return sum_BN.add_(self._multiply(x_BK))

    def _multiply(self, x_BK: Tensor) -> Tensor:
        """Return x W^T in the precision of the products."""
        x_BK = x_BK.to(self.dtype)
        if self.library is Library.ONEDNN:
            return kernels.multiply_onednn(x_BK, self._packed)
        if self.library is Library.MKL_PACKED:
            return kernels.multiply_mkl(x_BK, self._packed, self._weight_NK, self._batch_size)
        return torch.mm(x_BK, self.weight_KN)


FLOAT32 = Products()  # in the type of the operands
