"""Resets of the state inside a window.

Legend: T time, B batch, R resets, H hidden size, G = (number of gates) * H.
"""

import torch
from torch import Tensor


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

    def compute_weight_gradient(
        self, grad_TBG: Tensor, first_BH: Tensor, y_TBH: Tensor
    ) -> Tensor:
        """Return the gradient of W_hh, (G, H): the sum over t of grad_t^T h_{t-1}.

        h_{t-1} is zero at resets. The sum is first computed as if there were no resets, and then
        the products of the reset rows are subtracted. So first_BH and y_TBH need not be
        concatenated.

        Args:
            grad_TBG: the gradient of W_hh h + b_hh.
            first_BH: h before the first step.
            y_TBH: h after each step.
        """
        sum_GH = grad_TBG[1:].flatten(0, 1).t() @ y_TBH[:-1].flatten(0, 1)
        sum_GH.addmm_(grad_TBG[0].t(), first_BH)
        if self.positions is not None:
            steps_R, rows_R = self.positions
            previous_RH = y_TBH[(steps_R - 1).clamp(min=0), rows_R]
            h_RH = torch.where(steps_R[:, None] == 0, first_BH[rows_R], previous_RH)
            sum_GH.addmm_(grad_TBG[self.positions].t(), h_RH, alpha=-1)
        return sum_GH
