"""The Elman cell, compiled: h' = f(gates + W_h h).

Legend: T time, B batch, H hidden size. All arrays are contiguous.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnnlm_cli.nn.cells import State
from rnnlm_cli.nn.fused.compiler import Array, Mask, compiled
from rnnlm_cli.nn.fused.pointwise import ONE, ZERO, clear, keep, tanh
from rnnlm_cli.nn.fused.products import bind, multiply
from rnnlm_cli.nn.matmul import Products
from rnnlm_cli.nn.recurrence import WindowGradients
from rnnlm_cli.nn.resets import Resets


@compiled
def _step_elman(relu: bool, gates: Array) -> None:
    """Compute h' in the place of the gates, which include W_h h. The array is flat."""
    for j in range(len(gates)):
        gates[j] = max(gates[j], ZERO) if relu else tanh(gates[j])


@compiled
def _step_elman_back(relu: bool, y: Array, dy: Array, dh: Array, grad: Array) -> None:
    """Compute the gradient of the gates from that of h'. The arrays are flat."""
    for j in range(len(y)):
        d = dh[j] + dy[j]
        if relu:
            grad[j] = d if y[j] > 0 else ZERO
        else:
            grad[j] = d * (ONE - y[j] * y[j])


@compiled
def run_elman(
    weight: Any, relu: bool, y_TBH: Array, first_BH: Array, resets_TB: Mask
) -> None:
    """Run a window; y_TBH holds the gates before and the outputs after."""
    h, work = first_BH, np.empty_like(first_BH)
    for t in range(len(y_TBH)):
        multiply(weight, keep(h, resets_TB, t, work), y_TBH[t], True)
        _step_elman(relu, y_TBH[t].reshape(-1))
        h = y_TBH[t]


@compiled
def run_elman_back(
    weight: Any, relu: bool, y_TBH: Array, resets_TB: Mask, dy_TBH: Array,
    dh_BH: Array, grad_TBH: Array,
) -> None:
    """Go back through a window; dh becomes the gradient of the state before it."""
    for t in range(len(y_TBH) - 1, -1, -1):
        _step_elman_back(
            relu, y_TBH[t].reshape(-1), dy_TBH[t].reshape(-1), dh_BH.reshape(-1),
            grad_TBH[t].reshape(-1),
        )
        multiply(weight, grad_TBH[t], dh_BH, False)
        clear(dh_BH, resets_TB, t)


class FusedElman:
    """The Elman cell over a window; see `rnnlm_cli.nn.recurrence.Recurrence`."""

    def __init__(self, *, relu: bool) -> None:
        self._relu = relu

    def forward(
        self, gates_TBG: Tensor, weight_GH: Tensor, bias_G: Tensor, resets: Resets, state: State,
        products: Products,
    ) -> tuple[Tensor, State, State]:
        run = bind(run_elman, products, weight_GH, gates_TBG)
        run(self._relu, gates_TBG.numpy(), state[0].contiguous().numpy(), resets.to_numpy())
        return gates_TBG, (gates_TBG[-1].clone(),), (gates_TBG, state[0])

    def backward(
        self, saved: State, weight_GH: Tensor, resets: Resets, dy_TBH: Tensor, dstate: State,
        products: Products,
    ) -> WindowGradients:
        y_TBH, first_BH = saved
        grad_TBH, dh_BH = torch.empty_like(y_TBH), dstate[0].contiguous().clone()
        bind(run_elman_back, products, weight_GH.t(), y_TBH)(
            self._relu, y_TBH.numpy(), resets.to_numpy(), dy_TBH.contiguous().numpy(),
            dh_BH.numpy(), grad_TBH.numpy(),
        )
        return WindowGradients(grad_TBH, grad_TBH, first_BH, y_TBH, (dh_BH,))
