"""The gates of one step of generation, as `stepper.py` needs them: products and a table.

The inputs and the hidden states of all layers lie side by side in one tensor, and a 1 follows
each of them. A bias is a column of a matrix that is multiplied by such a 1. With two layers:

    input  1  hidden 1  1  hidden 2  1
    -------------------                   input of layer 1, and its hidden state
              ----------------------      input of layer 2, and its hidden state
                           -----------    input of the output layer

So no hidden state is copied from layer to layer, and no bias is added separately.

Legend: B samples, E input size, H hidden size, G = (number of gates) * H, V vocabulary size,
N outputs, K inputs of a product. With one sample the tensors have no dimension B, because the
product of a matrix and a vector is faster than that of two matrices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rnnlm_cli.nn.cells import select_outer_bias
from rnnlm_cli.nn.layer import RecurrentLayer
from rnnlm_cli.nn.matmul import RepeatedMatmul

NUM_STEPS = 1 << 30  # the length of a generation is not known; it is long enough to pack weights


@dataclass(frozen=True)
class Part:
    """An input or a hidden state: a part of the tensor in which all of them lie side by side."""

    whole: Tensor
    begin: int
    size: int

    @property
    def values(self) -> Tensor:
        """The part without the 1 that follows it."""
        return self.whole[..., self.begin : self.begin + self.size]

    @property
    def values_1(self) -> Tensor:
        """The part and the 1 that follows it."""
        return self.whole[..., self.begin : self.begin + self.size + 1]

    def join(self, following: "Part") -> Tensor:
        """Return this part, the 1 that follows it, and the values of the following part."""
        return self.whole[..., self.begin : following.begin + following.size]


def lay_out(sizes: Sequence[int], num_samples: int, *, like: Tensor) -> list[Part]:
    """Allocate the tensor for all inputs and hidden states, filled with ones, and divide it."""
    whole = like.new_ones(*leading_shape(num_samples), sum(sizes) + len(sizes))
    begins = [sum(sizes[:index]) + index for index in range(len(sizes))]
    return [Part(whole, begin, size) for begin, size in zip(begins, sizes, strict=True)]


def leading_shape(num_samples: int) -> tuple[int, ...]:
    """Return the shape of a tensor before its last dimension."""
    return () if num_samples == 1 else (num_samples,)


class StepMatmul:
    """x -> x W^T for a constant W, which is given in blocks of columns."""

    def __init__(self, blocks: Sequence[Tensor], num_samples: int) -> None:
        weight_NK = torch.cat([*blocks], dim=1)
        self._weight_NK = weight_NK if num_samples == 1 else None
        if num_samples > 1:
            self._matmul = RepeatedMatmul(weight_NK, batch_size=num_samples, num_uses=NUM_STEPS)

    def __call__(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        if self._weight_NK is not None:
            return torch.mv(self._weight_NK, x, out=out)
        return self._matmul(x, out)

    def add_to(self, start: Tensor, x: Tensor, out: Tensor) -> Tensor:
        """Compute start + x W^T into `out`. With many samples, `start` must be `out`."""
        if self._weight_NK is not None:
            return torch.addmv(start, self._weight_NK, x, out=out)
        return self._matmul.add_to(out, x)


class GateSource(Protocol):
    """A part of a layer that computes gates in every step.

    `gates` is the tensor into which they are computed. With one sample, `GateTable` returns a row
    of the table instead.
    """

    gates: Tensor

    def compute(self, tokens: Sequence[int]) -> Tensor:
        """Return the gates, (B, G), for the next token of each sample."""


class GateTable:
    """Computes W_ih x + outer bias from the token alone: a row of a table.

    Args:
        input_table_VE: the input that each token stands for.
    """

    def __init__(self, layer: RecurrentLayer, input_table_VE: Tensor, num_samples: int) -> None:
        self._table_VG = layer.project(input_table_VE).mul_(scale_gates(layer)[:, 0])
        self._rows = self._table_VG.unbind() if num_samples == 1 else None
        self.gates = _allocate_gates(layer, num_samples)

    def compute(self, tokens: Sequence[int]) -> Tensor:
        if self._rows is not None:
            return self._rows[tokens[0]]
        ids_B = torch.tensor(tokens, device=self.gates.device)
        return torch.index_select(self._table_VG, 0, ids_B, out=self.gates)


class InputProduct:
    """Computes W_ih x + outer bias: the product of [W_ih bias] and [input 1]."""

    def __init__(self, layer: RecurrentLayer, input_part: Part, num_samples: int) -> None:
        self._matmul = StepMatmul(_join_input_columns(layer), num_samples)
        self._input_1 = input_part.values_1
        self.gates = _allocate_gates(layer, num_samples)

    def compute(self, tokens: Sequence[int]) -> Tensor:
        return self._matmul(self._input_1, self.gates)


class FusedProduct:
    """Computes all gates: the product of [W_ih bias W_hh] and [input 1 hidden].

    For the cells whose gates are all sums: Elman and LSTM.
    """

    def __init__(
        self, layer: RecurrentLayer, input_part: Part, hidden_part: Part, num_samples: int
    ) -> None:
        weight_hh = layer.weight_hh * scale_gates(layer)
        self._matmul = StepMatmul([*_join_input_columns(layer), weight_hh], num_samples)
        self._input_1_hidden = input_part.join(hidden_part)
        self.gates = _allocate_gates(layer, num_samples)

    def compute(self, tokens: Sequence[int]) -> Tensor:
        return self._matmul(self._input_1_hidden, self.gates)


class TableAndProduct:
    """Computes all gates: a row of the table plus the product of W_hh and the hidden state.

    For the cells whose gates are all sums: Elman and LSTM.
    """

    def __init__(
        self, layer: RecurrentLayer, table: GateTable, hidden_part: Part, num_samples: int
    ) -> None:
        self._table, self._hidden = table, hidden_part.values
        self._matmul = StepMatmul([layer.weight_hh * scale_gates(layer)], num_samples)
        self.gates = table.gates

    def compute(self, tokens: Sequence[int]) -> Tensor:
        return self._matmul.add_to(self._table.compute(tokens), self._hidden, self.gates)


def scale_gates(layer: RecurrentLayer) -> Tensor:
    """Return the factor of each gate, (G, 1): 2 for the LSTM's g, as in `recurrence.py`, else 1."""
    scale_G1 = torch.ones_like(layer.bias_ih)[:, None]
    if layer.cell == "lstm":
        scale_G1.chunk(4)[2].fill_(2)
    return scale_G1


def _join_input_columns(layer: RecurrentLayer) -> list[Tensor]:
    """Return W_ih and, as one more column, the bias that `RecurrentLayer.project` adds."""
    scale_G1 = scale_gates(layer)
    bias_G = layer.bias_ih + select_outer_bias(layer.cell, layer.bias_hh)
    return [layer.weight_ih * scale_G1, bias_G[:, None] * scale_G1]


def _allocate_gates(layer: RecurrentLayer, num_samples: int) -> Tensor:
    """Allocate a tensor for the gates of one step, (B, G)."""
    return layer.bias_ih.new_empty(*leading_shape(num_samples), len(layer.bias_ih))
