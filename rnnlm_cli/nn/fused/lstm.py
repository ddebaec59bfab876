"""The LSTM, compiled: i, f, g and o, then c' = f c + i g, then h' = o tanh(c').

Legend: T time, B batch, H hidden size, G = 4H. All arrays are contiguous.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnnlm_cli.nn.cells import State
from rnnlm_cli.nn.fused.compiler import Array, Mask, compiled
from rnnlm_cli.nn.fused.pointwise import ONE, clear, keep, sigmoid, tanh
from rnnlm_cli.nn.fused.products import bind, multiply
from rnnlm_cli.nn.matmul import Products
from rnnlm_cli.nn.recurrence import WindowGradients
from rnnlm_cli.nn.resets import Resets


@compiled
def _step_lstm_row(
    i_x: Array, f_x: Array, g_x: Array, o_x: Array, c: Array, c_after: Array, y: Array
) -> None:
    """Compute one row. The gates replace their sums, for the way back."""
    for j in range(len(c)):
        i, f, o = sigmoid(i_x[j]), sigmoid(f_x[j]), sigmoid(o_x[j])
        g = tanh(g_x[j])
        i_x[j], f_x[j], g_x[j], o_x[j] = i, f, g, o
        c_after[j] = f * c[j] + i * g
        y[j] = o * tanh(c_after[j])


@compiled
def _step_lstm(gates_BG: Array, c_BH: Array, c_after_BH: Array, y_BH: Array) -> None:
    size = c_BH.shape[1]
    for row in range(len(c_BH)):
        x = gates_BG[row]
        _step_lstm_row(
            x[:size], x[size : 2 * size], x[2 * size : 3 * size], x[3 * size :], c_BH[row],
            c_after_BH[row], y_BH[row],
        )


@compiled
def _step_lstm_row_back(
    i: Array, f: Array, g: Array, o: Array, c: Array, c_after: Array, dy: Array, dh: Array,
    dc: Array, di: Array, df: Array, dg: Array, do: Array,
) -> None:
    """Compute the gradients of one row; dc becomes that of c before the step."""
    for j in range(len(c)):
        d, tanh_c = dh[j] + dy[j], tanh(c_after[j])
        to_c = dc[j] + d * o[j] * (ONE - tanh_c * tanh_c)
        di[j] = to_c * g[j] * i[j] * (ONE - i[j])
        df[j] = to_c * c[j] * f[j] * (ONE - f[j])
        dg[j] = to_c * i[j] * (ONE - g[j] * g[j])
        do[j] = d * tanh_c * o[j] * (ONE - o[j])
        dc[j] = to_c * f[j]


@compiled
def _step_lstm_back(
    gates_BG: Array, c_BH: Array, c_after_BH: Array, dy_BH: Array, dh_BH: Array, dc_BH: Array,
    grad_BG: Array,
) -> None:
    size = c_BH.shape[1]
    for row in range(len(c_BH)):
        x, to = gates_BG[row], grad_BG[row]
        _step_lstm_row_back(
            x[:size], x[size : 2 * size], x[2 * size : 3 * size], x[3 * size :], c_BH[row],
            c_after_BH[row], dy_BH[row], dh_BH[row], dc_BH[row], to[:size],
            to[size : 2 * size], to[2 * size : 3 * size], to[3 * size :],
        )


@compiled
def run_lstm(
    weight: Any, gates_TBG: Array, first_BH: Array, first_c_BH: Array,
    resets_TB: Mask, c_TBH: Array, y_TBH: Array,
) -> None:
    """Run a window; the gates become i, f, g and o."""
    h, c = first_BH, first_c_BH
    work, work_c = np.empty_like(first_BH), np.empty_like(first_BH)
    for t in range(len(y_TBH)):
        multiply(weight, keep(h, resets_TB, t, work), gates_TBG[t], True)
        _step_lstm(gates_TBG[t], keep(c, resets_TB, t, work_c), c_TBH[t], y_TBH[t])
        h, c = y_TBH[t], c_TBH[t]


@compiled
def run_lstm_back(
    weight: Any, gates_TBG: Array, c_TBH: Array, first_c_BH: Array,
    resets_TB: Mask, dy_TBH: Array, dh_BH: Array, dc_BH: Array, grad_TBG: Array,
) -> None:
    """Go back through a window; dh and dc become the gradients of the state before it."""
    work = np.empty_like(first_c_BH)
    for t in range(len(c_TBH) - 1, -1, -1):
        c = keep(c_TBH[t - 1] if t > 0 else first_c_BH, resets_TB, t, work)
        _step_lstm_back(
            gates_TBG[t], c, c_TBH[t], dy_TBH[t], dh_BH, dc_BH, grad_TBG[t]
        )
        multiply(weight, grad_TBG[t], dh_BH, False)
        clear(dh_BH, resets_TB, t)
        clear(dc_BH, resets_TB, t)


class FusedLSTM:
    """The LSTM over a window; see `rnnlm_cli.nn.recurrence.Recurrence`."""

    def forward(
        self, gates_TBG: Tensor, weight_GH: Tensor, bias_G: Tensor, resets: Resets, state: State,
        products: Products,
    ) -> tuple[Tensor, State, State]:
        first_BH, first_c_BH = (tensor.contiguous() for tensor in state)
        y_TBH, c_TBH = (
            gates_TBG.new_empty(*gates_TBG.shape[:2], weight_GH.shape[1]) for _ in range(2)
        )
        bind(run_lstm, products, weight_GH, gates_TBG)(
            gates_TBG.numpy(), first_BH.numpy(), first_c_BH.numpy(), resets.to_numpy(),
            c_TBH.numpy(), y_TBH.numpy(),
        )
        after = y_TBH[-1].clone(), c_TBH[-1].clone()
        return y_TBH, after, (gates_TBG, c_TBH, y_TBH, first_BH, first_c_BH)

    def backward(
        self, saved: State, weight_GH: Tensor, resets: Resets, dy_TBH: Tensor, dstate: State,
        products: Products,
    ) -> WindowGradients:
        gates_TBG, c_TBH, y_TBH, first_BH, first_c_BH = saved
        grad_TBG = torch.empty_like(gates_TBG)
        dh_BH, dc_BH = (tensor.contiguous().clone() for tensor in dstate)
        bind(run_lstm_back, products, weight_GH.t(), gates_TBG)(
            gates_TBG.numpy(), c_TBH.numpy(), first_c_BH.numpy(), resets.to_numpy(),
            dy_TBH.contiguous().numpy(), dh_BH.numpy(), dc_BH.numpy(), grad_TBG.numpy(),
        )
        return WindowGradients(grad_TBG, grad_TBG, first_BH, y_TBH, (dh_BH, dc_BH))
