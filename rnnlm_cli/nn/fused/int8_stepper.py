"""One generated text, one token at a time, from weights that are rounded to int8.

A step of one sample reads every weight once. The weights of a large network do not fit into the
caches of the processor as float32; as int8 they take a quarter of the memory. All layers of a step
and the logits are one compiled call. The equations are those of `cells.py`.

Importing this module imports numba.

Legend: L layers, S parts of a state, E embedding size, H hidden size, G = (number of gates) * H,
V vocabulary size.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from rnnlm_cli.config import UNKNOWN_ID, CellName
from rnnlm_cli.nn import stepper
from rnnlm_cli.nn.cells import CELLS, select_outer_bias
from rnnlm_cli.nn.fused.compiler import Array, compiled
from rnnlm_cli.nn.fused.int8_product import Matrices, Words, allocate_rounded, multiply, pack
from rnnlm_cli.nn.fused.pointwise import ZERO, tanh
from rnnlm_cli.nn.fused.row_updates import update_gru, update_lstm
from rnnlm_cli.nn.network import RecurrentNetwork, States
from rnnlm_cli.nn.rounding import round_to_int8

TANH, RELU, GRU, LSTM = range(4)  # the cells, as numbers for compiled code
CODES: dict[CellName, int] = {"elman_tanh": TANH, "elman_relu": RELU, "gru": GRU, "lstm": LSTM}


@compiled
def _update_elman(relu: bool, gates: Array, h: Array) -> None:
    for j in range(len(h)):
        h[j] = max(gates[j], ZERO) if relu else tanh(gates[j])


@compiled
def _update(cell: int, x_G: Array, gates_G: Array, h: Array, c: Array) -> None:
    """Update the state of one layer.

    Args:
        x_G: W_i x + b_i, with the outer part of b_h. Only the GRU uses it.
        gates_G: x_G + W_h h; for the GRU, W_h h and the rest of b_h.
    """
    size = len(h)
    first, second, third = gates_G[:size], gates_G[size : 2 * size], gates_G[2 * size : 3 * size]
    if cell == LSTM:
        update_lstm(first, second, third, gates_G[3 * size :], h, c)
    elif cell == GRU:
        update_gru(x_G[:size], x_G[size : 2 * size], x_G[2 * size :], first, second, third, h)
    else:
        _update_elman(cell == RELU, gates_G, h)


@compiled
def _step(
    cell: int, x_G: Array, upper_inputs: Matrices, hidden: Matrices, output: Matrices,
    h_LH: Array, c_LH: Array, rounded_K: Words, logits_V: Array,
) -> None:
    """Update the states of all layers, and compute the logits.

    Args:
        x_G: the gates that the first layer computes from its input.
        upper_inputs: W_i of the other layers.
        hidden: W_h of all layers.
        rounded_K: memory for `multiply`.
    """
    upper_x_G, gates_G = np.empty_like(x_G), np.empty_like(x_G)
    for layer in range(len(h_LH)):
        start_G = hidden[2][layer] if cell == GRU else x_G
        multiply(hidden, layer, h_LH[layer], start_G, rounded_K, gates_G)
        _update(cell, x_G, gates_G, h_LH[layer], c_LH[layer])
        if layer + 1 < len(h_LH):
            bias_G = upper_inputs[2][layer]
            multiply(upper_inputs, layer, h_LH[layer], bias_G, rounded_K, upper_x_G)
            x_G = upper_x_G
    multiply(output, 0, h_LH[-1], output[2][0], rounded_K, logits_V)


def round_weights(network: RecurrentNetwork) -> RecurrentNetwork:
    """Return a network with the weights of `Int8Stepper`, as floating-point numbers.

    The matrices of all layers and the output table are rounded. If the tables are tied, the
    embedding is the output table, so it is rounded as an input too; otherwise it is not rounded.
    Biases are not rounded.
    """
    weights = dict(network.state_dict())
    output_name = "embedding" if network.config.tied else "output_weight"
    for name, weight in weights.items():
        if name == output_name or name.endswith((".weight_ih", ".weight_hh")):
            values_NK, scale_N = (torch.from_numpy(each) for each in round_to_int8(weight))
            weights[name] = (values_NK * scale_N[:, None]).to(weight.dtype)
    return network.with_weights(weights)


class _InputGates(Protocol):
    """The gates that the first layer computes from its input."""

    def compute(self, token: int) -> Array:
        """Return W_i x + b_i, (G,), with the outer part of b_h."""


class _GateTable:
    """Reads the gates of a token from a table.

    The table is float32, and it is computed from the rounded weights. So the gates are the same as
    without a table, except for the rounding of the input.
    """

    def __init__(self, rounded: RecurrentNetwork) -> None:
        input_table_VE = rounded.compute_input_table()
        self._table_VG = rounded.recurrent_layers[0].project(input_table_VE).float().numpy()

    def compute(self, token: int) -> Array:
        row_G: Array = self._table_VG[token]
        return row_G


class _InputProduct:
    """Computes the gates by an int8 product.

    Args:
        rounded: the network with rounded weights, for the input that each token stands for.
        weight_GE: W_i of the first layer, not rounded.
    """

    def __init__(self, rounded: RecurrentNetwork, weight_GE: Tensor, bias_G: Tensor) -> None:
        self._input_table_VE = rounded.compute_input_table().float().numpy()
        self._matrices = pack([weight_GE], [bias_G], weight_GE.shape)
        self._rounded_K = allocate_rounded(self._matrices)
        self._gates_G = np.empty(len(bias_G), np.float32)

    def compute(self, token: int) -> Array:
        x_E = self._input_table_VE[token]
        bias_G = self._matrices[2][0]
        multiply(self._matrices, 0, x_E, bias_G, self._rounded_K, self._gates_G)
        return self._gates_G


class Int8Stepper:
    """A generation of one sample in progress; see `rnnlm_cli.nn.stepper.Stepper`.

    Args:
        network: the weights. They are copied, so later changes have no effect.
        state: the state in which the sample starts, as the network returned it for one row. It is
            copied.
    """

    @torch.no_grad()
    def __init__(self, network: RecurrentNetwork, state: States) -> None:
        cell, layers = network.config.cell, network.recurrent_layers
        shape_GH = layers[0].weight_hh.shape
        outer = [select_outer_bias(cell, layer.bias_hh) for layer in layers]
        x_biases = [layer.bias_ih + bias for layer, bias in zip(layers, outer, strict=True)]
        h_biases = [layer.bias_hh - bias for layer, bias in zip(layers, outer, strict=True)]
        bias_V = network.output_bias.clone()
        if not network.config.unknown_trained:
            bias_V[UNKNOWN_ID] = -math.inf
        upper_inputs = pack([layer.weight_ih for layer in layers[1:]], x_biases[1:], shape_GH)
        hidden = pack([layer.weight_hh for layer in layers], h_biases, shape_GH)
        output = pack([network.output_table], [bias_V], network.output_table.shape)
        rounded = round_weights(network)
        self._input_gates: _InputGates
        if len(bias_V) * shape_GH[0] <= stepper.MAX_TABLE_SIZE:
            self._input_gates = _GateTable(rounded)
        else:
            self._input_gates = _InputProduct(rounded, layers[0].weight_ih, x_biases[0])
        num_states = CELLS[cell].num_states
        self._state_SLH = np.empty((num_states, len(layers), shape_GH[1]), np.float32)
        self.replace_state(state)
        self._logits_1V = torch.empty(1, len(bias_V))
        self._cell = CODES[cell]
        self._arguments = (
            upper_inputs, hidden, output,
            self._state_SLH[0], self._state_SLH[-1],  # h and c; without c, the last is not used
            allocate_rounded(hidden), self._logits_1V[0].numpy(),
        )

    def step(self, tokens: Sequence[int], resets: Sequence[bool] | None = None) -> Tensor:
        """Read one token.

        Args:
            tokens: one token id.
            resets: one flag; if true, the state becomes zero before the token is read.

        Returns: (1, V) logits of the next token, float32. The next step overwrites them.
        """
        if resets is not None and resets[0]:
            self._state_SLH.fill(0)
        _step(self._cell, self._input_gates.compute(tokens[0]), *self._arguments)
        return self._logits_1V

    def select(self, samples: Sequence[int]) -> States:
        """Return copies of the hidden state, one row for each of `samples`, which are all 0."""
        state_LSH = torch.from_numpy(self._state_SLH).transpose(0, 1)
        return tuple(
            tuple(part_H.repeat(len(samples), 1) for part_H in layer_SH) for layer_SH in state_LSH
        )

    def replace_state(self, state: States) -> None:
        """Continue from another state of one row, which is copied."""
        for layer, parts in enumerate(state):
            for index, part_1H in enumerate(parts):
                self._state_SLH[index, layer] = part_1H[0].detach().numpy()
