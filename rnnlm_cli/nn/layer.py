"""A recurrent layer: a cell's parameters, run over a window of steps. State in, state out.

Legend: T time, B batch, K distinct inputs, E input size, H hidden size, G = (number of gates) * H.
"""

import torch
from torch import Tensor, nn

from rnnlm_cli.config import CellName
from rnnlm_cli.nn.cells import CELLS, State, initialise
from rnnlm_cli.nn.unroll import run_window


class RecurrentLayer(nn.Module):
    """A layer of one kind of cell, run over a window of T steps.

    Args:
        cell: "elman_tanh", "elman_relu", "gru" or "lstm" (equations: `rnnlm_cli.nn.cells`).
        input_size: E.
        hidden_size: H.
        generator: draws the first weights; None takes PyTorch's global one.

    Parameters, as torch.nn names, shapes and orders them: weight_ih (G, E), weight_hh (G, H),
    bias_ih (G,), bias_hh (G,).
    """

    def __init__(
        self,
        cell: CellName,
        input_size: int,
        hidden_size: int,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.cell, self.input_size, self.hidden_size = cell, input_size, hidden_size
        gates_size = CELLS[cell].num_gates * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(gates_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(gates_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(gates_size))
        self.bias_hh = nn.Parameter(torch.empty(gates_size))
        if not self.weight_hh.is_meta:
            initialise(
                cell, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, generator
            )

    def initial_state(self, batch_size: int) -> State:
        """The state before the first step: zeros, a (B, H) tensor each."""
        return tuple(
            self.weight_hh.new_zeros(batch_size, self.hidden_size)
            for _ in range(CELLS[self.cell].num_states)
        )

    def forward(
        self, x: Tensor, state: State, resets_TB: Tensor | None = None,
        where_TB: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Run T steps.

        Args:
            x: the inputs, (T, B, E); or, with where_TB, the distinct ones among them, (K, E).
            state: (h_BH,), or (h_BH, c_BH) for the LSTM.
            resets_TB: where true, the state becomes zero before that input is read.
            where_TB: which of the K distinct inputs is read.

        Returns: (y_TBH, state): the outputs of all steps and the state after the last.
        Raises: ValueError where the shapes do not fit each other.
        """
        self._check(x, state, resets_TB, where_TB)
        return run_window(
            self.cell, x, where_TB, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh,
            resets_TB, state,
        )

    def _check(
        self, x: Tensor, state: State, resets_TB: Tensor | None, where_TB: Tensor | None
    ) -> None:
        wanted_dim, name = (3, "x_TBE") if where_TB is None else (2, "x_KE")
        if x.dim() != wanted_dim or len(x) == 0 or x.shape[-1] != self.input_size:
            raise ValueError(
                f"{name} is {tuple(x.shape)}; {wanted_dim} dimensions are needed, the first of 1 "
                f"or more and the last of {self.input_size}"
            )
        length, batch_size = (x if where_TB is None else where_TB).shape[:2]
        wanted = [(batch_size, self.hidden_size)] * CELLS[self.cell].num_states
        given = [tuple(tensor.shape) for tensor in state]
        if given != wanted:
            raise ValueError(f"state is {given}; {wanted} is needed by cell '{self.cell}'")
        if resets_TB is not None and resets_TB.shape != (length, batch_size):
            raise ValueError(
                f"resets_TB is {tuple(resets_TB.shape)}; {(length, batch_size)} is needed"
            )
