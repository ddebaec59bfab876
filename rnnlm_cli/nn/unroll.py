"""The two halves of a recurrent layer over a window, each one function with a gradient.

The first half, `project`, multiplies the inputs of all steps at once. It needs no order of the
steps, so repeated inputs need to be projected only once. The second half, `run_window`, is the
recurrence.

Legend: T time, B batch, M = T * B or any other number of inputs, E input size, H hidden size,
G = (number of gates) * H.
"""

from typing import Any

import torch
from torch import Tensor

from rnnlm_cli.config import CellName
from rnnlm_cli.nn import autograd as by_hand
from rnnlm_cli.nn.cells import State, select_outer_bias
from rnnlm_cli.nn.choice import choose_recurrence
from rnnlm_cli.nn.matmul import FLOAT32, Products
from rnnlm_cli.nn.resets import Resets


class _Projection(torch.autograd.Function):
    """W_ih x + b_ih + outer part of b_hh. Only the gradients that are needed are computed."""

    @by_hand.forward
    def forward(
        ctx: Any, cell: CellName, products: Products, x: Tensor, weight_ih: Tensor,
        bias_ih: Tensor, bias_hh: Tensor,
    ) -> Tensor:
        bias_G = bias_ih + select_outer_bias(cell, bias_hh)
        gates_MG = products.linear(x.flatten(0, -2), weight_ih, bias_G)
        ctx.products = products
        ctx.save_for_backward(x, weight_ih)
        return gates_MG.view(*x.shape[:-1], len(bias_G))

    @by_hand.backward
    def backward(ctx: Any, dgates: Tensor) -> tuple[Tensor | None, ...]:
        x, weight_ih = ctx.saved_tensors
        _, _, x_wanted, weight_wanted, bias_wanted, _ = ctx.needs_input_grad
        products, dgates_MG = ctx.products, dgates.flatten(0, -2)
        dx = products.multiply(dgates_MG, weight_ih).view_as(x) if x_wanted else None
        dweight_ih = products.sum_outer(dgates_MG, x.flatten(0, -2)) if weight_wanted else None
        dbias_ih = _sum_rows(dgates_MG) if bias_wanted else None
        return None, None, dx, dweight_ih, dbias_ih, None


class _Window(torch.autograd.Function):
    """A cell over a window. Only the gradients that are needed are computed."""

    @by_hand.forward
    def forward(
        ctx: Any, cell: CellName, products: Products, gates_TBG: Tensor, weight_hh: Tensor,
        bias_hh: Tensor, resets_TB: Tensor | None, *state: Tensor,
    ) -> tuple[Tensor, ...]:
        # The Elman cell returns the memory of its gates as its output. Autograd would take an
        # output that is an input for a view of it; a detached tensor is neither.
        recurrence = choose_recurrence(cell, gates_TBG)
        y_TBH, after, saved = recurrence.forward(
            gates_TBG.detach(), weight_hh, bias_hh, Resets(resets_TB), state, products
        )
        ctx.recurrence, ctx.products = recurrence, products
        ctx.save_for_backward(weight_hh, resets_TB, *saved)
        return y_TBH, *after

    @by_hand.backward
    def backward(ctx: Any, dy_TBH: Tensor, *dstate: Tensor) -> tuple[Tensor | None, ...]:
        weight_hh, resets_TB, *saved = ctx.saved_tensors
        _, _, gates_wanted, weight_wanted, bias_wanted, *_ = ctx.needs_input_grad
        resets = Resets(resets_TB)
        gradients = ctx.recurrence.backward(
            tuple(saved), weight_hh, resets, dy_TBH, dstate, ctx.products
        )
        dweight_hh = dbias_hh = None
        if weight_wanted:
            dweight_hh = resets.compute_weight_gradient(
                gradients.grad_h_TBG, gradients.first_BH, gradients.y_TBH, ctx.products
            )
        if bias_wanted:
            dbias_hh = _sum_rows(gradients.grad_h_TBG.flatten(0, 1))
        dgates_TBG = gradients.grad_x_TBG if gates_wanted else None
        return None, None, dgates_TBG, dweight_hh, dbias_hh, None, *gradients.grad_state


def _sum_rows(grad_MG: Tensor) -> Tensor:
    """Return grad.sum(dim=0), computed as a product because that runs on all cores."""
    return torch.mv(grad_MG.t(), grad_MG.new_ones(len(grad_MG)))


def project(
    cell: CellName, x: Tensor, weight_ih: Tensor, bias_ih: Tensor, bias_hh: Tensor,
    products: Products = FLOAT32,
) -> Tensor:
    """Return W_ih x + b_ih + the part of b_hh that can be added outside the recurrence.

    Args:
        cell: the cell; its parameters follow with torch.nn's names, shapes and gate order.
        x: the inputs, (..., E).
        products: computes the matrix products.

    Returns: the gates, (..., G).
    Note: b_hh receives no gradient here. `run_window` computes the gradient of all of b_hh, as
        one sum over the steps.
    """
    gates: Tensor = _Projection.apply(  # type: ignore[no-untyped-call]
        cell, products, x, weight_ih, bias_ih, bias_hh.detach()
    )
    return gates


def run_window(
    cell: CellName, gates_TBG: Tensor, weight_hh: Tensor, bias_hh: Tensor,
    resets_TB: Tensor | None, state: State, products: Products = FLOAT32,
) -> tuple[Tensor, State]:
    """Run a cell over a window, differentiably.

    Args:
        cell: the cell; its parameters follow with torch.nn's names, shapes and gate order.
        gates_TBG: the gates as `project` returns them. Their memory is overwritten.
        resets_TB: where true, the state becomes zero before that input is read.
        state: (h_BH,), or (h_BH, c_BH) for the LSTM.
        products: computes the matrix products.

    Returns: (y_TBH, state): the outputs of all steps and the state after the last.
    Note: the gradient of b_hh includes the part that `project` added to the gates.
    """
    y_TBH, *after = _Window.apply(  # type: ignore[no-untyped-call]
        cell, products, gates_TBG, weight_hh, bias_hh, resets_TB, *state
    )
    return y_TBH, tuple(after)
