"""A network one step at a time, by the readable equations of `rnnlm_cli.nn.cells`.

Slower than `rnnlm_cli.nn.recurrence`, which computes the same: every state stands in a tensor of
its own, which can be looked at and differentiated.

Legend: B rows, E embedding size, H hidden size, V vocabulary size.
"""

from torch import Tensor
from torch.nn.functional import linear

from rnnlm_cli.nn.cells import CELLS
from rnnlm_cli.nn.network import RecurrentNetwork, States


def step_layers(network: RecurrentNetwork, x_BE: Tensor, state: States) -> States:
    """Read one token of each row.

        s_t = f(U x_t + W s_{t-1}), and each further layer reads the output of the layer below

    Args:
        x_BE: the embeddings of the tokens; see `RecurrentNetwork.compute_input_table`.
        state: the state of each layer before the step: (h_BH,), or (h_BH, c_BH) for the LSTM.
    Returns: the state of each layer after the step.
    """
    after = []
    for layer, layer_state in zip(network.recurrent_layers, state, strict=True):
        gates_x_BG = linear(x_BE, layer.weight_ih, layer.bias_ih)
        layer_after = CELLS[layer.cell].step(
            gates_x_BG, layer_state, layer.weight_hh, layer.bias_hh
        )
        after.append(layer_after)
        x_BE = layer_after[0]
    return tuple(after)


def reset_rows(state: States, resets_B: Tensor) -> States:
    """Return a state that is zero in the rows where `resets_B` is true."""
    return tuple(
        tuple(part_BH.masked_fill(resets_B[:, None], 0) for part_BH in layer) for layer in state
    )
