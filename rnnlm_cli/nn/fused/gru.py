"""The GRU, compiled: r and z, then n = tanh(n_x + r n_h), then h' = n + z (h - n).

Legend: T time, B batch, H hidden size, G = 3H. All arrays are contiguous.
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
def _step_gru_row(
    r_x: Array, z_x: Array, n_x: Array, r_h: Array, z_h: Array, n_h: Array, bias: Array,
    h: Array, n: Array, y: Array,
) -> None:
    """Compute one row. r, z and W_hn h + b_hn replace r_x, z_x and n_x, for the way back."""
    for j in range(len(h)):
        r = sigmoid(r_x[j] + r_h[j])
        z = sigmoid(z_x[j] + z_h[j])
        hidden = n_h[j] + bias[j]
        candidate = tanh(n_x[j] + r * hidden)
        r_x[j], z_x[j], n_x[j], n[j] = r, z, hidden, candidate
        y[j] = candidate + z * (h[j] - candidate)


@compiled
def _step_gru(
    gates_BG: Array, product_BG: Array, bias_H: Array, h_BH: Array, n_BH: Array, y_BH: Array
) -> None:
    size = h_BH.shape[1]
    for row in range(len(h_BH)):
        x, p = gates_BG[row], product_BG[row]
        _step_gru_row(
            x[:size], x[size : 2 * size], x[2 * size :], p[:size], p[size : 2 * size],
            p[2 * size :], bias_H, h_BH[row], n_BH[row], y_BH[row],
        )


@compiled
def _step_gru_row_back(
    r: Array, z: Array, n_h: Array, n: Array, h: Array, dy: Array, dh: Array, dr: Array,
    dz: Array, dn_h: Array, dn: Array,
) -> None:
    """Compute the gradients of one row; dh becomes z dh, its part that goes to h directly."""
    for j in range(len(h)):
        d = dh[j] + dy[j]
        to_n = d * (ONE - z[j]) * (ONE - n[j] * n[j])
        dn[j], dn_h[j] = to_n, to_n * r[j]
        dr[j] = to_n * n_h[j] * r[j] * (ONE - r[j])
        dz[j] = d * (h[j] - n[j]) * z[j] * (ONE - z[j])
        dh[j] = d * z[j]


@compiled
def _step_gru_back(
    gates_BG: Array, n_BH: Array, h_BH: Array, dy_BH: Array, dh_BH: Array, grad_h_BG: Array,
    grad_x_BG: Array,
) -> None:
    size = h_BH.shape[1]
    for row in range(len(h_BH)):
        x, to_h, to_x = gates_BG[row], grad_h_BG[row], grad_x_BG[row]
        _step_gru_row_back(
            x[:size], x[size : 2 * size], x[2 * size :], n_BH[row], h_BH[row], dy_BH[row],
            dh_BH[row], to_h[:size], to_h[size : 2 * size], to_h[2 * size :], to_x[2 * size :],
        )
        to_x[: 2 * size] = to_h[: 2 * size]


@compiled
def run_gru(
    weight: Any, gates_TBG: Array, bias_H: Array, first_BH: Array,
    resets_TB: Mask, n_TBH: Array, y_TBH: Array,
) -> None:
    """Run a window; the gates become r, z and W_hn h + b_hn."""
    h, work, product_BG = first_BH, np.empty_like(first_BH), np.empty_like(gates_TBG[0])
    for t in range(len(y_TBH)):
        h = keep(h, resets_TB, t, work)
        multiply(weight, h, product_BG, False)
        _step_gru(gates_TBG[t], product_BG, bias_H, h, n_TBH[t], y_TBH[t])
        h = y_TBH[t]


@compiled
def run_gru_back(
    weight: Any, gates_TBG: Array, n_TBH: Array, y_TBH: Array, first_BH: Array,
    resets_TB: Mask, dy_TBH: Array, dh_BH: Array, grad_h_TBG: Array, grad_x_TBG: Array,
) -> None:
    """Go back through a window; dh becomes the gradient of the state before it."""
    work = np.empty_like(first_BH)
    for t in range(len(y_TBH) - 1, -1, -1):
        h = keep(y_TBH[t - 1] if t > 0 else first_BH, resets_TB, t, work)
        _step_gru_back(
            gates_TBG[t], n_TBH[t], h, dy_TBH[t], dh_BH, grad_h_TBG[t], grad_x_TBG[t]
        )
        multiply(weight, grad_h_TBG[t], dh_BH, True)
        clear(dh_BH, resets_TB, t)


class FusedGRU:
    """The GRU over a window; see `rnnlm_cli.nn.recurrence.Recurrence`."""

    def forward(
        self, gates_TBG: Tensor, weight_GH: Tensor, bias_G: Tensor, resets: Resets, state: State,
        products: Products,
    ) -> tuple[Tensor, State, State]:
        size, first_BH = weight_GH.shape[1], state[0].contiguous()
        y_TBH, n_TBH = (gates_TBG.new_empty(*gates_TBG.shape[:2], size) for _ in range(2))
        bind(run_gru, products, weight_GH, gates_TBG)(
            gates_TBG.numpy(), bias_G[2 * size :].numpy(), first_BH.numpy(), resets.to_numpy(),
            n_TBH.numpy(), y_TBH.numpy(),
        )
        return y_TBH, (y_TBH[-1].clone(),), (gates_TBG, n_TBH, y_TBH, first_BH)

    def backward(
        self, saved: State, weight_GH: Tensor, resets: Resets, dy_TBH: Tensor, dstate: State,
        products: Products,
    ) -> WindowGradients:
        gates_TBG, n_TBH, y_TBH, first_BH = saved
        grad_h_TBG, grad_x_TBG = torch.empty_like(gates_TBG), torch.empty_like(gates_TBG)
        dh_BH = dstate[0].contiguous().clone()
        bind(run_gru_back, products, weight_GH.t(), gates_TBG)(
            gates_TBG.numpy(), n_TBH.numpy(), y_TBH.numpy(), first_BH.numpy(), resets.to_numpy(),
            dy_TBH.contiguous().numpy(), dh_BH.numpy(), grad_h_TBG.numpy(), grad_x_TBG.numpy(),
        )
        return WindowGradients(grad_h_TBG, grad_x_TBG, first_BH, y_TBH, (dh_BH,))
