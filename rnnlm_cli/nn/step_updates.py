"""The choice between PyTorch's operations and a compiled function for the states of many rows.

It depends on sizes and types, and on whether numba is there, never on a timing.

Legend: B rows, H hidden size, G = (number of gates) * H.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from rnnlm_cli.nn.choice import load_fused
from rnnlm_cli.nn.step_gates import Part

# Elements of the state of a layer. Loading numba takes 0.3 s, which few tokens by a small network
# would not gain back.
MIN_COMPILED_SIZE = 1 << 14

Update = Callable[[], None]


def make_gru_update(x_BG: Tensor, gates_BG: Tensor, hidden_part: Part) -> Update | None:
    """Return a function that updates h from the gates, or None to use PyTorch's operations.

    Args:
        x_BG, gates_BG: the memory of the gates from x, and of those from h.
        hidden_part: h, as a part of a contiguous matrix.
    """
    if not _is_worth_it(hidden_part.values):
        return None
    from rnnlm_cli.nn.fused.row_updates import update_gru_rows

    return partial(
        update_gru_rows, x_BG.numpy(), gates_BG.numpy(), hidden_part.whole.numpy(),
        hidden_part.begin, hidden_part.size,
    )


def make_lstm_update(gates_BG: Tensor, hidden_part: Part, memory_BH: Tensor) -> Update | None:
    """Return a function that updates h and c from the gates; see `make_gru_update`."""
    if not _is_worth_it(hidden_part.values):
        return None
    from rnnlm_cli.nn.fused.row_updates import update_lstm_rows

    return partial(
        update_lstm_rows, gates_BG.numpy(), hidden_part.whole.numpy(), hidden_part.begin,
        hidden_part.size, memory_BH.numpy(),
    )


def _is_worth_it(hidden: Tensor) -> bool:
    """Return whether to load the compiled functions for a hidden state, (B, H)."""
    return (
        hidden.dim() == 2 and hidden.numel() >= MIN_COMPILED_SIZE
        and hidden.dtype == torch.float32 and hidden.device.type == "cpu"
        and load_fused() is not None
    )
