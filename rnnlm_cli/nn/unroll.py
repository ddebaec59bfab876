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
from rnnlm_cli.nn.cells import State, select_outer_bias, split_gates
from rnnlm_cli.nn.recurrence import RECURRENCES
from rnnlm_cli.nn.resets import Resets


class _Projection(torch.autograd.Function):
    """W_ih x + b_ih + outer part of b_hh. Only the gradients that are needed are computed."""

    @by_hand.forward
    def forward(
        ctx: Any, cell: CellName, x: Tensor, weight_ih: Tensor, bias_ih: Tensor, bias_hh: Tensor
    ) -> Tensor:
        bias_G = bias_ih + select_outer_bias(cell, bias_hh)
        gates_MG = torch.addmm(bias_G, x.flatten(0, -2), weight_ih.t())
        # The GRU's gradient is multiplied in two blocks. One block would round the sums
        # differently, and training would not repeat the results of earlier versions bit for bit.
        ctx.block_sizes = split_gates(cell, len(bias_G))
        ctx.save_for_backward(x, weight_ih)
        return gates_MG.view(*x.shape[:-1], len(bias_G))

    @by_hand.backward
    def backward(ctx: Any, dgates: Tensor) -> tuple[Tensor | None, ...]:
        x, weight_ih = ctx.saved_tensors
        _, x_wanted, weight_wanted, bias_wanted, _ = ctx.needs_input_grad
        blocks = dgates.flatten(0, -2).split(ctx.block_sizes, dim=1)
        dx = _compute_input_gradient(blocks, weight_ih).view_as(x) if x_wanted else None
        dweight_ih = _compute_weight_gradient(blocks, x.flatten(0, -2)) if weight_wanted else None
        dbias_ih = torch.cat([_sum_rows(block) for block in blocks]) if bias_wanted else None
        return None, dx, dweight_ih, dbias_ih, None


class _Window(torch.autograd.Function):
    """A cell over a window. Only the gradients that are needed are computed."""

    @by_hand.forward
    def forward(
        ctx: Any, cell: CellName, gates_TBG: Tensor, weight_hh: Tensor, bias_hh: Tensor,
        resets_TB: Tensor | None, *state: Tensor,
    ) -> tuple[Tensor, ...]:
        # The Elman cell returns the memory of its gates as its output. Autograd would take an
        # output that is an input for a view of it; a detached tensor is neither.
        y_TBH, after, saved = RECURRENCES[cell].forward(
            gates_TBG.detach(), weight_hh, bias_hh, Resets(resets_TB), state
        )
        ctx.cell = cell
        ctx.save_for_backward(weight_hh, resets_TB, *saved)
        return y_TBH, *after

    @by_hand.backward
    def backward(ctx: Any, dy_TBH: Tensor, *dstate: Tensor) -> tuple[Tensor | None, ...]:
        weight_hh, resets_TB, *saved = ctx.saved_tensors
        _, gates_wanted, weight_wanted, bias_wanted, *_ = ctx.needs_input_grad
        resets = Resets(resets_TB)
        gradients = RECURRENCES[ctx.cell].backward(
            tuple(saved), weight_hh, resets, dy_TBH, dstate
        )
        dweight_hh = dbias_hh = None
        if weight_wanted:
            dweight_hh = resets.compute_weight_gradient(
                gradients.grad_h_TBG, gradients.first_BH, gradients.y_TBH
            )
        if bias_wanted:
            dbias_hh = _sum_rows(gradients.grad_h_TBG.flatten(0, 1))
        dgates_TBG = gradients.join_gates_gradient() if gates_wanted else None
        return None, dgates_TBG, dweight_hh, dbias_hh, None, *gradients.grad_state


def _compute_input_gradient(blocks: tuple[Tensor, ...], weight_GE: Tensor) -> Tensor:
    """Return grad W for a gradient that is given in blocks of columns."""
    first_rows, *other_rows = weight_GE.split([block.shape[1] for block in blocks])
    sum_ME: Tensor = blocks[0] @ first_rows
    for block, rows in zip(blocks[1:], other_rows, strict=True):
        sum_ME.addmm_(block, rows)
    return sum_ME


def _compute_weight_gradient(blocks: tuple[Tensor, ...], x_ME: Tensor) -> Tensor:
    """Return grad^T x for a gradient that is given in blocks of columns."""
    sizes = [block.shape[1] for block in blocks]
    product_GE = x_ME.new_empty(sum(sizes), x_ME.shape[1])
    for block, rows in zip(blocks, product_GE.split(sizes), strict=True):
        torch.mm(block.t(), x_ME, out=rows)
    return product_GE


def _sum_rows(grad_MG: Tensor) -> Tensor:
    """Return grad.sum(dim=0), computed as a product because that runs on all cores."""
    return torch.mv(grad_MG.t(), grad_MG.new_ones(len(grad_MG)))


def project(
    cell: CellName, x: Tensor, weight_ih: Tensor, bias_ih: Tensor, bias_hh: Tensor
) -> Tensor:
    """Return W_ih x + b_ih + the part of b_hh that can be added outside the recurrence.

    Args:
        cell: the cell; its parameters follow with torch.nn's names, shapes and gate order.
        x: the inputs, (..., E).

    Returns: the gates, (..., G).
    Note: b_hh receives no gradient here. `run_window` computes the gradient of all of b_hh, as
        one sum over the steps.
    """
    gates: Tensor = _Projection.apply(  # type: ignore[no-untyped-call]
        cell, x, weight_ih, bias_ih, bias_hh.detach()
    )
    return gates


def run_window(
    cell: CellName, gates_TBG: Tensor, weight_hh: Tensor, bias_hh: Tensor,
    resets_TB: Tensor | None, state: State,
) -> tuple[Tensor, State]:
    """Run a cell over a window, differentiably.

    Args:
        cell: the cell; its parameters follow with torch.nn's names, shapes and gate order.
        gates_TBG: the gates as `project` returns them. Their memory is overwritten.
        resets_TB: where true, the state becomes zero before that input is read.
        state: (h_BH,), or (h_BH, c_BH) for the LSTM.

    Returns: (y_TBH, state): the outputs of all steps and the state after the last.
    Note: the gradient of b_hh includes the part that `project` added to the gates.
    """
    y_TBH, *after = _Window.apply(  # type: ignore[no-untyped-call]
        cell, gates_TBG, weight_hh, bias_hh, resets_TB, *state
    )
    return y_TBH, tuple(after)
