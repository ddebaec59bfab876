"""The cells over a whole window: forward, and backpropagation through time, by hand.

`cells.py` defines what is computed; here the same equations run over T steps without autograd
recording each of them. Every backward pass has one shape: all that depends only on the forward
pass (the derivative factors) is computed for the whole window at once, so that a step back in
time is one or two products by those factors and one by the recurrent matrix; the gradient of the
weights is then a single product over all T.

Legend: T time, B batch, E input size, H hidden size, G = (number of gates) * H.
"""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rnnlm_cli.config import CellName


class _Steps:
    """Which steps of a window reset some row, and how to zero those rows of a tensor."""

    def __init__(self, resets_TB: Tensor | None) -> None:
        self.resets_TB = resets_TB
        self.any_T = [] if resets_TB is None else resets_TB.any(dim=1).tolist()

    def clear(self, t: int, tensor_BH: Tensor) -> Tensor:
        """The tensor with the rows zeroed whose state is reset before step t."""
        if self.resets_TB is None or not self.any_T[t]:
            return tensor_BH
        return tensor_BH.masked_fill(self.resets_TB[t, :, None], 0)

    def entering(self, first_BH: Tensor, after_TBH: Tensor) -> Tensor:
        """The state that entered each step, resets applied, from the one each step left."""
        before_TBH = torch.cat([first_BH[None], after_TBH[:-1]])
        if self.resets_TB is not None:
            before_TBH.masked_fill_(self.resets_TB[:, :, None], 0)
        return before_TBH


def _forwards(*tensors_T: Tensor) -> list[tuple[Any, ...]]:
    """(t, the t-th block of each tensor) from the first step to the last."""
    return list(zip(count(), *(each.unbind() for each in tensors_T), strict=False))


def _backwards(*tensors_T: Tensor) -> list[tuple[Any, ...]]:
    """The same from the last step to the first."""
    return _forwards(*tensors_T)[::-1]


def _product_ready(weight_GH: Tensor) -> Tensor:
    """W^T laid out in memory: products by the mere view are up to four times slower."""
    return weight_GH.t().contiguous()


def _weight_gradients(grad_TBG: Tensor, h_in_TBH: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of weight_hh and bias_hh from those of W_hh h + b_hh at every step."""
    return grad_TBG.flatten(0, 1).t() @ h_in_TBH.flatten(0, 1), grad_TBG.sum(dim=(0, 1))


class _Elman(torch.autograd.Function):
    """h_t = f(x_t + W h_{t-1} + b); back: d_t = f'(h_t) * (dy_t + W^T d_{t+1})."""

    @staticmethod
    def forward(
        ctx: Any, relu: bool, gates_x: Tensor, weight: Tensor, bias: Tensor,
        resets: Tensor | None, h: Tensor,
    ) -> tuple[Tensor, Tensor]:
        steps, first_BH = _Steps(resets), h
        gates_TBH = gates_x + bias
        weight_t = _product_ready(weight)
        for t, out_BH in _forwards(gates_TBH):
            out_BH.addmm_(steps.clear(t, h), weight_t)
            h = out_BH.relu_() if relu else out_BH.tanh_()
        ctx.save_for_backward(weight, resets, first_BH, gates_TBH)
        ctx.relu = relu
        return gates_TBH, h.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy_TBH: Tensor, dh_BH: Tensor) -> tuple[Tensor | None, ...]:
        weight, resets, first_BH, y_TBH = ctx.saved_tensors
        steps = _Steps(resets)
        grad_TBH = (y_TBH > 0).to(y_TBH.dtype) if ctx.relu else 1 - y_TBH * y_TBH
        for t, d_BH, dy_BH in _backwards(grad_TBH, dy_TBH):
            d_BH.mul_(dh_BH + dy_BH)
            dh_BH = steps.clear(t, d_BH @ weight)
        dweight, dbias = _weight_gradients(grad_TBH, steps.entering(first_BH, y_TBH))
        return None, grad_TBH, dweight, dbias, None, dh_BH


class _GRU(torch.autograd.Function):
    """Back: dr, dz, dn are the arriving dh times a factor each; r scales dn on its way to W_hn."""

    @staticmethod
    def forward(
        ctx: Any, gates_x: Tensor, weight: Tensor, bias: Tensor, resets: Tensor | None, h: Tensor
    ) -> tuple[Tensor, Tensor]:
        steps, first_BH, size = _Steps(resets), h, weight.shape[1]
        gates_TBG = gates_x.clone()  # becomes r, z, n
        candidate_TBH = torch.empty_like(gates_x[..., :size])  # W_hn h + b_hn
        y_TBH = torch.empty_like(candidate_TBH)
        r, z, n = gates_TBG.chunk(3, dim=2)
        rz = gates_TBG[..., : 2 * size]
        weight_t = _product_ready(weight)
        for t, rz_B2H, r_BH, z_BH, n_BH, candidate_BH, y_BH in _forwards(
            rz, r, z, n, candidate_TBH, y_TBH
        ):
            h = steps.clear(t, h)
            product_BG = torch.addmm(bias, h, weight_t)
            candidate_BH.copy_(product_BG[:, 2 * size :])
            rz_B2H.add_(product_BG[:, : 2 * size]).sigmoid_()
            n_BH.addcmul_(r_BH, candidate_BH).tanh_()
            h = torch.lerp(n_BH, h, z_BH, out=y_BH)
        ctx.save_for_backward(weight, resets, first_BH, gates_TBG, candidate_TBH, y_TBH)
        return y_TBH, h.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy_TBH: Tensor, dh_BH: Tensor) -> tuple[Tensor | None, ...]:
        weight, resets, first_BH, gates_TBG, candidate_TBH, y_TBH = ctx.saved_tensors
        steps = _Steps(resets)
        r, z, n = gates_TBG.chunk(3, dim=2)
        h_in_TBH = steps.entering(first_BH, y_TBH)
        n_factor = (1 - z) * (1 - n * n)
        r_factor = n_factor * candidate_TBH * r * (1 - r)
        z_factor = (h_in_TBH - n) * z * (1 - z)
        grad_TB3H = torch.stack([r_factor, z_factor, n_factor * r], dim=2)
        arriving_TBH = torch.empty_like(y_TBH)
        for t, step_B3H, d_BH, dy_BH, z_BH in _backwards(grad_TB3H, arriving_TBH, dy_TBH, z):
            torch.add(dh_BH, dy_BH, out=d_BH)
            step_B3H.mul_(d_BH[:, None])
            dh_BH = steps.clear(t, torch.addmm(d_BH * z_BH, step_B3H.flatten(1), weight))
        grad_h_TBG = grad_TB3H.flatten(2)
        grad_x_TBG = grad_h_TBG.clone()
        torch.mul(arriving_TBH, n_factor, out=grad_x_TBG[..., 2 * weight.shape[1] :])
        dweight, dbias = _weight_gradients(grad_h_TBG, h_in_TBH)
        return grad_x_TBG, dweight, dbias, None, dh_BH


class _LSTM(torch.autograd.Function):
    """Back: do is dh times a factor, and di, df, dg are dc times one each."""

    @staticmethod
    def forward(
        ctx: Any, gates_x: Tensor, weight: Tensor, bias: Tensor, resets: Tensor | None,
        h: Tensor, c: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        steps, first, size = _Steps(resets), (h, c), weight.shape[1]
        gates_TBG = gates_x + bias  # becomes i, f, g, o
        y_TBH = torch.empty_like(gates_TBG[..., :size])
        c_TBH, tanh_c_TBH = torch.empty_like(y_TBH), torch.empty_like(y_TBH)
        i, f, g, o = gates_TBG.chunk(4, dim=2)
        i_and_f = gates_TBG[..., : 2 * size]
        weight_t = _product_ready(weight)
        for t, gates_BG, if_B2H, i_BH, f_BH, g_BH, o_BH, c_BH, tanh_c_BH, y_BH in _forwards(
            gates_TBG, i_and_f, i, f, g, o, c_TBH, tanh_c_TBH, y_TBH
        ):
            gates_BG.addmm_(steps.clear(t, h), weight_t)
            if_B2H.sigmoid_()
            g_BH.tanh_()
            o_BH.sigmoid_()
            c = torch.mul(f_BH, steps.clear(t, c), out=c_BH).addcmul_(i_BH, g_BH)
            h = torch.mul(o_BH, torch.tanh(c, out=tanh_c_BH), out=y_BH)
        ctx.save_for_backward(weight, resets, *first, gates_TBG, c_TBH, tanh_c_TBH, y_TBH)
        return y_TBH, h.clone(), c.clone()

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, dy_TBH: Tensor, dh_BH: Tensor, dc_BH: Tensor
    ) -> tuple[Tensor | None, ...]:
        weight, resets, h, c, gates_TBG, c_TBH, tanh_c_TBH, y_TBH = ctx.saved_tensors
        steps = _Steps(resets)
        i, f, g, o = gates_TBG.chunk(4, dim=2)
        grad_TB4H = torch.stack(
            [
                g * i * (1 - i),
                steps.entering(c, c_TBH) * f * (1 - f),
                i * (1 - g * g),
                tanh_c_TBH * o * (1 - o),
            ],
            dim=2,
        )
        c_factor_TBH = o * (1 - tanh_c_TBH * tanh_c_TBH)
        grad_TBG = grad_TB4H.flatten(2)
        for t, grad_BG, ifg_B3H, do_BH, dy_BH, c_factor_BH, f_BH in _backwards(
            grad_TBG, grad_TB4H[:, :, :3], grad_TB4H[:, :, 3], dy_TBH, c_factor_TBH, f
        ):
            dh_BH = dh_BH + dy_BH
            dc_BH = torch.addcmul(dc_BH, dh_BH, c_factor_BH)
            ifg_B3H.mul_(dc_BH[:, None])
            do_BH.mul_(dh_BH)
            dh_BH = steps.clear(t, grad_BG @ weight)
            dc_BH = steps.clear(t, dc_BH.mul_(f_BH))
        dweight, dbias = _weight_gradients(grad_TBG, steps.entering(h, y_TBH))
        return grad_TBG, dweight, dbias, None, dh_BH, dc_BH


# Called as (gates_x_TBG, weight_hh, bias_hh, resets_TB, *state) -> (y_TBH, *state).
WINDOWS: dict[CellName, Callable[..., tuple[Tensor, ...]]] = {
    "elman_tanh": partial(_Elman.apply, False),
    "elman_relu": partial(_Elman.apply, True),
    "gru": _GRU.apply,
    "lstm": _LSTM.apply,
}
