"""Resets of the state inside a window.

Legend: T time, B batch, R resets, H hidden size, G = (number of gates) * H.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnlm_cli.nn.matmul import Products


class Resets:
    """The rows of a window that start again from the zero state, and the steps where they do.

    `positions` holds the (steps_R, rows_R) of the resets, or None if there are none.
    """

    def __init__(self, resets_TB: Tensor | None) -> None:
        self.positions = None if resets_TB is None else resets_TB.nonzero(as_tuple=True)
        if self.positions is not None and not len(self.positions[0]):
            self.positions = None
        self._rows_TB1 = None
        if resets_TB is not None and self.positions is not None:
            self._rows_TB1 = resets_TB[..., None]
        self._steps = set() if self.positions is None else set(self.positions[0].tolist())

    def clear(self, t: int, tensor_BH: Tensor) -> Tensor:
        """Return the tensor with zeros in the rows that are reset before step t."""
        if t not in self._steps:
            return tensor_BH
        assert self._rows_TB1 is not None
        return tensor_BH.masked_fill(self._rows_TB1[t], 0)

    def to_numpy(self) -> NDArray[np.bool_]:
        """Return the resets as an array, (T, B), or an empty one, (0, 0), if there are none."""
        if self._rows_TB1 is None:
            return np.zeros((0, 0), np.bool_)
        resets_TB: NDArray[np.bool_] = self._rows_TB1[..., 0].contiguous().numpy()
        return resets_TB

    def compute_weight_gradient(
        self, grad_TBG: Tensor, first_BH: Tensor, y_TBH: Tensor, products: Products
    ) -> Tensor:
        """Return the gradient of W_hh, (G, H): the sum over t of grad_t^T h_{t-1}.

        h_{t-1} is zero at resets. The sum is first computed as if there were no resets, and then
        the products of the reset rows are subtracted. So first_BH and y_TBH need not be
        concatenated.

        Args:
            grad_TBG: the gradient of W_hh h + b_hh.
            first_BH: h before the first step.
            y_TBH: h after each step.
            products: computes the large product.
        """
        sum_GH = grad_TBG[0].t() @ first_BH
        products.add_outer(sum_GH, grad_TBG[1:].flatten(0, 1), y_TBH[:-1].flatten(0, 1))
        if self.positions is not None:
            steps_R, rows_R = self.positions
            previous_RH = y_TBH[(steps_R - 1).clamp(min=0), rows_R]
            h_RH = torch.where(steps_R[:, None] == 0, first_BH[rows_R], previous_RH)
            sum_GH.addmm_(grad_TBG[self.positions].t(), h_RH, alpha=-1)
        return sum_GH
