"""The cells over a whole window: forward, and backpropagation through time, by hand.

`cells.py` defines what is computed; here the same equations run over T steps without autograd
recording each of them, and `unroll.py` adds the inputs' products and the weights' gradients. What
makes it fast: all gates of a step in one product, its pointwise work in place. Back in time, all
that depends only on the forward pass (the derivative factors) is computed for the whole window at
once, so that a step is some multiplications by those factors and one product by the recurrent
matrix; the gradients of the weights are then single products over all T.

Legend: T time, B batch, R resets, H hidden size, G = (number of gates) * H.
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
from rnnlm_cli.nn.matmul import Product


class Resets:
    """Which rows of a window start again from the zero state, and before which steps."""

    def __init__(self, resets_TB: Tensor | None) -> None:
        self.where = None if resets_TB is None else resets_TB.nonzero(as_tuple=True)
        if self.where is not None and not len(self.where[0]):
            self.where = None
        self._rows_TB1 = None if resets_TB is None or self.where is None else resets_TB[..., None]
        self._steps = set() if self.where is None else set(self.where[0].tolist())

    def clear(self, t: int, tensor_BH: Tensor) -> Tensor:
        """The tensor, with the rows zeroed that are reset before step t."""
        if t not in self._steps:
            return tensor_BH
        assert self._rows_TB1 is not None
        return tensor_BH.masked_fill(self._rows_TB1[t], 0)

    def compute_weight_gradient(
        self, grad_TBG: Tensor, first_BH: Tensor, y_TBH: Tensor
    ) -> Tensor:
        """Sum over the steps of grad^T h, (G, H), where h is the state that entered the step.

        Before resets, that is `first_BH` and then what each step but the last put out; it is not
        copied together. The products of the rows that were reset are taken back.
        """
        sum_GH = grad_TBG[1:].flatten(0, 1).t() @ y_TBH[:-1].flatten(0, 1)
        sum_GH.addmm_(grad_TBG[0].t(), first_BH)
        if self.where is not None:
            steps_R, rows_R = self.where
            left_RH = y_TBH[(steps_R - 1).clamp(min=0), rows_R]
            h_RH = torch.where(steps_R[:, None] == 0, first_BH[rows_R], left_RH)
            sum_GH.addmm_(grad_TBG[self.where].t(), h_RH, alpha=-1)
        return sum_GH


class WindowGradients(NamedTuple):
    """The gradients that the backward pass of a cell returns, and the hidden states.

    grad_h_TBG: the gradient of W_hh h + b_hh.
    grad_n_TBH: the gradient of the last block of the gates, if it is not that of grad_h_TBG: of
        the GRU's W_in x + b_in, since W_hn h + b_hn is first multiplied by r.
    first_BH, y_TBH: the h before the first step, and the h after each step.
    grad_state: the gradients of the state before the first step.
    """

    grad_h_TBG: Tensor
    grad_n_TBH: Tensor | None
    first_BH: Tensor
    y_TBH: Tensor
    grad_state: State


class Recurrence(Protocol):
    """A cell over a window."""

    def select_outer_bias(self, bias_G: Tensor) -> Tensor:
        """Return the part of b_hh that can be added outside the recurrence, elsewhere 0."""

    def split_gates_size(self, gates_size: int) -> list[int]:
        """Return the sizes of the blocks of gates whose gradients are multiplied one by one.

        Splitting a sum changes its rounding, so this must stay as it is: otherwise training would
        no longer repeat the results of earlier versions bit for bit.
        """

    def join_gates_gradient(self, gradients: WindowGradients) -> Tensor:
        """Return the gradient of the gates that `forward` received, (T, B, G)."""

    def forward(
        self, gates_TBG: Tensor, weight_GH: Tensor, bias_G: Tensor, resets: Resets, state: State
    ) -> tuple[Tensor, State, State]:
        """Run all steps; gates_TBG, W_i x + b_i + the outer part of b_h, may be overwritten.

        Returns: (y_TBH, state after the last step, what `backward` needs).
        """

    def backward(
        self, saved: State, weight_GH: Tensor, resets: Resets, dy_TBH: Tensor, dstate: State
    ) -> WindowGradients:
        """Go back through all steps. The saved tensors are not changed."""


def _forwards(*tensors_T: Tensor) -> Iterator[tuple[Any, ...]]:
    """(t, the t-th block of each tensor) from the first step to the last."""
    return zip(range(len(tensors_T[0])), *(each.unbind() for each in tensors_T), strict=True)


def _backwards(*tensors_T: Tensor) -> Iterator[tuple[Any, ...]]:
    """The same from the last step to the first."""
    return iter([*_forwards(*tensors_T)][::-1])


def _product(weight_NK: Tensor, like_TBG: Tensor) -> Product:
    return Product(weight_NK, batch_size=like_TBG.shape[1], uses=len(like_TBG))


class _Elman:
    """h_t = f(x_t + W h_{t-1} + b); back: d_t = f'(h_t) * (dy_t + W^T d_{t+1})."""

    def __init__(self, *, relu: bool) -> None:
        self._relu = relu

    def select_outer_bias(self, bias_G: Tensor) -> Tensor:
        return bias_G

    def split_gates_size(self, gates_size: int) -> list[int]:
        return [gates_size]

    def join_gates_gradient(self, gradients: WindowGradients) -> Tensor:
        return gradients.grad_h_TBG

    def forward(
        self, gates_TBG: Tensor, weight_GH: Tensor, bias_G: Tensor, resets: Resets, state: State
    ) -> tuple[Tensor, State, State]:
        (h,) = state
        y_TBH, recurrent = gates_TBG, _product(weight_GH, gates_TBG)
        for t, y_BH in _forwards(y_TBH):
            recurrent.add_to(y_BH, resets.clear(t, h))
            h = y_BH.relu_() if self._relu else y_BH.tanh_()
        return y_TBH, (h.clone(),), (y_TBH, state[0])

    def backward(
        self, saved: State, weight_GH: Tensor, resets: Resets, dy_TBH: Tensor, dstate: State
    ) -> WindowGradients:
        (y_TBH, first_BH), (dh,) = saved, dstate
        grad_TBH = torch.empty_like(y_TBH)
        recurrent = _product(weight_GH.t(), y_TBH)
        for t, grad_BH, y_BH, dy_BH in _backwards(grad_TBH, y_TBH, dy_TBH):
            if self._relu:
                apply_relu_derivative(dh + dy_BH, y_BH, out=grad_BH)
            else:
                apply_tanh_derivative(dh + dy_BH, y_BH, out=grad_BH)
            dh = resets.clear(t, recurrent(grad_BH))
        return WindowGradients(grad_TBH, None, first_BH, y_TBH, (dh,))


class _GRU:
    """Back: dr, dz, dn are the arriving dh times a factor each; r scales dn on its way to W_hn."""

    def select_outer_bias(self, bias_G: Tensor) -> Tensor:
        size = len(bias_G) // 3
        return torch.cat([bias_G[: 2 * size], bias_G.new_zeros(size)])

    def split_gates_size(self, gates_size: int) -> list[int]:
        return [gates_size // 3 * 2, gates_size // 3]

    def join_gates_gradient(self, gradients: WindowGradients) -> Tensor:
        assert gradients.grad_n_TBH is not None
        size = gradients.grad_n_TBH.shape[2]
        return torch.cat([gradients.grad_h_TBG[..., : 2 * size], gradients.grad_n_TBH], dim=2)

    def forward(
        self, gates_TBG: Tensor, weight_GH: Tensor, bias_G: Tensor, resets: Resets, state: State
    ) -> tuple[Tensor, State, State]:
        (h,), size = state, weight_GH.shape[1]
        rz, last = slice(2 * size), slice(2 * size, None)
        bias_n_H = bias_G[last]
        y_TBH, n_TBH = (gates_TBG.new_empty(*gates_TBG.shape[:2], size) for _ in range(2))
        recurrent = _product(weight_GH, gates_TBG)
        # The third gate is n_x until its step, and then W_hn h + b_hn: the candidate.
        for t, rz_B2H, r_BH, z_BH, candidate_BH, n_BH, y_BH in _forwards(
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
        self, saved: State, weight_GH: Tensor, resets: Resets, dy_TBH: Tensor, dstate: State
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
        if resets.where is not None:
            to_z[resets.where] = -n_TBH[resets.where]
        apply_sigmoid_derivative(to_z, z, out=to_z)
        torch.mul(n_factor_TBH, r, out=to_n)
        recurrent = _product(weight_GH.t(), gates_TBG)
        by_gate_TB3H = grad_h_TBG.unflatten(2, (3, -1))
        for t, grad_BG, grad_B3H, n_BH, z_BH, dy_BH in _backwards(
            grad_h_TBG, by_gate_TB3H, n_factor_TBH, z, dy_TBH
        ):
            dh = dh + dy_BH
            grad_B3H.mul_(dh[:, None])
            n_BH.mul_(dh)
            dh = resets.clear(t, recurrent.add_to(dh.mul_(z_BH), grad_BG))
        return WindowGradients(grad_h_TBG, n_factor_TBH, first_BH, y_TBH, (dh,))


class _LSTM:
    """Back: do is dh times a factor, and di, df, dg are dc times one each.

    A tanh over a part of a row is slow, so g is kept as s in tanh(g) = 2 s - 1, where
    s = sigmoid(2 g): the sigmoid of all gates is one pass. And c needs no resetting where its
    forget gate is zero.
    """

    def select_outer_bias(self, bias_G: Tensor) -> Tensor:
        return bias_G

    def split_gates_size(self, gates_size: int) -> list[int]:
        return [gates_size]

    def join_gates_gradient(self, gradients: WindowGradients) -> Tensor:
        return gradients.grad_h_TBG

    def forward(
        self, gates_TBG: Tensor, weight_GH: Tensor, bias_G: Tensor, resets: Resets, state: State
    ) -> tuple[Tensor, State, State]:
        (h, c), size = state, weight_GH.shape[1]
        i, f, s, o = gates_TBG.chunk(4, dim=2)
        s *= 2
        if resets.where is not None:
            f[resets.where] = -torch.inf
        doubled_g_G1 = weight_GH.new_ones(4, size, 1)
        doubled_g_G1[2] = 2
        recurrent = _product(weight_GH * doubled_g_G1.flatten(0, 1), gates_TBG)
        y_TBH = gates_TBG.new_empty(*gates_TBG.shape[:2], size)
        c_TBH = torch.empty_like(y_TBH)
        tanh_c_BH = torch.empty_like(c)
        for t, gates_BG, i_BH, f_BH, s_BH, o_BH, c_BH, y_BH in _forwards(
            gates_TBG, i, f, s, o, c_TBH, y_TBH
        ):
            recurrent.add_to(gates_BG, resets.clear(t, h)).sigmoid_()
            c = torch.mul(f_BH, c, out=c_BH).addcmul_(i_BH, s_BH, value=2).sub_(i_BH)
            h = torch.mul(o_BH, torch.tanh(c, out=tanh_c_BH), out=y_BH)
        return y_TBH, (h.clone(), c.clone()), (gates_TBG, c_TBH, y_TBH, *state)

    def backward(
        self, saved: State, weight_GH: Tensor, resets: Resets, dy_TBH: Tensor, dstate: State
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
        recurrent = _product(weight_GH.t(), gates_TBG)
        to_ifg_TB3H = grad_TBG.unflatten(2, (4, -1))[:, :, :3]
        dc = dc.clone()
        for t, grad_BG, ifg_B3H, do_BH, dy_BH, c_factor_BH, f_BH in _backwards(
            grad_TBG, to_ifg_TB3H, to_o, dy_TBH, c_factor_TBH, f
        ):
            dh = dh + dy_BH
            dc.addcmul_(dh, c_factor_BH)
            ifg_B3H.mul_(dc[:, None])
            do_BH.mul_(dh)
            dc.mul_(f_BH)
            dh = resets.clear(t, recurrent(grad_BG))
        return WindowGradients(grad_TBG, None, first[0], y_TBH, (dh, dc))


RECURRENCES: dict[CellName, Recurrence] = {
    "elman_tanh": _Elman(relu=False),
    "elman_relu": _Elman(relu=True),
    "gru": _GRU(),
    "lstm": _LSTM(),
}
