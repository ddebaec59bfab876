"""The cells compiled by numba, the extra `fast`.

The plain operations of PyTorch go over the gates of a step seven times. Here one loop computes
the equations of `cells.py` for each element, and each number is read and written once. A window is
one call during which other threads are free to run; `products.py` says when.

Importing this package imports numba.
"""

from rnnlm_cli.config import CellName
from rnnlm_cli.nn.fused.compiler import has_machine_code
from rnnlm_cli.nn.fused.elman import FusedElman
from rnnlm_cli.nn.fused.gru import FusedGRU
from rnnlm_cli.nn.fused.lstm import FusedLSTM
from rnnlm_cli.nn.recurrence import Recurrence

__all__ = ["FUSED_RECURRENCES", "has_machine_code"]

FUSED_RECURRENCES: dict[CellName, Recurrence] = {
    "elman_tanh": FusedElman(relu=False),
    "elman_relu": FusedElman(relu=True),
    "gru": FusedGRU(),
    "lstm": FusedLSTM(),
}
