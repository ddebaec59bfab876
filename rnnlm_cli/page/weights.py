"""The weights of a page: float16, or int8 with a scale for each row of a matrix, in base64.

Legend: R rows and C columns of a matrix.
"""

import base64
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnnlm_cli.config import WeightType
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.model_file import to_arrays
from rnnlm_cli.nn.network import RecurrentNetwork

MAX_INT8 = 127

Array = NDArray[np.floating[Any]]


def round_weights(network: RecurrentNetwork, weight_type: WeightType) -> RecurrentNetwork:
    """Return a network with the weights that the page has, as floating-point numbers.

    It is the same model as that of the page: the page decodes the same numbers.

    Raises: ConfigError if float16 cannot hold a weight.
    """
    rounded = {}
    for name, weight in network.state_dict().items():
        array = _to_float32(weight)
        if weight_type == "float16":
            array = _round_to_float16(name, array).astype(np.float32)
        elif array.ndim == 2:
            values_RC, scale_R = _round_to_int8(array)
            array = values_RC * scale_R[:, None]
        rounded[name] = torch.from_numpy(array).to(weight.dtype)
    return network.with_weights(rounded)


def pack_weights(network: RecurrentNetwork, weight_type: WeightType) -> dict[str, Any]:
    """Return the weights as plain data of JSON.

    type     "float16" or "int8"
    arrays   for each name of `state_dict`
        shape    the sizes
        data     little-endian numbers in base64, row by row: float16; or int8 for a matrix and
                 float32 for a bias
        scales   float32 in base64, for a matrix of int8: the weights of a row are its numbers
                 times its scale

    Raises: ConfigError if float16 cannot hold a weight.
    """
    arrays = {}
    for name, weight in network.state_dict().items():
        array = _to_float32(weight)
        packed: dict[str, Any] = {"shape": list(array.shape)}
        if weight_type == "float16":
            packed["data"] = _encode(_round_to_float16(name, array), "<f2")
        elif array.ndim == 2:
            values_RC, scale_R = _round_to_int8(array)
            packed |= {"data": _encode(values_RC, "<i1"), "scales": _encode(scale_R, "<f4")}
        else:
            packed["data"] = _encode(array, "<f4")
        arrays[name] = packed
    return {"type": weight_type, "arrays": arrays}


def _to_float32(weight: torch.Tensor) -> NDArray[np.float32]:
    return to_arrays({"": weight.float()})[""]


def _round_to_float16(name: str, array: Array) -> NDArray[np.float16]:
    """Round weights. Raises: ConfigError if one is too large."""
    with np.errstate(over="ignore"):  # which gives infinity
        rounded = array.astype(np.float16)
    if not np.isfinite(rounded).all():
        raise ConfigError(
            f"--weights: float16 given; it holds numbers up to {np.finfo(np.float16).max:,.0f}, "
            f"and the model has a weight of {np.abs(array).max():,.6g} in {name}. "
            "Choose --weights int8"
        )
    return rounded


def _round_to_int8(matrix_RC: Array) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return whole numbers from -127 to 127 and the scale of each row, (R, C) and (R,)."""
    scale_R = (np.abs(matrix_RC).max(axis=1) / MAX_INT8).astype(np.float32)
    divisor_R = np.where(scale_R > 0, scale_R, np.float32(1))  # a row of zeros stays zero
    values_RC = np.rint(matrix_RC / divisor_R[:, None])
    return np.clip(values_RC, -MAX_INT8, MAX_INT8).astype(np.int8), scale_R


def _encode(array: NDArray[Any], dtype: str) -> str:
    """Return the bytes of an array in base64, as numbers of this type."""
    return base64.b64encode(array.astype(dtype).tobytes()).decode("ascii")
