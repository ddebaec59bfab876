"""The activations of all hidden units over a text, and the saturation of their gates.

Legend: T steps, B rows, N tokens of a text, U hidden units of all layers, H hidden size,
G = (number of gates) * H.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import linear

from rnnlm_cli.config import BOUNDARY_ID, CellName
from rnnlm_cli.inspect.steps import unroll_steps
from rnnlm_cli.nn.cells import State
from rnnlm_cli.nn.layer import RecurrentLayer
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.score.evaluate import WARM_UP_TOKENS
from rnnlm_cli.text.tokenizers import Ids
from rnnlm_cli.threads import one_thread
from rnnlm_cli.windows import Window, make_window, shift_targets

Activations = NDArray[np.float32]

MAX_ROWS = 64
MIN_ROW_TOKENS = 4 * WARM_UP_TOKENS  # shorter rows would consist of warm-up for the most part
LOW, HIGH = 0.1, 0.9  # a gate below or above is saturated (Karpathy et al. 2015)

SIGMOID_GATES: Mapping[CellName, Mapping[str, int]] = {  # the place of each among the cell's gates
    "elman_tanh": {}, "elman_relu": {}, "gru": {"r": 0, "z": 1}, "lstm": {"i": 0, "f": 1, "o": 3},
}


@dataclass(frozen=True)
class Saturation:
    """The saturation of a gate, or of the output of a cell without gates: shares of its values.

    Args:
        layer: the number of the layer, from 1.
        name: the gate: r or z of the GRU; i, f or o of the LSTM; h for a cell without gates.
        low: the share of values below 0.1. Of h of a tanh cell: of values below -0.9; of h of a
            ReLU cell: of zeros.
        high: the share of values above 0.9; None for h of a ReLU cell, which has no upper bound.
    """

    layer: int
    name: str
    low: float
    high: float | None


@torch.inference_mode()
def compute_activations(
    network: RecurrentNetwork, tokens_N: Ids, *, sentences: bool
) -> tuple[Activations, list[Saturation]]:
    """Read a text from the zero state, and return the activation of every unit after each token.

    The activation is h, for the LSTM tanh(c). A long text is read in up to 64 rows, each warmed up
    on the 256 tokens before it.

    Args:
        tokens_N: the text, of one token or more.
        sentences: whether every boundary resets the hidden state.
    Returns: the activations, (N, U), the units of the first layer first; and the saturation of
        every gate.
    """
    num_rows = max(1, min(MAX_ROWS, len(tokens_N) // MIN_ROW_TOKENS))
    warm_up = 1 if num_rows == 1 else WARM_UP_TOKENS  # the boundary token is read first
    size = -(-len(tokens_N) // num_rows)
    at_TB = np.arange(0, len(tokens_N), size) + np.arange(-warm_up, size)[:, None]
    counted_TB = torch.from_numpy(at_TB < len(tokens_N)).to(network.device)
    window = _lay_window(tokens_N, at_TB, sentences=sentences)
    counters = [_GateCounter(layer) for layer in network.recurrent_layers]
    activations_TBU = []
    with one_thread():  # several would wait for each other at every step
        inputs_TB, _, resets_TB = (each.to(network.device) for each in window)
        state = network.initial_state(inputs_TB.shape[1])
        steps = unroll_steps(network, inputs_TB, state, resets_TB)
        for layers, kept_B in islice(zip(steps, counted_TB, strict=True), warm_up, None):
            activations_TBU.append(
                torch.cat([_select_activation(each.after) for each in layers], dim=1).cpu()
            )
            for counter, (x_BE, before, after) in zip(counters, layers, strict=True):
                counter.add(x_BE[kept_B], before[0][kept_B], after[0][kept_B])
    activations_NU = torch.stack(activations_TBU, dim=1).flatten(0, 1)[: len(tokens_N)]
    return activations_NU.float().numpy(), [
        each for number, counter in enumerate(counters, start=1)
        for each in counter.list_saturations(number)
    ]


def compute_gates(
    layer: RecurrentLayer, x_BE: Tensor, h_BH: Tensor
) -> dict[str, Tensor]:
    """Return the sigmoid gates of a step by name, each (B, H): r z of the GRU, i f o of the LSTM.

        gate = sigmoid(W_i x + b_i + W_h h + b_h)

    Args:
        x_BE: the inputs.
        h_BH: the hidden state before the step.
    """
    places = SIGMOID_GATES[layer.cell]
    if not places:
        return {}
    gates_BG = linear(x_BE, layer.weight_ih, layer.bias_ih) + linear(
        h_BH, layer.weight_hh, layer.bias_hh
    )
    parts = gates_BG.split(layer.hidden_size, dim=1)
    return {name: torch.sigmoid(parts[place]) for name, place in places.items()}


class _GateCounter:
    """Counts the saturated values of the gates of a layer."""

    def __init__(self, layer: RecurrentLayer) -> None:
        self._layer = layer
        self._counts = {name: [0, 0] for name in SIGMOID_GATES[layer.cell] or ("h",)}
        self._num_values = 0

    def add(self, x_BE: Tensor, h_BH: Tensor, output_BH: Tensor) -> None:
        """Count a step: its inputs, the hidden state before it, and its outputs."""
        gates, low = compute_gates(self._layer, x_BE, h_BH), LOW
        if not gates:
            gates, low = {"h": output_BH}, -HIGH
        for name, gate_BH in gates.items():
            is_low_BH = gate_BH == 0 if self._layer.cell == "elman_relu" else gate_BH < low
            self._counts[name][0] += int(is_low_BH.sum())
            self._counts[name][1] += int((gate_BH > HIGH).sum())
        self._num_values += output_BH.numel()

    def list_saturations(self, number: int) -> Iterator[Saturation]:
        """Yield the shares of each gate of the layer, which has this number."""
        for name, (num_low, num_high) in self._counts.items():
            high = num_high / self._num_values if self._layer.cell != "elman_relu" else None
            yield Saturation(number, name, num_low / self._num_values, high)


def _lay_window(tokens_N: Ids, at_TB: NDArray[np.int64], *, sentences: bool) -> Window:
    """Return the window that reads the tokens at these places, -1 being the boundary before them.

    Every row begins with a reset, and places before the text reset again.
    """
    text_N = np.append(tokens_N, BOUNDARY_ID).astype(np.int64)  # its last one is place -1, too
    targets_TB = torch.from_numpy(text_N[(at_TB + 1).clip(-1, len(tokens_N))])
    before_B = torch.from_numpy(text_N[at_TB[0].clip(-1, len(tokens_N))])
    resets_TB = torch.from_numpy(at_TB < 0)
    resets_TB[0] = True
    if sentences:
        resets_TB |= shift_targets(targets_TB, before_B) == BOUNDARY_ID
    return make_window(targets_TB, resets_TB, before_B)


def _select_activation(state: State) -> Tensor:
    """Return h, or tanh(c) of the LSTM, (B, H)."""
    return torch.tanh(state[1]) if len(state) == 2 else state[0]
