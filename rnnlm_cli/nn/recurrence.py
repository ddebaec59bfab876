"""The cells over a whole window: forward, and backpropagation through time, by hand.

The definition of the cells is `cells.py`. Here the same equations run over T steps, and autograd
does not record each step. `unroll.py` adds the products of the inputs and the gradients of the
weights. Three things make it fast:

- All gates of a step come from one product, and the pointwise operations work in place.
- The backward pass first computes the derivative factors, which depend on the forward pass only,
  for the whole window at once. A backward step then is a few multiplications by these factors and
  one product by the recurrent matrix.
- The gradient of each weight matrix is a single product over all T.

Legend: T time, B batch, H hidden size, G = (number of gates) * H.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from rnnlm_cli.config import CellName
from rnnlm_cli.nn.cells import State
from rnnlm_cli.nn.kernels import (
    apply_relu_derivative,
    apply_sigmoid_derivative,
    apply_tanh_derivative,
)
from rnnlm_cli.nn.matmul import Products, RepeatedMatmul
from rnnlm_cli.nn.resets import Resets


class WindowGradients(NamedTuple):
    """The gradients that the backward pass of a cell returns, and the hidden states.

    grad_h_TBG: the gradient of W_hh h + b_hh.
    grad_x_TBG: the gradient of W_ih x + b_ih. It is the same tensor, except for the GRU, which
        multiplies W_hn h + b_hn by r first.
    first_BH, y_TBH: the h before the first step, and the h after each step.
    grad_state: the gradients of the state before the first step.
    """

    grad_h_TBG: Tensor
    grad_x_TBG: Tensor
    first_BH: Tensor
    y_TBH: Tensor
    grad_state: State


class Recurrence(Protocol):
    """A cell over a window."""

    def forward(
        self, gates_TBG: Tensor, weight_GH: Tensor, bias_G: Tensor, resets: Resets, state: State,
        products: Products,
    ) -> tuple[Tensor, State, State]:
        """Run all steps.

        Args:
            gates_TBG: W_i x + b_i + the outer part of b_h. Its memory is overwritten.

        Returns: (y_TBH, state after the last step, tensors that `backward` needs).
        """

    def backward(
        self, saved: State, weight_GH: Tensor, resets: Resets, dy_TBH: Tensor, dstate: State,
        products: Products,
    ) -> WindowGradients:
        """Go back through all steps. The saved tensors are not changed."""


def _iterate_steps(*tensors_T: Tensor) -> Iterator[tuple[Any, ...]]:
    """Yield (t, the t-th block of each tensor) from the first step to the last."""
    return zip(range(len(tensors_T[0])), *(each.unbind() for each in tensors_T), strict=True)


def _iterate_steps_backwards(*tensors_T: Tensor) -> Iterator[tuple[Any, ...]]:
    """Yield (t, the t-th block of each tensor) from the last step to the first."""
    return iter([*_iterate_steps(*tensors_T)][::-1])


def _prepare(products: Products, weight_NK: Tensor, like_TBG: Tensor) -> RepeatedMatmul:
    """Prepare the product that every step of a window makes."""
    return products.repeat(weight_NK, batch_size=like_TBG.shape[1], num_uses=len(like_TBG))


class _Elman:
    """The Elman cell. Backward: d_t = f'(h_t) * (dy_t + W^T d_{t+1})."""

    def __init__(self, *, relu: bool) -> None:
        self._relu = relu

    def forward(
        self, gates_TBG: Tensor, weight_GH: Tensor, bias_G: Tensor, resets: Resets, state: State,
        products: Products,
    ) -> tuple[Tensor, State, State]:
        (h,) = state
        y_TBH, recurrent = gates_TBG, _prepare(products, weight_GH, gates_TBG)
        for t, y_BH in _iterate_steps(y_TBH):
            recurrent.add_to(y_BH, resets.clear(t, h))
            h = y_BH.relu_() if self._relu else y_BH.tanh_()
        return y_TBH, (h.clone(),), (y_TBH, state[0])

    def backward(
        self, saved: State, weight_GH: Tensor, resets: Resets, dy_TBH: Tensor, dstate: State,
        products: Products,
    ) -> WindowGradients:
        (y_TBH, first_BH), (dh,) = saved, dstate
        grad_TBH = torch.empty_like(y_TBH)
        recurrent = _prepare(products, weight_GH.t(), y_TBH)
        for t, grad_BH, y_BH, dy_BH in _iterate_steps_backwards(grad_TBH, y_TBH, dy_TBH):
            if self._relu:
                apply_relu_derivative(dh + dy_BH, y_BH, out=grad_BH)
            else:
                apply_tanh_derivative(dh + dy_BH, y_BH, out=grad_BH)
            dh = resets.clear(t, recurrent(grad_BH))
        return WindowGradients(grad_TBH, grad_TBH, first_BH, y_TBH, (dh,))


class _GRU:
    """The GRU. Backward: dr, dz and dn are dh times one factor each.

    The gradient of W_hn h + b_hn is r times dn, because r multiplies that sum.
    """

    def forward(
        self, gates_TBG: Tensor, weight_GH: Tensor, bias_G: Tensor, resets: Resets, state: State,
        products: Products,
    ) -> tuple[Tensor, State, State]:
        (h,), size = state, weight_GH.shape[1]
        rz, last = slice(2 * size), slice(2 * size, None)
        bias_n_H = bias_G[last]
        y_TBH, n_TBH = (gates_TBG.new_empty(*gates_TBG.shape[:2], size) for _ in range(2))
        recurrent = _prepare(products, weight_GH, gates_TBG)
        # Each step replaces its third gate, W_in x + b_in, by W_hn h + b_hn, for `backward`.
        for t, rz_B2H, r_BH, z_BH, candidate_BH, n_BH, y_BH in _iterate_steps(
            gates_TBG[..., rz], *gates_TBG.chunk(3, dim=2), n_TBH, y_TBH
        ):
            h = resets.clear(t, h)
            product_BG = recurrent(h)
            rz_B2H.add_(product_BG[:, rz]).sigmoid_()
            n_h_BH = product_BG[:, last].add_(bias_n_H)
            torch.addcmul(candidate_BH, r_BH, n_h_BH, out=n_BH).tanh_()
            candidate_BH.copy_(n_h_BH)
            h = torch.lerp(n_BH, h, z_BH, out=y_BH)
        return y_TBH, (h.clone(),), (gates_TBG, n_TBH, y_TBH, state[0])

    def backward(
        self, saved: State, weight_GH: Tensor, resets: Resets, dy_TBH: Tensor, dstate: State,
        products: Products,
    ) -> WindowGradients:
        (gates_TBG, n_TBH, y_TBH, first_BH), (dh,) = saved, dstate
        r, z, candidate = gates_TBG.chunk(3, dim=2)
        grad_h_TBG = torch.empty_like(gates_TBG)
        to_r, to_z, to_n = grad_h_TBG.chunk(3, dim=2)
        n_factor_TBH = 1 - z
        apply_tanh_derivative(n_factor_TBH, n_TBH, out=n_factor_TBH)
        torch.mul(candidate, n_factor_TBH, out=to_r)
        apply_sigmoid_derivative(to_r, r, out=to_r)
        torch.sub(first_BH, n_TBH[0], out=to_z[0])
        torch.sub(y_TBH[:-1], n_TBH[1:], out=to_z[1:])
        if resets.positions is not None:
            to_z[resets.positions] = -n_TBH[resets.positions]
        apply_sigmoid_derivative(to_z, z, out=to_z)
        torch.mul(n_factor_TBH, r, out=to_n)
        recurrent = _prepare(products, weight_GH.t(), gates_TBG)
        by_gate_TB3H = grad_h_TBG.unflatten(2, (3, -1))
        for t, grad_BG, grad_B3H, n_BH, z_BH, dy_BH in _iterate_steps_backwards(
            grad_h_TBG, by_gate_TB3H, n_factor_TBH, z, dy_TBH
        ):
            dh = dh + dy_BH
            grad_B3H.mul_(dh[:, None])
            n_BH.mul_(dh)
            dh = resets.clear(t, recurrent.add_to(dh.mul_(z_BH), grad_BG))
        grad_x_TBG = torch.cat([grad_h_TBG[..., : 2 * dh.shape[1]], n_factor_TBH], dim=2)
        return WindowGradients(grad_h_TBG, grad_x_TBG, first_BH, y_TBH, (dh,))


class _LSTM:
    """The LSTM. Backward: do is dh times a factor; di, df and dg are dc times one factor each.

    A tanh over a part of a row is slow. So the code computes s = sigmoid(2 g), in one pass with
    the sigmoid of the other gates, and uses tanh(g) = 2 s - 1. A reset sets the forget gate to
    zero, which makes c zero.
    """

    def forward(
        self, gates_TBG: Tensor, weight_GH: Tensor, bias_G: Tensor, resets: Resets, state: State,
        products: Products,
    ) -> tuple[Tensor, State, State]:
        (h, c), size = state, weight_GH.shape[1]
        i, f, s, o = gates_TBG.chunk(4, dim=2)
        s *= 2
        if resets.positions is not None:
            f[resets.positions] = -torch.inf
        doubled_g_G1 = weight_GH.new_ones(4, size, 1)
        doubled_g_G1[2] = 2
        recurrent = _prepare(products, weight_GH * doubled_g_G1.flatten(0, 1), gates_TBG)
        y_TBH = gates_TBG.new_empty(*gates_TBG.shape[:2], size)
        c_TBH = torch.empty_like(y_TBH)
        tanh_c_BH = torch.empty_like(c)
        for t, gates_BG, i_BH, f_BH, s_BH, o_BH, c_BH, y_BH in _iterate_steps(
            gates_TBG, i, f, s, o, c_TBH, y_TBH
        ):
            recurrent.add_to(gates_BG, resets.clear(t, h)).sigmoid_()
            c = torch.mul(f_BH, c, out=c_BH).addcmul_(i_BH, s_BH, value=2).sub_(i_BH)
            h = torch.mul(o_BH, torch.tanh(c, out=tanh_c_BH), out=y_BH)
        return y_TBH, (h.clone(), c.clone()), (gates_TBG, c_TBH, y_TBH, *state)

    def backward(
        self, saved: State, weight_GH: Tensor, resets: Resets, dy_TBH: Tensor, dstate: State,
        products: Products,
    ) -> WindowGradients:
        (gates_TBG, c_TBH, y_TBH, *first), (dh, dc) = saved, dstate
        i, f, s, o = gates_TBG.chunk(4, dim=2)
        grad_TBG = torch.empty_like(gates_TBG)
        to_i, to_f, to_g, to_o = grad_TBG.chunk(4, dim=2)
        work_TBH = (2 * s).sub_(1)  # g
        apply_sigmoid_derivative(work_TBH, i, out=to_i)
        apply_tanh_derivative(i, work_TBH, out=to_g)
        torch.tanh(c_TBH, out=work_TBH)
        apply_sigmoid_derivative(work_TBH, o, out=to_o)
        c_factor_TBH = apply_tanh_derivative(o, work_TBH, out=work_TBH)
        apply_sigmoid_derivative(c_TBH[:-1], f[1:], out=to_f[1:])
        apply_sigmoid_derivative(first[1], f[0], out=to_f[0])
        recurrent = _prepare(products, weight_GH.t(), gates_TBG)
        to_ifg_TB3H = grad_TBG.unflatten(2, (4, -1))[:, :, :3]
        dc = dc.clone()
        for t, grad_BG, ifg_B3H, do_BH, dy_BH, c_factor_BH, f_BH in _iterate_steps_backwards(
            grad_TBG, to_ifg_TB3H, to_o, dy_TBH, c_factor_TBH, f
        ):
            dh = dh + dy_BH
            dc.addcmul_(dh, c_factor_BH)
            ifg_B3H.mul_(dc[:, None])
            do_BH.mul_(dh)
            dc.mul_(f_BH)
            dh = resets.clear(t, recurrent(grad_BG))
        return WindowGradients(grad_TBG, grad_TBG, first[0], y_TBH, (dh, dc))


RECURRENCES: dict[CellName, Recurrence] = {
    "elman_tanh": _Elman(relu=False),
    "elman_relu": _Elman(relu=True),
    "gru": _GRU(),
    "lstm": _LSTM(),
}
