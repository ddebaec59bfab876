"""One matrix that many small batches are multiplied by.

Legend: B batch, K inputs, N outputs.
"""

import torch
from torch import Tensor

from rnnlm_cli.nn.kernels import multiply_packed, pack_weight

PACKED_FROM = 1 << 20  # elements: below it, packing gains nothing
PACKED_USES = 16  # packing costs about two products


class Product:
    """x_BK -> x_BK W^T for a W_NK that stays the same, laid out once for all the products.

    A product by the mere view `W.t()` is up to four times slower than by a copy of it, and for a
    large W the library spends a third of its time on packing it anew for each product. Where
    PyTorch has MKL's packed products they are used (16 to 43 % faster at 64 x 512 x 2048 and
    64 x 1024 x 4096).

    Args:
        weight_NK: the matrix.
        batch_size: B of all products.
        uses: about how many products there will be.
    """

    def __init__(self, weight_NK: Tensor, *, batch_size: int, uses: int) -> None:
        self._packed: Tensor | None = None
        if _can_pack(weight_NK) and batch_size > 1 and uses >= PACKED_USES:
            self._weight_NK, self._batch_size = weight_NK.contiguous(), batch_size
            self._packed = pack_weight(self._weight_NK, batch_size)
        if self._packed is None:
            self._weight_KN = weight_NK.t().contiguous()

    def __call__(self, x_BK: Tensor, out: Tensor | None = None) -> Tensor:
        """x W^T, in a tensor of its own or in `out`."""
        if self._packed is None:
            return torch.mm(x_BK, self._weight_KN, out=out)
        product_BN = multiply_packed(x_BK, self._packed, self._weight_NK, self._batch_size)
        return product_BN if out is None else out.copy_(product_BN)

    def add_to(self, sum_BN: Tensor, x_BK: Tensor) -> Tensor:
        """sum += x W^T, in place."""
        if self._packed is None:
            return sum_BN.addmm_(x_BK, self._weight_KN)
        return sum_BN.add_(self(x_BK))


def _can_pack(weight_NK: Tensor) -> bool:
    return (
        weight_NK.numel() >= PACKED_FROM
        and weight_NK.dtype == torch.float32
        and weight_NK.device.type == "cpu"
    )
