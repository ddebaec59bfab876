"""A network one token at a time: generation. No autograd, and everything allocated once.

The equations are those of `cells.py`. A layer makes one product a step, of [x h] by its matrices
laid side by side (the GRU makes two, as r scales W_hn h alone). What the first layer makes of a
token is the same whenever it comes, so it is a row of a table.

Legend: B samples, E input size, H hidden size, G = (number of gates) * H, V vocabulary size,
N outputs, K inputs of a product. With one sample the tensors have no B: a product is then one of
a matrix and a vector.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rnnlm_cli.config import UNKNOWN_ID, CellName
from rnnlm_cli.nn.cells import State
from rnnlm_cli.nn.layer import RecurrentLayer
from rnnlm_cli.nn.model import RecurrentNetwork, States
from rnnlm_cli.nn.products import Product

LARGEST_TABLE = 1 << 24  # numbers: 64 MiB of float32
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
        by_token = len(table_VE) * len(layers[0].bias_ih) <= LARGEST_TABLE
        self._table_VE = None if by_token else table_VE
        self._layers = [
            _STEPS[layer.cell](layer, layer_state, table_VE if by_token and not number else None)
            for number, (layer, layer_state) in enumerate(zip(layers, state, strict=True))
        ]
        self._output = _Linear(network.output_table, self._num_samples)
        self._bias_V = network.output_bias.clone()
        if not network.config.unknown_trained:
            self._bias_V[UNKNOWN_ID] = -math.inf

    @torch.inference_mode()
    def step(self, tokens: Sequence[int], resets: Sequence[bool] | None = None) -> Tensor:
        """Read a token of each sample; returns (B, V) logits of what may follow.

        Args:
            resets: where true, the state becomes zero before the token is read.
        """
        if resets is not None and any(resets):
            for layer in self._layers:
                layer.reset(resets)
        ids = list(tokens)
        lowest, *others = self._layers
        x = lowest.step(ids if self._table_VE is None else self._table_VE[ids])
        for layer in others:
            x = layer.step(x)
        shape = self._bias_V.shape if self._num_samples == 1 else (len(tokens), len(self._bias_V))
        logits = self._output(self._bias_V, x, x.new_empty(shape))
        return logits.view(self._num_samples, -1)


class _Linear:
    """start + x W^T, for a W that stays."""

    def __init__(self, weight_NK: Tensor, num_samples: int) -> None:
        self._weight_NK = weight_NK.contiguous() if num_samples == 1 else None
        if num_samples > 1:
            self._product = Product(weight_NK, batch_size=num_samples, uses=MANY)

    def __call__(self, start: Tensor, x: Tensor, out: Tensor) -> Tensor:
        if self._weight_NK is not None:
            return torch.addmv(start, self._weight_NK, x, out=out)
        return self._product.add_to(out.copy_(start), x)


class _Step:
    """What a step of any cell has: its input, with the state beside it, and room for the gates."""

    def __init__(self, layer: RecurrentLayer, state: State, table_VE: Tensor | None) -> None:
        num_samples, size = state[0].shape
        self._scale_G1 = self._scale(layer)
        weight_ih = layer.weight_ih * self._scale_G1
        self._bias_G = self._input_bias(layer) * self._scale_G1[:, 0]
        self._rows: Sequence[Tensor] | None = None
        if table_VE is not None:
            self._table_VG = table_VE @ weight_ih.t() + self._bias_G
            self._rows = self._table_VG.unbind() if num_samples == 1 else None
        self._by_token = table_VE is not None
        before = 0 if self._by_token else layer.input_size
        shape = () if num_samples == 1 else (num_samples,)
        xh = state[0].new_empty(*shape, before + size)
        self._x, self._h, self._xh = xh[..., :before], xh[..., before:], xh
        self._h.copy_(state[0].view(*shape, -1))
        self._state = [self._h, *(part.reshape(*shape, -1).clone() for part in state[1:])]
        self._gates = xh.new_empty(*shape, len(weight_ih))
        self._prepare(layer, weight_ih, num_samples)

    def _scale(self, layer: RecurrentLayer) -> Tensor:
        return torch.ones_like(layer.bias_ih)[:, None]

    def _input_bias(self, layer: RecurrentLayer) -> Tensor:
        return layer.bias_ih + layer.bias_hh

    def _prepare(self, layer: RecurrentLayer, weight_ih: Tensor, num_samples: int) -> None:
        weights = [] if self._by_token else [weight_ih]
        weights.append(layer.weight_hh * self._scale_G1)
        self._linear = _Linear(torch.cat(weights, dim=1), num_samples)

    def reset(self, resets: Sequence[bool]) -> None:
        """Zero the state of some samples."""
        for part in self._state:
            if len(resets) == 1:
                part.zero_()
            else:
                part[torch.tensor(resets, device=part.device)] = 0

    def _start(self, x: list[int] | Tensor) -> Tensor:
        """What the gates begin from: the table's rows of the tokens, or the bias."""
        if isinstance(x, Tensor):
            self._x.copy_(x.view_as(self._x))
            return self._bias_G
        if self._rows is not None:
            return self._rows[x[0]]
        return self._table_VG[x]

    def step(self, x: list[int] | Tensor) -> Tensor:
        """The next output, which is the next layer's input."""
        raise NotImplementedError


class _ElmanTanh(_Step):
    def step(self, x: list[int] | Tensor) -> Tensor:
        return torch.tanh(self._linear(self._start(x), self._xh, self._gates), out=self._h)


class _ElmanRelu(_Step):
    def step(self, x: list[int] | Tensor) -> Tensor:
        return torch.clamp(self._linear(self._start(x), self._xh, self._gates), 0, out=self._h)


class _GRU(_Step):
    def _input_bias(self, layer: RecurrentLayer) -> Tensor:
        return layer.bias_ih

    def _prepare(self, layer: RecurrentLayer, weight_ih: Tensor, num_samples: int) -> None:
        self._from_h, self._bias_h_G = _Linear(layer.weight_hh, num_samples), layer.bias_hh
        self._gates_h = torch.empty_like(self._gates)
        size = layer.hidden_size
        self._rz_h, self._n_h = self._gates_h[..., : 2 * size], self._gates_h[..., 2 * size :]
        self._r, self._z = self._rz_h.chunk(2, dim=-1)
        self._n = torch.empty_like(self._n_h)
        if not self._by_token:
            self._from_x = _Linear(weight_ih, num_samples)

    def step(self, x: list[int] | Tensor) -> Tensor:
        gates_x = self._start(x)
        if not self._by_token:
            gates_x = self._from_x(gates_x, self._x, self._gates)
        self._from_h(self._bias_h_G, self._h, self._gates_h)
        split = self._rz_h.shape[-1]
        self._rz_h.add_(gates_x[..., :split]).sigmoid_()
        torch.addcmul(gates_x[..., split:], self._r, self._n_h, out=self._n).tanh_()
        return torch.lerp(self._n, self._h, self._z, out=self._h)


class _LSTM(_Step):
    """With s = sigmoid(2 g) in the place of tanh(g) = 2 s - 1, as in `recurrence.py`."""

    def _scale(self, layer: RecurrentLayer) -> Tensor:
        scale_G1 = super()._scale(layer)
        scale_G1.chunk(4)[2].mul_(2)
        return scale_G1

    def _prepare(self, layer: RecurrentLayer, weight_ih: Tensor, num_samples: int) -> None:
        super()._prepare(layer, weight_ih, num_samples)
        self._i, self._f, self._s, self._o = self._gates.chunk(4, dim=-1)
        self._c = self._state[1]
        self._tanh_c = torch.empty_like(self._c)

    def step(self, x: list[int] | Tensor) -> Tensor:
        self._linear(self._start(x), self._xh, self._gates).sigmoid_()
        self._c.mul_(self._f).addcmul_(self._i, self._s, value=2).sub_(self._i)
        return torch.mul(self._o, torch.tanh(self._c, out=self._tanh_c), out=self._h)


_STEPS: dict[CellName, type[_Step]] = {
    "elman_tanh": _ElmanTanh,
    "elman_relu": _ElmanRelu,
    "gru": _GRU,
    "lstm": _LSTM,
}
