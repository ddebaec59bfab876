"""The recurrent cells, written by hand: the equations of ONE step, and the initial weights.

Legend: T time, B batch, E input size, H hidden size, G = (number of gates) * H.
Parameters carry torch.nn's names, shapes and gate order, so weights can be exchanged with it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear

from rnnlm_cli.config import CellName

State = tuple[Tensor, ...]


def step_elman_tanh(gates_x_BG: Tensor, state: State, weight_hh: Tensor, bias_hh: Tensor) -> State:
    """One step of the simple recurrent network (Elman 1990), G = H.

        h' = tanh(W_i x + b_i + W_h h + b_h)

    Args:
        gates_x_BG: W_i x + b_i.
        state: (h_BH,).
    Returns: the next state; its first element is the output.
    """
    (h_BH,) = state
    return (torch.tanh(gates_x_BG + linear(h_BH, weight_hh, bias_hh)),)


def step_elman_relu(gates_x_BG: Tensor, state: State, weight_hh: Tensor, bias_hh: Tensor) -> State:
    """One step of the recurrent network with rectified linear units (Le et al. 2015), G = H.

        h' = max(0, W_i x + b_i + W_h h + b_h)
    """
    (h_BH,) = state
    return (torch.relu(gates_x_BG + linear(h_BH, weight_hh, bias_hh)),)


def step_gru(gates_x_BG: Tensor, state: State, weight_hh: Tensor, bias_hh: Tensor) -> State:
    """One step of the gated recurrent unit (Cho et al. 2014; the variant of torch.nn.GRUCell).

        r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
        z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
        n  = tanh(W_in x + b_in + r * (W_hn h + b_hn))
        h' = (1 - z) * n + z * h

    Args:
        gates_x_BG: W_i x + b_i, gates in the order r z n (G = 3H).
        state: (h_BH,).
    Returns: the next state; its first element is the output.
    Note: r acts after W_hn, so the weights are interchangeable with PyTorch's.
    """
    (h_BH,) = state
    r_x, z_x, n_x = gates_x_BG.chunk(3, dim=1)
    r_h, z_h, n_h = linear(h_BH, weight_hh, bias_hh).chunk(3, dim=1)
    r_BH = torch.sigmoid(r_x + r_h)
    z_BH = torch.sigmoid(z_x + z_h)
    n_BH = torch.tanh(n_x + r_BH * n_h)
    return ((1 - z_BH) * n_BH + z_BH * h_BH,)


def step_lstm(gates_x_BG: Tensor, state: State, weight_hh: Tensor, bias_hh: Tensor) -> State:
    """One step of long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers 2000).

        i  = sigmoid(W_ii x + b_ii + W_hi h + b_hi)
        f  = sigmoid(W_if x + b_if + W_hf h + b_hf)
        g  = tanh   (W_ig x + b_ig + W_hg h + b_hg)
        o  = sigmoid(W_io x + b_io + W_ho h + b_ho)
        c' = f * c + i * g
        h' = o * tanh(c')

    Args:
        gates_x_BG: W_i x + b_i, gates in the order i f g o (G = 4H).
        state: (h_BH, c_BH).
    Returns: the next state (h', c'); its first element is the output.
    """
    h_BH, c_BH = state
    gates_BG = gates_x_BG + linear(h_BH, weight_hh, bias_hh)
    i_BH, f_BH, g_BH, o_BH = gates_BG.chunk(4, dim=1)
    c_BH = torch.sigmoid(f_BH) * c_BH + torch.sigmoid(i_BH) * torch.tanh(g_BH)
    return torch.sigmoid(o_BH) * torch.tanh(c_BH), c_BH


@dataclass(frozen=True)
class Cell:
    """The facts about a cell that layers need.

    num_summed_gates: in these first gates W_i x + b_i and W_h h + b_h are only summed, so b_h can
        be added outside the recurrence. In the GRU's third gate, r multiplies W_h h + b_h.
    """

    num_gates: int
    num_summed_gates: int
    num_states: int
    step: Callable[[Tensor, State, Tensor, Tensor], State]


CELLS: dict[CellName, Cell] = {
    "elman_tanh": Cell(1, 1, 1, step_elman_tanh),
    "elman_relu": Cell(1, 1, 1, step_elman_relu),
    "gru": Cell(3, 2, 1, step_gru),
    "lstm": Cell(4, 4, 2, step_lstm),
}


def split_gates(name: CellName, gates_size: int) -> list[int]:
    """Return the sizes of the two parts of G: the summed gates, and the others if there are any."""
    cell = CELLS[name]
    summed_size = gates_size // cell.num_gates * cell.num_summed_gates
    return [size for size in (summed_size, gates_size - summed_size) if size]


def select_outer_bias(name: CellName, bias_hh: Tensor) -> Tensor:
    """Return the part of b_h that can be added outside the recurrence; the rest is 0."""
    outer_bias = bias_hh.clone()
    outer_bias[split_gates(name, len(bias_hh))[0] :] = 0
    return outer_bias


@torch.no_grad()
def initialise(
    name: CellName,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor,
    bias_hh: Tensor,
    generator: torch.Generator | None,
) -> None:
    """Draw the initial weights of a cell, in place.

    The recurrent matrix of each gate is orthogonal (Saxe et al. 2014), and the identity for ReLU
    (Le et al. 2015). Input matrices are uniform with variance 1/E. Biases are zero, except that of
    the LSTM's forget gate, which is 1 (Gers et al. 2000; Jozefowicz et al. 2015).
    """
    hidden_size, input_size = weight_hh.shape[1], weight_ih.shape[1]
    bound = math.sqrt(3 / input_size)
    weight_ih.uniform_(-bound, bound, generator=generator)
    for gate_HH in weight_hh.split(hidden_size):
        if name == "elman_relu":
            torch.nn.init.eye_(gate_HH)
        else:
            torch.nn.init.orthogonal_(gate_HH, generator=generator)
    bias_ih.zero_()
    bias_hh.zero_()
    if name == "lstm":
        bias_ih[hidden_size : 2 * hidden_size] = 1
