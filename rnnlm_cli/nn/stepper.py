"""A network one token at a time: generation. No autograd, and everything allocated once.

The equations are those of `cells.py`. A layer makes one product a step, of its input and its state
by its matrices laid side by side (the GRU makes two, as r scales W_hn h alone). The states of all
layers lie side by side too, each followed by a 1 that the bias is multiplied by, as a column of
the matrix:

    x 1 h 1 h 1          the input of two layers, and their states
    -----                what the first layer's product reads
        -----            the second's
            ---          the output layer's

So nothing is copied from layer to layer, and no bias added. What the first layer makes of a token
is the same whenever it comes: where the vocabulary allows, it is a row of a table, and x is empty.

Legend: B samples, E input size, H hidden size, G = (number of gates) * H, V vocabulary size,
N outputs, K inputs of a product. With one sample the tensors have no B: a product is then one of
a matrix and a vector.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor

from rnnlm_cli.config import UNKNOWN_ID, CellName
from rnnlm_cli.nn.cells import State
from rnnlm_cli.nn.layer import RecurrentLayer
from rnnlm_cli.nn.matmul import Product
from rnnlm_cli.nn.network import RecurrentNetwork, States

MAX_TABLE_SIZE = 1 << 24  # numbers: 64 MiB of float32
MANY = 1 << 30  # a generation has no known end


class Stepper:
    """A generation under way: B samples, each with a state that every step moves on.

    Args:
        network: the weights; they are copied, so later changes do not show.
        state: where the samples start, B rows of it, as the network returned it; it is copied.
    """

    @torch.inference_mode()
    def __init__(self, network: RecurrentNetwork, state: States) -> None:
        self._num_samples = len(state[0][0])
        table_VE = network.input_table()
        layers = network.recurrent_layers
        by_token = len(table_VE) * len(layers[0].bias_ih) <= MAX_TABLE_SIZE
        self._table_VE = None if by_token else table_VE
        input_size = 0 if by_token else layers[0].input_size
        sizes = [input_size, *(layer.hidden_size for layer in layers)]
        begins = [0, *accumulate(size + 1 for size in sizes)]
        side_by_side = table_VE.new_ones(*_leading(self._num_samples), begins[-1])
        self._x = side_by_side[..., :input_size]
        self._y1 = side_by_side[..., begins[-2] :]
        self._layers = []
        for index, (layer, layer_state) in enumerate(zip(layers, state, strict=True)):
            x1h1 = side_by_side[..., begins[index] : begins[index + 2]]
            table = table_VE if by_token and index == 0 else None
            self._layers.append(_STEPS[layer.cell](layer, layer_state, x1h1, table))
        bias_V = network.output_bias.clone()
        if not network.config.unknown_trained:
            bias_V[UNKNOWN_ID] = -math.inf
        self._output = _Linear([network.output_table, bias_V[:, None]], self._num_samples)

    @torch.inference_mode()
    def step(self, tokens: Sequence[int], resets: Sequence[bool] | None = None) -> Tensor:
        """Read a token of each sample; returns (B, V) logits of what may follow.

        Args:
            resets: where true, the state becomes zero before the token is read.
        """
        if resets is not None and any(resets):
            for layer in self._layers:
                layer.reset(resets)
        if self._table_VE is not None:
            self._x.copy_(self._table_VE[list(tokens)].view_as(self._x))
        for layer in self._layers:
            layer.step(tokens)
        return self._output(self._y1).view(self._num_samples, -1)


def _leading(num_samples: int) -> tuple[int, ...]:
    return () if num_samples == 1 else (num_samples,)


class _Linear:
    """x W^T, for a W that stays, given as what lies side by side in it."""

    def __init__(self, weights: Sequence[Tensor], num_samples: int) -> None:
        weight_NK = torch.cat([*weights], dim=1)
        self._weight_NK = weight_NK if num_samples == 1 else None
        if num_samples > 1:
            self._product = Product(weight_NK, batch_size=num_samples, uses=MANY)

    def __call__(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        if self._weight_NK is not None:
            return torch.mv(self._weight_NK, x, out=out)
        return self._product(x, out)

    def plus(self, start: Tensor, x: Tensor, out: Tensor) -> Tensor:
        """start + x W^T; with many samples `start` is `out`."""
        if self._weight_NK is not None:
            return torch.addmv(start, self._weight_NK, x, out=out)
        return self._product.add_to(out, x)


class _Step(ABC):
    """What a step of any cell has.

    Args:
        layer: the weights.
        state: of the layer, B rows.
        x1h1: where its input is found, if it has one, and its state h kept, each before a 1.
        table_VE: what each token is read as, where the layer reads tokens instead of an input.
    """

    def __init__(
        self, layer: RecurrentLayer, state: State, x1h1: Tensor, table_VE: Tensor | None
    ) -> None:
        num_samples, size = state[0].shape
        leading = _leading(num_samples)
        self._x1, self._h1 = x1h1[..., : -size - 1], x1h1[..., -size - 1 :]
        self._x1h, self._h = x1h1[..., :-1], self._h1[..., :-1]
        self._h.copy_(state[0].view(*leading, -1))
        self._state = [self._h, *(part.reshape(*leading, -1).clone() for part in state[1:])]
        self._gates = x1h1.new_empty(*leading, len(layer.bias_ih))
        scale_G1 = self._scale(layer)
        weight_ih, weight_hh = layer.weight_ih * scale_G1, layer.weight_hh * scale_G1
        bias_G1 = self._input_bias(layer)[:, None] * scale_G1
        self._table_VG: Tensor | None = None
        self._rows: Sequence[Tensor] | None = None
        if table_VE is not None:
            self._table_VG = table_VE @ weight_ih.t() + bias_G1[:, 0]
            self._rows = self._table_VG.unbind() if num_samples == 1 else None
        from_x = [] if self._by_token else [weight_ih, bias_G1]
        self._prepare(layer, from_x, weight_hh, num_samples)

    @property
    def _by_token(self) -> bool:
        return self._table_VG is not None

    def _scale(self, layer: RecurrentLayer) -> Tensor:
        return torch.ones_like(layer.bias_ih)[:, None]

    def _input_bias(self, layer: RecurrentLayer) -> Tensor:
        return layer.bias_ih + layer.bias_hh

    def _prepare(
        self, layer: RecurrentLayer, from_x: list[Tensor], weight_hh: Tensor, num_samples: int
    ) -> None:
        self._linear = _Linear([*from_x, weight_hh], num_samples)

    def reset(self, resets: Sequence[bool]) -> None:
        """Zero the state of some samples."""
        for part in self._state:
            if len(resets) == 1:
                part.zero_()
            else:
                part[torch.tensor(resets, device=part.device)] = 0

    def _table_rows(self, tokens: Sequence[int]) -> Tensor:
        """What the tokens make of the gates; with many samples, laid in the gates."""
        assert self._table_VG is not None
        if self._rows is not None:
            return self._rows[tokens[0]]
        ids_B = torch.tensor(tokens, device=self._gates.device)
        return torch.index_select(self._table_VG, 0, ids_B, out=self._gates)

    def _sums(self, tokens: Sequence[int]) -> Tensor:
        """All gates before their nonlinearity."""
        if self._by_token:
            return self._linear.plus(self._table_rows(tokens), self._h, self._gates)
        return self._linear(self._x1h, self._gates)

    @abstractmethod
    def step(self, tokens: Sequence[int]) -> None:
        """Move h on, which is the next layer's input."""


class _ElmanTanh(_Step):
    def step(self, tokens: Sequence[int]) -> None:
        torch.tanh(self._sums(tokens), out=self._h)


class _ElmanRelu(_Step):
    def step(self, tokens: Sequence[int]) -> None:
        torch.clamp(self._sums(tokens), 0, out=self._h)


class _GRU(_Step):
    def _input_bias(self, layer: RecurrentLayer) -> Tensor:
        return layer.bias_ih

    def _prepare(
        self, layer: RecurrentLayer, from_x: list[Tensor], weight_hh: Tensor, num_samples: int
    ) -> None:
        self._from_x = None if self._by_token else _Linear(from_x, num_samples)
        self._from_h = _Linear([weight_hh, layer.bias_hh[:, None]], num_samples)
        self._gates_h = torch.empty_like(self._gates)
        size = layer.hidden_size
        self._rz_h, self._n_h = self._gates_h[..., : 2 * size], self._gates_h[..., 2 * size :]
        self._r, self._z = self._rz_h.chunk(2, dim=-1)
        self._n = torch.empty_like(self._n_h)

    def step(self, tokens: Sequence[int]) -> None:
        if self._from_x is None:
            gates_x = self._table_rows(tokens)
        else:
            gates_x = self._from_x(self._x1, self._gates)
        self._from_h(self._h1, self._gates_h)
        split = self._rz_h.shape[-1]
        self._rz_h.add_(gates_x[..., :split]).sigmoid_()
        torch.addcmul(gates_x[..., split:], self._r, self._n_h, out=self._n).tanh_()
        torch.lerp(self._n, self._h, self._z, out=self._h)


class _LSTM(_Step):
    """With s = sigmoid(2 g) in the place of tanh(g) = 2 s - 1, as in `recurrence.py`."""

    def _scale(self, layer: RecurrentLayer) -> Tensor:
        scale_G1 = super()._scale(layer)
        scale_G1.chunk(4)[2].mul_(2)
        return scale_G1

    def _prepare(
        self, layer: RecurrentLayer, from_x: list[Tensor], weight_hh: Tensor, num_samples: int
    ) -> None:
        super()._prepare(layer, from_x, weight_hh, num_samples)
        self._i, self._f, self._s, self._o = self._gates.chunk(4, dim=-1)
        self._c = self._state[1]
        self._tanh_c = torch.empty_like(self._c)

    def step(self, tokens: Sequence[int]) -> None:
        self._sums(tokens).sigmoid_()
        self._c.mul_(self._f).addcmul_(self._i, self._s, value=2).sub_(self._i)
        torch.mul(self._o, torch.tanh(self._c, out=self._tanh_c), out=self._h)


_STEPS: dict[CellName, type[_Step]] = {
    "elman_tanh": _ElmanTanh,
    "elman_relu": _ElmanRelu,
    "gru": _GRU,
    "lstm": _LSTM,
}
