"""A recurrent layer: the parameters of a cell, run over a window. State in, state out.

Legend: T time, B batch, K distinct inputs, E input size, H hidden size,
G = (number of gates) * H.
"""

import torch
from torch import Tensor, nn

from rnnlm_cli.config import CellName
from rnnlm_cli.nn.cells import CELLS, State, initialise
from rnnlm_cli.nn.matmul import FLOAT32
from rnnlm_cli.nn.unroll import project, run_window


class RecurrentLayer(nn.Module):
    """A layer of one kind of cell, run over a window of T steps.

    Args:
        cell: "elman_tanh", "elman_relu", "gru" or "lstm" (equations: `rnnlm_cli.nn.cells`).
        input_size: E.
        hidden_size: H.
        generator: draws the initial weights; None uses PyTorch's global generator.

    Parameters, with torch.nn's names, shapes and gate order: weight_ih (G, E), weight_hh (G, H),
    bias_ih (G,), bias_hh (G,). The attribute `products` computes the matrix products; another
    one changes their precision.
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
        self.products = FLOAT32
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
        """The state before the first step: a tuple of (B, H) tensors of zeros."""
        return tuple(
            self.weight_hh.new_zeros(batch_size, self.hidden_size)
            for _ in range(CELLS[self.cell].num_states)
        )

    def forward(
        self, x_TBE: Tensor, state: State, resets_TB: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run T steps.

        Args:
            x_TBE: the inputs.
            state: (h_BH,), or (h_BH, c_BH) for the LSTM.
            resets_TB: where true, the state becomes zero before that input is read.

        Returns: (y_TBH, state): the outputs of all steps and the state after the last.
        Raises: ValueError if the shapes do not fit each other.
        """
        if x_TBE.dim() != 3 or len(x_TBE) == 0 or x_TBE.shape[-1] != self.input_size:
            raise ValueError(
                f"x_TBE is {tuple(x_TBE.shape)}; 3 dimensions are needed, the first of 1 or more "
                f"and the last of {self.input_size}"
            )
        self._check(x_TBE.shape[:2], state, resets_TB)
        return self._run(self.project(x_TBE), state, resets_TB)

    def project(self, x: Tensor) -> Tensor:
        """Compute the first half of `forward`, which depends on the inputs only.

            gates = W_ih x + b_ih + outer part of b_hh

        The outer part of b_hh is the part that can be added outside the recurrence: all of it,
        except for the GRU, where it is only that of the gates r and z.

        Args:
            x: the inputs, (..., E): for example (T, B, E), or K distinct ones, (K, E).

        Returns: the gates, (..., G), for `recur`.
        Raises: ValueError if the last dimension of x is not E.
        Note: b_hh receives no gradient here; `recur` computes the gradient of all of it.
        """
        if x.dim() < 2 or x.shape[-1] != self.input_size:
            raise ValueError(
                f"x is {tuple(x.shape)}; 2 or more dimensions are needed, the last of "
                f"{self.input_size}"
            )
        return project(self.cell, x, self.weight_ih, self.bias_ih, self.bias_hh, self.products)

    def recur(
        self, gates_TBG: Tensor, state: State, resets_TB: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Compute the second half of `forward`: run T steps from projected inputs.

        `layer(x_TBE, state)` equals `layer.recur(layer.project(x_TBE), state)`.

        Args:
            gates_TBG: contiguous gates that `project` returned, or rows selected from them. This
                call consumes them: their memory is overwritten.
            state, resets_TB: as in `forward`.

        Returns: (y_TBH, state), as `forward` does.
        Raises: ValueError if the shapes do not fit each other.
        """
        gates_size = len(self.bias_hh)
        if (
            gates_TBG.dim() != 3 or len(gates_TBG) == 0 or gates_TBG.shape[-1] != gates_size
            or not gates_TBG.is_contiguous()
        ):
            raise ValueError(
                f"gates_TBG is {tuple(gates_TBG.shape)}; 3 dimensions are needed, contiguous, the "
                f"first of 1 or more and the last of {gates_size}"
            )
        self._check(gates_TBG.shape[:2], state, resets_TB)
        return self._run(gates_TBG, state, resets_TB)

    def _run(
        self, gates_TBG: Tensor, state: State, resets_TB: Tensor | None
    ) -> tuple[Tensor, State]:
        """Run the recurrence after the shapes have been checked."""
        return run_window(
            self.cell, gates_TBG, self.weight_hh, self.bias_hh, resets_TB, state, self.products
        )

    def _check(
        self, window_shape: tuple[int, ...], state: State, resets_TB: Tensor | None
    ) -> None:
        """Raise ValueError unless the state and the resets fit a window of shape (T, B)."""
        wanted = [(window_shape[1], self.hidden_size)] * CELLS[self.cell].num_states
        given = [tuple(tensor.shape) for tensor in state]
        if given != wanted:
            raise ValueError(f"state is {given}; {wanted} is needed by cell '{self.cell}'")
        if resets_TB is not None and resets_TB.shape != window_shape:
            raise ValueError(
                f"resets_TB is {tuple(resets_TB.shape)}; {tuple(window_shape)} is needed"
            )
