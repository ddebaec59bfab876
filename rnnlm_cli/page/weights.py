"""The weights of a page: float16, or int8 with a scale for each row of a matrix, in base64."""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.config import WeightType
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.model_file import to_arrays
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.nn.rounding import round_to_int8


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
        packed: dict[str, Any] = {"shape": list(weight.shape)}
        if weight_type == "int8" and weight.dim() == 2:
            values_NK, scale_N = round_to_int8(weight)
            packed |= {"data": _encode(values_NK, "<i1"), "scales": _encode(scale_N, "<f4")}
        else:
            array = to_arrays({name: weight.float()})[name]
            packed["data"] = (
                _encode(array, "<f4") if weight_type == "int8"
                else _encode(_round_to_float16(name, array), "<f2")
            )
        arrays[name] = packed
    return {"type": weight_type, "arrays": arrays}


def _round_to_float16(name: str, array: NDArray[np.float32]) -> NDArray[np.float16]:
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


def _encode(array: NDArray[Any], dtype: str) -> str:
    """Return the bytes of an array in base64, as numbers of this type."""
    return base64.b64encode(array.astype(dtype).tobytes()).decode("ascii")
