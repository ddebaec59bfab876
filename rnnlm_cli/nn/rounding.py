"""Weights rounded to int8, with a scale for each row of a matrix. Legend: N rows, K columns."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MAX_INT8 = torch.iinfo(torch.int8).max
MIN_MAGNITUDE = 1e-30  # rows of smaller weights become zeros, because their scale could underflow


def round_to_int8(weight_NK: Tensor) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round a matrix to int8 with a scale for each row.

    Returns: (values from -127 to 127 (N, K), scales (N,)). A weight and scale * value differ by at
        most scale / 2.
    """
    weight_NK = weight_NK.detach().cpu().float()
    magnitude_N = weight_NK.abs().amax(dim=1)
    scale_N = torch.where(magnitude_N < MIN_MAGNITUDE, 1, magnitude_N / MAX_INT8)
    values_NK = (weight_NK / scale_N[:, None]).round().to(torch.int8)
    return values_NK.numpy(), scale_N.numpy()
