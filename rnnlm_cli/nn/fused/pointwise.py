"""Functions that the compiled cells share: tanh and sigmoid, and the resets of the state.

Legend: T time, B batch, H hidden size. All arrays are contiguous.
"""

from typing import Any

import numpy as np

from rnnlm_cli.nn.fused.compiler import Array, Mask, compiled

LIMIT = np.float32(7.90531110763549805)  # tanh(x) is 1 beyond it, in float32
ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
# tanh(x) = x P(x^2) / Q(x^2); the coefficients are those of the library Eigen.
P0, P1, P2 = np.float32(4.89352455891786e-3), np.float32(6.37261928875436e-4), np.float32(
    1.48572235717979e-5)
P3, P4, P5 = np.float32(5.12229709037114e-8), np.float32(-8.60467152213735e-11), np.float32(
    2.00018790482477e-13)
P6 = np.float32(-2.76076847742355e-16)
Q0, Q1, Q2 = np.float32(4.89352518554385e-3), np.float32(2.26843463243900e-3), np.float32(
    1.18534705686654e-4)
Q3 = np.float32(1.19825839466702e-6)


@compiled
def tanh(x: Any) -> Any:
    """Return tanh(x), to about four units in the last place. NaN stays NaN."""
    x = LIMIT if x > LIMIT else x
    x = -LIMIT if x < -LIMIT else x
    q = x * x
    p = ((((((P6 * q + P5) * q + P4) * q + P3) * q + P2) * q + P1) * q + P0) * x
    return p / (((Q3 * q + Q2) * q + Q1) * q + Q0)


@compiled
def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x)), to about 2e-7."""
    return HALF + HALF * tanh(HALF * x)


@compiled
def clear(tensor_BH: Array, resets_TB: Mask, t: int) -> None:
    """Set the rows that are reset before step t to zero. Without resets, resets_TB is empty."""
    if resets_TB.shape[0] > 0:
        for row in range(tensor_BH.shape[0]):
            if resets_TB[t, row]:
                tensor_BH[row, :] = 0


@compiled
def keep(tensor_BH: Array, resets_TB: Mask, t: int, work_BH: Array) -> Array:
    """Return the tensor with zeros in the rows that are reset before step t.

    The tensor itself is not changed: if there are such rows, the result is in `work`.
    """
    if resets_TB.shape[0] == 0 or not resets_TB[t].any():
        return tensor_BH
    work_BH[:, :] = tensor_BH
    clear(work_BH, resets_TB, t)
    return work_BH
