"""The gates of one step of generation, as `stepper.py` needs them: products and a table.

The inputs and the hidden states of all layers lie side by side in one tensor, and a 1 follows
each of them. A bias is a column of a matrix that is multiplied by such a 1. With two layers:

    input  1  hidden 1  1  hidden 2  1
    -------------------                   input of layer 1, and its hidden state
              ----------------------      input of layer 2, and its hidden state
                           -----------    input of the output layer

So no hidden state is copied from layer to layer, and no bias is added separately. The products of
a GRU join nothing, so its parts have tensors of their own.

Legend: B samples, E input size, H hidden size, G = (number of gates) * H, V vocabulary size,
N outputs, K inputs of a product. With one sample the tensors have no dimension B, because the
product of a matrix and a vector is faster than that of two matrices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rnnlm_cli.nn import kernels
from rnnlm_cli.nn.cells import select_outer_bias
from rnnlm_cli.nn.layer import RecurrentLayer
from rnnlm_cli.nn.matmul import (
    MIN_BFLOAT16_VECTOR,
    Library,
    Products,
    choose_vector_library,
)

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


def lay_out(
    sizes: Sequence[int], num_samples: int, *, like: Tensor, side_by_side: bool
) -> list[Part]:
    """Allocate the tensor for all inputs and hidden states, filled with ones, and divide it.

    Args:
        side_by_side: if false, each part has a tensor of its own, because products of contiguous
            tensors are faster. Such parts cannot be joined.
    """
    if not side_by_side:
        return [
            Part(like.new_ones(*leading_shape(num_samples), size + 1), 0, size) for size in sizes
        ]
    whole = like.new_ones(*leading_shape(num_samples), sum(sizes) + len(sizes))
    begins = [sum(sizes[:index]) + index for index in range(len(sizes))]
    return [Part(whole, begin, size) for begin, size in zip(begins, sizes, strict=True)]


def leading_shape(num_samples: int) -> tuple[int, ...]:
    """Return the shape of a tensor before its last dimension."""
    return () if num_samples == 1 else (num_samples,)


class StepMatmul(Protocol):
    """x -> x W^T for a constant W."""

    def __call__(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        """Return x W^T: in a new tensor, or in `out`."""

    def add_to(self, start: Tensor, x: Tensor, out: Tensor) -> Tensor:
        """Compute start + x W^T into `out`. With many samples, `start` must be `out`."""


class MatrixProduct:
    """The product for many samples."""

    def __init__(self, weight_NK: Tensor, num_samples: int, products: Products) -> None:
        self._matmul = products.repeat(weight_NK, batch_size=num_samples, num_uses=NUM_STEPS)

    def __call__(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        return self._matmul(x, out)

    def add_to(self, start: Tensor, x: Tensor, out: Tensor) -> Tensor:
        return self._matmul.add_to(out, x)


class VectorProduct:
    """The product for one sample."""

    def __init__(self, weight_NK: Tensor) -> None:
        self._weight_NK = weight_NK

    def __call__(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        return torch.mv(self._weight_NK, x, out=out)

    def add_to(self, start: Tensor, x: Tensor, out: Tensor) -> Tensor:
        return torch.addmv(start, self._weight_NK, x, out=out)


class PackedVectorProduct:
    """The product for one sample by oneDNN, which uses all threads, for a large W or bfloat16."""

    def __init__(self, weight_NK: Tensor) -> None:
        self._packed, self._dtype = kernels.pack_onednn(weight_NK, 1), weight_NK.dtype

    def __call__(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        product_N = self._multiply(x)
        return product_N.to(x.dtype) if out is None else out.copy_(product_N)

    def add_to(self, start: Tensor, x: Tensor, out: Tensor) -> Tensor:
        return torch.add(start, self._multiply(x), out=out)

    def _multiply(self, x: Tensor) -> Tensor:
        return kernels.multiply_onednn(x.to(self._dtype)[None], self._packed)[0]


def make_matmul(blocks: Sequence[Tensor], num_samples: int, products: Products) -> StepMatmul:
    """Prepare x -> x W^T for a constant W, which is given in blocks of columns."""
    weight_NK = torch.cat([*blocks], dim=1)
    if num_samples > 1:
        return MatrixProduct(weight_NK, num_samples, products)
    if weight_NK.numel() >= MIN_BFLOAT16_VECTOR:
        weight_NK = products.round(weight_NK)
    if choose_vector_library(weight_NK) is Library.ONEDNN:
        return PackedVectorProduct(weight_NK)
    return VectorProduct(weight_NK)


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

    def __init__(
        self, layer: RecurrentLayer, input_part: Part, num_samples: int, products: Products
    ) -> None:
        self._matmul = make_matmul(_join_input_columns(layer), num_samples, products)
        self._input_1 = input_part.values_1
        self.gates = _allocate_gates(layer, num_samples)

    def compute(self, tokens: Sequence[int]) -> Tensor:
        return self._matmul(self._input_1, self.gates)


class FusedProduct:
    """Computes all gates: the product of [W_ih bias W_hh] and [input 1 hidden].

    For the cells whose gates are all sums: Elman and LSTM.
    """

    def __init__(
        self, layer: RecurrentLayer, input_part: Part, hidden_part: Part, num_samples: int,
        products: Products,
    ) -> None:
        weight_hh = layer.weight_hh * scale_gates(layer)
        self._matmul = make_matmul(
            [*_join_input_columns(layer), weight_hh], num_samples, products
        )
        self._input_1_hidden = input_part.join(hidden_part)
        self.gates = _allocate_gates(layer, num_samples)

    def compute(self, tokens: Sequence[int]) -> Tensor:
        return self._matmul(self._input_1_hidden, self.gates)


class TableAndProduct:
    """Computes all gates: a row of the table plus the product of W_hh and the hidden state.

    For the cells whose gates are all sums: Elman and LSTM.
    """

    def __init__(
        self, layer: RecurrentLayer, table: GateTable, hidden_part: Part, num_samples: int,
        products: Products,
    ) -> None:
        self._table, self._hidden = table, hidden_part.values
        self._matmul = make_matmul([layer.weight_hh * scale_gates(layer)], num_samples, products)
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
