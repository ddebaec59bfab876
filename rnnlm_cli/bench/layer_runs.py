"""One recurrent layer over a window, as torch.nn runs it and as training runs ours.

Legend: T time, B batch, H hidden size and input size.
"""

from functools import partial

import torch
from torch import Tensor

from rnnlm_cli.config import CellName
from rnnlm_cli.nn.layer import RecurrentLayer
from rnnlm_cli.threads import one_thread, run_together, split_rows


class TorchLayerRun:
    """A layer of torch.nn.

    Args:
        x_TBH, dy_TBH: the inputs, and the gradient of the outputs.
    """

    def __init__(self, cell: CellName, x_TBH: Tensor, dy_TBH: Tensor) -> None:
        size = x_TBH.shape[2]
        self._module = make_torch_module(cell, size, size, 1).to(x_TBH.device)
        self._x_TBH, self._dy_TBH = x_TBH.clone().requires_grad_(), dy_TBH

    @torch.no_grad()
    def run_forward(self) -> Tensor:
        """Compute the outputs."""
        y_TBH: Tensor = self._module(self._x_TBH)[0]
        return y_TBH

    def run_forward_and_backward(self) -> tuple[Tensor, ...]:
        """Compute the outputs, and the gradients of the inputs and of all parameters."""
        y_TBH = self._module(self._x_TBH)[0]
        return torch.autograd.grad(
            y_TBH, [self._x_TBH, *self._module.parameters()], self._dy_TBH
        )


class LayerRun:
    """A layer of ours. As in training, each thread takes some rows of the batch.

    Args:
        x_TBH, dy_TBH: the inputs, and the gradient of the outputs.
    """

    def __init__(self, cell: CellName, x_TBH: Tensor, dy_TBH: Tensor) -> None:
        self._layer = RecurrentLayer(cell, x_TBH.shape[2], x_TBH.shape[2]).to(x_TBH.device)
        self._parts = [
            (x_TBH[:, rows].clone().requires_grad_(), dy_TBH[:, rows].contiguous())
            for rows in split_rows(x_TBH.shape[1], x_TBH.device)
        ]

    def run_forward(self) -> list[Tensor]:
        """Compute the outputs of each part of the rows."""
        return run_together([partial(self._run_rows, x_TBH) for x_TBH, _ in self._parts])

    def run_forward_and_backward(self) -> list[Tensor]:
        """Compute the gradients of the inputs of each part, and those of all parameters."""
        parts = run_together([partial(self._backpropagate_rows, *part) for part in self._parts])
        first, *others = ([*gradients] for _, *gradients in parts)
        with one_thread():
            for gradients in others:
                for total, gradient in zip(first, gradients, strict=True):
                    total.add_(gradient)
        return [*(dx for dx, *_ in parts), *first]

    @torch.no_grad()
    def _run_rows(self, x_TBH: Tensor) -> Tensor:
        y_TBH: Tensor = self._layer(x_TBH, self._layer.initial_state(x_TBH.shape[1]))[0]
        return y_TBH

    def _backpropagate_rows(self, x_TBH: Tensor, dy_TBH: Tensor) -> tuple[Tensor, ...]:
        """Return the gradient of these inputs, and their part of those of the parameters."""
        y_TBH, _ = self._layer(x_TBH, self._layer.initial_state(x_TBH.shape[1]))
        return torch.autograd.grad(y_TBH, [x_TBH, *self._layer.parameters()], dy_TBH)


def make_torch_module(cell: CellName, input_size: int, size: int, layers: int) -> torch.nn.Module:
    """Return torch.nn's module for the same cell."""
    if cell == "lstm":
        return torch.nn.LSTM(input_size, size, layers)
    if cell == "gru":
        return torch.nn.GRU(input_size, size, layers)
    nonlinearity = cell.removeprefix("elman_")
    return torch.nn.RNN(input_size, size, layers, nonlinearity=nonlinearity)
