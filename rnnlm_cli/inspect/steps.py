"""A network one step at a time, by the readable equations of `rnnlm_cli.nn.cells`.

Slower than `rnnlm_cli.nn.recurrence`, which computes the same: every state stands in a tensor of
its own, which can be looked at and differentiated.

Legend: T steps, B rows, E embedding size, H hidden size.
"""

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import linear

from rnnlm_cli.nn.cells import CELLS, State
from rnnlm_cli.nn.network import RecurrentNetwork, States


class LayerStep(NamedTuple):
    """One step of one layer: its input, (B, E), and its state before and after."""

    x: Tensor
    before: State
    after: State


def unroll_steps(
    network: RecurrentNetwork, inputs_TB: Tensor, state: States, resets_TB: Tensor
) -> Iterator[list[LayerStep]]:
    """Read a window, and yield what every layer does at each step.

        s_t = f(U x_t + W s_{t-1}), and each further layer reads the output of the layer below

    Args:
        inputs_TB: token ids.
        state: the state of each layer before the first step: (h_BH,), or (h_BH, c_BH).
        resets_TB: where true, the state becomes zero before that input is read.
    """
    input_table = network.compute_input_table()
    for inputs_B, resets_B in zip(inputs_TB, resets_TB, strict=True):
        steps = []
        x = input_table[inputs_B]
        for layer, layer_state in zip(network.recurrent_layers, state, strict=True):
            before = tuple(part.masked_fill(resets_B[:, None], 0) for part in layer_state)
            gates_x_BG = linear(x, layer.weight_ih, layer.bias_ih)
            after = CELLS[layer.cell].step(gates_x_BG, before, layer.weight_hh, layer.bias_hh)
            steps.append(LayerStep(x, before, after))
            x = after[0]
        yield steps
        state = tuple(step.after for step in steps)
