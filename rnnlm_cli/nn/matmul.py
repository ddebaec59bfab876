"""Products of many small batches by the same matrix.

Legend: B batch, K inputs, N outputs.
"""

import torch
from torch import Tensor

from rnnlm_cli.nn.kernels import multiply_packed, pack_weight

MIN_PACKED_SIZE = 1 << 20  # elements of the matrix; packing a smaller one gains nothing
MIN_PACKED_USES = 16  # packing costs about as much as two products


class RepeatedMatmul:
    """x_BK -> x_BK W^T for one W_NK and many x. W is copied into a fast layout once.

    A product by the view `W.t()` is up to four times slower than by a contiguous copy of it. For a
    large W, the library also spends a third of each product on packing W. So a large W is packed
    once, if PyTorch has MKL's packed products (`kernels.py`).

    Args:
        weight_NK: the matrix.
        batch_size: B of all products.
        num_uses: the approximate number of products.
    """

    def __init__(self, weight_NK: Tensor, *, batch_size: int, num_uses: int) -> None:
        self._packed: Tensor | None = None
        if _can_pack(weight_NK) and batch_size > 1 and num_uses >= MIN_PACKED_USES:
            self._weight_NK, self._batch_size = weight_NK.contiguous(), batch_size
            self._packed = pack_weight(self._weight_NK, batch_size)
        if self._packed is None:
            self._weight_KN = weight_NK.t().contiguous()

    def __call__(self, x_BK: Tensor, out: Tensor | None = None) -> Tensor:
        """Return x W^T, in a new tensor or in `out`."""
        if self._packed is None:
            return torch.mm(x_BK, self._weight_KN, out=out)
        product_BN = multiply_packed(x_BK, self._packed, self._weight_NK, self._batch_size)
        return product_BN if out is None else out.copy_(product_BN)

    def add_to(self, sum_BN: Tensor, x_BK: Tensor) -> Tensor:
        """Add x W^T to sum_BN in place."""
        if self._packed is None:
            return sum_BN.addmm_(x_BK, self._weight_KN)
        return sum_BN.add_(self(x_BK))


def _can_pack(weight_NK: Tensor) -> bool:
    """Decide whether MKL can pack the matrix and gains time by it."""
    return (
        weight_NK.numel() >= MIN_PACKED_SIZE
        and weight_NK.dtype == torch.float32
        and weight_NK.device.type == "cpu"
    )
