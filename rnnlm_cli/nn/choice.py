"""The choice between the plain recurrences and those that numba compiles.

It depends on shapes and types, and on whether numba is there, never on a timing.
"""

from functools import cache
from types import ModuleType

import torch
from torch import Tensor

from rnnlm_cli.config import CellName
from rnnlm_cli.nn.matmul import describe_libraries
from rnnlm_cli.nn.recurrence import RECURRENCES, Recurrence

# Elements of the gates of a window. Loading numba takes 0.3 s, which one short sentence would not
# gain back.
MIN_FUSED_SIZE = 1 << 16


def choose_recurrence(cell: CellName, gates_TBG: Tensor) -> Recurrence:
    """Return the recurrence for the gates of a window."""
    if (
        gates_TBG.numel() >= MIN_FUSED_SIZE and gates_TBG.dtype == torch.float32
        and gates_TBG.device.type == "cpu"
    ):
        fused = load_fused()
        if fused is not None:
            recurrence: Recurrence = fused.FUSED_RECURRENCES[cell]
            return recurrence
    return RECURRENCES[cell]


@cache
def load_fused() -> ModuleType | None:
    """Import the recurrences that numba compiles; return None without numba."""
    try:
        from rnnlm_cli.nn import fused
    except ImportError:
        return None
    return fused


def must_compile() -> bool:
    """Return whether the first large window will take some seconds, to compile its cell."""
    fused = load_fused()
    return fused is not None and not fused.has_machine_code()


def describe_kernels(device: torch.device) -> dict[str, str]:
    """Say what computes products and pointwise operations; the last digits depend on it."""
    if device.type != "cpu":
        return {"products": "PyTorch", "pointwise": "PyTorch"}
    pointwise = "PyTorch"
    if load_fused() is not None:
        import numba

        pointwise = f"numba {numba.__version__}"
    return {"products": describe_libraries(), "pointwise": pointwise}
