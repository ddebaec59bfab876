"""A network one token at a time, for generation. No autograd; all memory is allocated once.

The equations are those of `cells.py`. A layer is made of two parts. One computes the gates of a
step (`step_gates.py`): one product by [W_ih bias W_hh] gives all of them. The GRU needs two
products, because r multiplies W_hn h + b_hn only. The other part updates the state in place, and
its hidden state then is the input of the next layer.

The gates that the first layer computes from its input depend on the token only. For a small
vocabulary they are a row of a table, and the layer has no input.

Legend: B samples, H hidden size, V vocabulary size. With one sample the tensors have no dimension
B, because the product of a matrix and a vector is faster than that of two matrices.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.nn.cells import State, select_outer_bias
from rnnlm_cli.nn.layer import RecurrentLayer
from rnnlm_cli.nn.matmul import FLOAT32, Products
from rnnlm_cli.nn.network import RecurrentNetwork, States
from rnnlm_cli.nn.step_gates import (
    FusedProduct,
    GateSource,
    GateTable,
    InputProduct,
    Part,
    TableAndProduct,
    lay_out,
    make_matmul,
)
from rnnlm_cli.nn.step_updates import make_gru_update, make_lstm_update

MAX_TABLE_SIZE = 1 << 24  # elements: 64 MiB of float32


class Stepper:
    """A generation in progress: B samples, each with a hidden state that every step updates.

    Args:
        network: the weights. They are copied, so later changes have no effect.
        state: the state in which the samples start, as the network returned it for B rows. It is
            copied.
        products: the precision of large products.
    """

    @torch.inference_mode()
    def __init__(
        self, network: RecurrentNetwork, state: States, products: Products = FLOAT32
    ) -> None:
        self._num_samples = len(state[0][0])
        input_table_VE = network.compute_input_table()
        layers = network.recurrent_layers
        has_table = len(input_table_VE) * len(layers[0].bias_ih) <= MAX_TABLE_SIZE
        self._input_table_VE = None if has_table else input_table_VE
        sizes = [0 if has_table else layers[0].input_size, *(each.hidden_size for each in layers)]
        parts = lay_out(
            sizes, self._num_samples, like=input_table_VE,
            side_by_side=network.config.cell != "gru",
        )
        self._input = parts[0].values
        self._layers: list[_LayerStep] = []
        for index, (layer, layer_state) in enumerate(zip(layers, state, strict=True)):
            table = None
            if has_table and index == 0:
                table = GateTable(layer, input_table_VE, self._num_samples)
            self._layers.append(
                _make_layer_step(
                    layer, layer_state, parts[index], parts[index + 1], table, products
                )
            )
        bias_V = network.output_bias.clone()
        if not network.config.unknown_trained:
            bias_V[UNKNOWN_ID] = -math.inf
        self._last_hidden_1 = parts[-1].values_1
        self._logits_1V = bias_V[None].clone()  # of one sample: always the same memory
        self._logits_V = self._logits_1V[0] if self._num_samples == 1 else None
        self._output = make_matmul(
            [network.output_table, bias_V[:, None]], self._num_samples, products
        )

    @torch.inference_mode()
    def step(self, tokens: Sequence[int], resets: Sequence[bool] | None = None) -> Tensor:
        """Read one token of each sample.

        Args:
            tokens: B token ids.
            resets: where true, the state becomes zero before the token is read.

        Returns: (B, V) logits of the next token. With one sample, the next step overwrites them.
        """
        if resets is not None and any(resets):
            for layer in self._layers:
                for tensor in layer.state:
                    _zero_rows(tensor, resets)
        if self._input_table_VE is not None:
            self._input.copy_(self._input_table_VE[list(tokens)].view_as(self._input))
        for layer in self._layers:
            layer.step(tokens)
        logits = self._output(self._last_hidden_1, self._logits_V)
        return logits if self._logits_V is None else self._logits_1V


    @torch.inference_mode()
    def select(self, samples: Sequence[int]) -> States:
        """Return copies of the states of some samples, possibly repeated, as a network does."""
        ids_B = torch.tensor(samples, device=self._last_hidden_1.device)
        return tuple(
            tuple(part.view(self._num_samples, -1)[ids_B] for part in layer.state)
            for layer in self._layers
        )

    @torch.inference_mode()
    def replace_state(self, state: States) -> None:
        """Continue from another state, which is copied: that of B samples again."""
        for layer, layer_state in zip(self._layers, state, strict=True):
            for part, new in zip(layer.state, layer_state, strict=True):
                part.copy_(new.view_as(part))


def _zero_rows(tensor: Tensor, resets: Sequence[bool]) -> None:
    """Set the rows of some samples to zero."""
    if len(resets) == 1:
        tensor.zero_()
    else:
        tensor[torch.tensor(resets, device=tensor.device)] = 0


class _LayerStep(Protocol):
    """One layer of a generation. `state` holds the tensors that `step` updates."""

    state: list[Tensor]

    def step(self, tokens: Sequence[int]) -> None:
        """Update the state in place. Its first tensor is the input of the next layer."""


class _ElmanStep:
    """h' = f(gates).

    Args:
        all_gates: computes W_i x + b_i + W_h h + b_h.
        hidden: h.
    """

    def __init__(self, all_gates: GateSource, hidden: Tensor, *, relu: bool) -> None:
        self.state = [hidden]
        self._all_gates, self._hidden, self._relu = all_gates, hidden, relu

    def step(self, tokens: Sequence[int]) -> None:
        gates = self._all_gates.compute(tokens)
        if self._relu:
            torch.clamp(gates, 0, out=self._hidden)
        else:
            torch.tanh(gates, out=self._hidden)


class _GRUStep:
    """r, z = sigmoid(rz_x + rz_h); n = tanh(n_x + r * n_h); h' = n + z * (h - n).

    Args:
        input_gates: computes rz_x and n_x: W_i x + b_i, with b_hr and b_hz added.
        layer: the layer, whose W_h and b_hn give rz_h and n_h: W_h h, with b_hn added.
        hidden_part: h and the 1 that follows it.
    """

    def __init__(
        self, input_gates: GateSource, layer: RecurrentLayer, hidden_part: Part, products: Products
    ) -> None:
        hidden, size = hidden_part.values, layer.hidden_size
        self.state = [hidden]
        self._input_gates, self._hidden, self._hidden_1 = input_gates, hidden, hidden_part.values_1
        inner_bias_G = layer.bias_hh - select_outer_bias("gru", layer.bias_hh)
        num_samples = 1 if hidden.dim() == 1 else len(hidden)
        self._matmul = make_matmul([layer.weight_hh, inner_bias_G[:, None]], num_samples, products)
        self._hidden_gates = torch.empty_like(input_gates.gates)
        self._rz, self._n_h = self._hidden_gates.split([2 * size, size], dim=-1)
        self._r, self._z = self._rz.chunk(2, dim=-1)
        self._n, self._rz_size = torch.empty_like(self._n_h), 2 * size
        self._update = make_gru_update(input_gates.gates, self._hidden_gates, hidden_part)

    def step(self, tokens: Sequence[int]) -> None:
        input_gates = self._input_gates.compute(tokens)
        self._matmul(self._hidden_1, self._hidden_gates)
        if self._update is not None:
            self._update()
            return
        self._rz.add_(input_gates[..., : self._rz_size]).sigmoid_()
        torch.addcmul(input_gates[..., self._rz_size :], self._r, self._n_h, out=self._n).tanh_()
        torch.lerp(self._n, self._hidden, self._z, out=self._hidden)


class _LSTMStep:
    """c' = f * c + i * tanh(g); h' = o * tanh(c'), where tanh(g) = 2 s - 1 and s = sigmoid(2 g).

    Args:
        all_gates: computes W_i x + b_i + W_h h + b_h, with 2 g in the place of g.
        hidden_part: h and the 1 that follows it.
        memory: c.
    """

    def __init__(self, all_gates: GateSource, hidden_part: Part, memory: Tensor) -> None:
        self.state = [hidden_part.values, memory]
        self._all_gates, self._hidden, self._c = all_gates, hidden_part.values, memory
        self._update = make_lstm_update(all_gates.gates, hidden_part, memory)
        self._i, self._f, self._s, self._o = all_gates.gates.chunk(4, dim=-1)
        self._tanh_c = torch.empty_like(memory)

    def step(self, tokens: Sequence[int]) -> None:
        gates = self._all_gates.compute(tokens)
        if self._update is not None:
            self._update()
            return
        gates.sigmoid_()
        self._c.mul_(self._f).addcmul_(self._i, self._s, value=2).sub_(self._i)
        torch.mul(self._o, torch.tanh(self._c, out=self._tanh_c), out=self._hidden)


def _make_layer_step(
    layer: RecurrentLayer, state: State, input_part: Part, hidden_part: Part,
    table: GateTable | None, products: Products,
) -> _LayerStep:
    """Build the step of a layer.

    Args:
        state: the state to start from. It is copied.
        input_part: the input; unused if there is a table.
        hidden_part: the part for the hidden state.
        table: the gates of each token, for a layer that reads tokens.
    """
    hidden, num_samples = hidden_part.values, len(state[0])
    hidden.copy_(state[0].view_as(hidden))
    if layer.cell == "gru":
        gates = table or InputProduct(layer, input_part, num_samples, products)
        return _GRUStep(gates, layer, hidden_part, products)
    all_gates: GateSource
    if table is None:
        all_gates = FusedProduct(layer, input_part, hidden_part, num_samples, products)
    else:
        all_gates = TableAndProduct(layer, table, hidden_part, num_samples, products)
    if layer.cell == "lstm":
        return _LSTMStep(all_gates, hidden_part, state[1].reshape(hidden.shape).clone())
    return _ElmanStep(all_gates, hidden, relu=layer.cell == "elman_relu")
