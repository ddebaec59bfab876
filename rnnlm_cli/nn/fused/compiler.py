"""Functions compiled by numba, and BLAS for them.

A compiled function does not hold the lock of the interpreter. Its machine code is kept on disk.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from llvmlite import binding
from numba.core import types
from numpy.typing import NDArray

from rnnlm_cli.nn.fused.code_cache import find_folder, keep_code
from rnnlm_cli.nn.kernels import find_sgemm

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Function = TypeVar("Function", bound=Callable[..., Any])

# numba vectorises a loop under three conditions: errors in arithmetic follow numpy's rules, the
# loop runs over one-dimensional arrays, and it calls no function of the C library. The flags let
# it reorder sums and divisions; NaN and infinity keep their meaning.
OPTIONS = {
    "nogil": True, "error_model": "numpy", "fastmath": {"contract", "arcp", "nsz", "reassoc"},
}


_CODE_FOLDER = find_folder()


def has_machine_code() -> bool:
    """Return whether an earlier process has compiled something, and it was kept."""
    return _CODE_FOLDER is not None and any(_CODE_FOLDER.iterdir())


def compiled(function: Function) -> Function:
    """Compile a function when it is first called, or take its machine code from the disk."""
    dispatcher = numba.njit(**OPTIONS)(function)
    if _CODE_FOLDER is not None:
        keep_code(dispatcher, _CODE_FOLDER)
    return cast(Function, dispatcher)


# BLAS as PyTorch brings it; without it, the name stands for nothing and is never called. It is
# resolved when compiled code is loaded, so that the code on disk holds no address.
SGEMM_ADDRESS = find_sgemm()
if SGEMM_ADDRESS is not None:
    binding.add_symbol("rnnlm_sgemm", SGEMM_ADDRESS)
_types: Any = types
_BYTES, _INTS, _FLOATS = (
    _types.CPointer(each) for each in (types.uint8, types.int32, types.float32)
)
_sgemm: Any = _types.ExternalFunction("rnnlm_sgemm", types.void(
    _BYTES, _BYTES, _INTS, _INTS, _INTS, _FLOATS, _FLOATS, _INTS, _FLOATS, _INTS, _FLOATS,
    _FLOATS, _INTS,
))


@compiled
def sgemm(weight_KN: Array, x_BK: Array, out_BN: Array, add: bool) -> None:
    """Compute x W into `out`, or add it to `out`, by BLAS. All arrays are contiguous.

    W may have more columns than `out`; they are not used.
    """
    # BLAS counts columns first, so it computes the transposed product: out^T = W^T x^T.
    transposed = np.full(1, 78, np.uint8)  # the letter N: the arrays are taken as they are
    sizes = np.array([out_BN.shape[1], len(x_BK), len(weight_KN), weight_KN.shape[1]], np.int32)
    factors = np.array([1.0, 1.0 if add else 0.0], np.float32)
    n, m, k, width = sizes[0:], sizes[1:], sizes[2:], sizes[3:]
    one, beta = factors[0:], factors[1:]
    _sgemm(
        transposed.ctypes, transposed.ctypes, n.ctypes, m.ctypes, k.ctypes, one.ctypes,
        weight_KN.ctypes, width.ctypes, x_BK.ctypes, k.ctypes, beta.ctypes, out_BN.ctypes, n.ctypes,
    )
