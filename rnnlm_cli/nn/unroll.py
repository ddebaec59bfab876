"""A cell unrolled over a window, as one function with a gradient.

The inputs of all steps are multiplied at once, and where many are alike each distinct one is.

Legend: T time, B batch, M = T * B, K distinct inputs, E input size, H hidden size,
G = (number of gates) * H.
"""

from typing import Any

import torch
from torch import Tensor

from rnnlm_cli.config import CellName
from rnnlm_cli.nn import autograd as by_hand
from rnnlm_cli.nn.cells import State
from rnnlm_cli.nn.recurrence import RECURRENCES, Resets


class _Window(torch.autograd.Function):
    """A cell over a window, with the products by its weights. Only wanted gradients are made."""

    @by_hand.forward
    def forward(
        ctx: Any, cell: CellName, x: Tensor, where_TB: Tensor | None, weight_ih: Tensor,
        weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor, resets_TB: Tensor | None,
        *state: Tensor,
    ) -> tuple[Tensor, ...]:
        recurrence = RECURRENCES[cell]
        bias_G = bias_ih + recurrence.outer_bias(bias_hh)
        gates = torch.addmm(bias_G, x.flatten(0, -2), weight_ih.t())
        if where_TB is None:
            gates_TBG = gates.view(*x.shape[:2], -1)
        else:
            gates_TBG = gates.index_select(0, where_TB.flatten()).view(*where_TB.shape, -1)
        y_TBH, after, saved = recurrence.forward(
            gates_TBG, weight_hh, bias_hh, Resets(resets_TB), state
        )
        ctx.cell = cell
        ctx.save_for_backward(x, where_TB, weight_ih, weight_hh, resets_TB, *saved)
        return y_TBH, *after

    @by_hand.backward
    def backward(ctx: Any, dy_TBH: Tensor, *dstate: Tensor) -> tuple[Tensor | None, ...]:
        x, where_TB, weight_ih, weight_hh, resets_TB, *saved = ctx.saved_tensors
        wanted, resets = ctx.needs_input_grad, Resets(resets_TB)
        grad_x_TBG, grad_h_TBG, first_BH, y_TBH, dfirst = RECURRENCES[ctx.cell].backward(
            tuple(saved), weight_hh, resets, dy_TBH, dstate
        )
        blocks = [block_TBG.flatten(0, 1) for block_TBG in grad_x_TBG]
        if where_TB is not None:  # the gradients that meet in a distinct input
            where_M = where_TB.flatten()
            blocks = [
                block_MG.new_zeros(len(x), block_MG.shape[1]).index_add_(0, where_M, block_MG)
                for block_MG in blocks
            ]
        dx = _input_gradient(blocks, weight_ih).view_as(x) if wanted[1] else None
        dweight_ih = _weight_gradient(blocks, x.flatten(0, -2)) if wanted[3] else None
        dbias_ih = torch.cat([_sum_of_rows(block) for block in blocks]) if wanted[5] else None
        del blocks, grad_x_TBG  # here the memory is at its highest
        dweight_hh = None
        if wanted[4]:
            dweight_hh = resets.products_with_entering(grad_h_TBG, first_BH, y_TBH)
        dbias_hh = _sum_of_rows(grad_h_TBG.flatten(0, 1)) if wanted[6] else None
        return None, dx, None, dweight_ih, dweight_hh, dbias_ih, dbias_hh, None, *dfirst


def _input_gradient(blocks: list[Tensor], weight_GE: Tensor) -> Tensor:
    """grad W, of a grad that is given in blocks of columns."""
    sizes = [block.shape[1] for block in blocks]
    first, *others = weight_GE.split(sizes)
    sum_ME: Tensor = blocks[0] @ first
    for block, rows in zip(blocks[1:], others, strict=True):
        sum_ME.addmm_(block, rows)
    return sum_ME


def _weight_gradient(blocks: list[Tensor], x_ME: Tensor) -> Tensor:
    """grad^T x, the same way."""
    sizes = [block.shape[1] for block in blocks]
    product_GE = x_ME.new_empty(sum(sizes), x_ME.shape[1])
    for block, rows in zip(blocks, product_GE.split(sizes), strict=True):
        torch.mm(block.t(), x_ME, out=rows)
    return product_GE


def _sum_of_rows(grad_MG: Tensor) -> Tensor:
    """sum(dim=0), but on all cores."""
    return torch.mv(grad_MG.t(), grad_MG.new_ones(len(grad_MG)))


def run_window(
    cell: CellName, x: Tensor, where_TB: Tensor | None, weight_ih: Tensor, weight_hh: Tensor,
    bias_ih: Tensor, bias_hh: Tensor, resets_TB: Tensor | None, state: State,
) -> tuple[Tensor, State]:
    """Run a cell over a window, differentiably.

    Args:
        cell: which one; its weights follow as torch.nn names, shapes and orders them.
        x: the inputs, (T, B, E); or, with where_TB, the distinct ones among them, (K, E), whose
            products are made once each.
        where_TB: which of the K inputs is read.
        resets_TB: where true, the state becomes zero before that input is read.
        state: (h_BH,), or (h_BH, c_BH) for the LSTM.

    Returns: (y_TBH, state): the outputs of all steps and the state after the last.
    """
    y_TBH, *after = _Window.apply(  # type: ignore[no-untyped-call]
        cell, x, where_TB, weight_ih, weight_hh, bias_ih, bias_hh, resets_TB, *state
    )
    return y_TBH, tuple(after)
