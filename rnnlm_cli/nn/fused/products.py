"""The products of a compiled window: of BLAS without the interpreter, or of any library with it.

The functions that run a window are compiled, and each also has its Python code, `py_func`. The
compiled ones call BLAS, so a whole window is one call during which other threads are free to run.
Where another library or another precision multiplies, the interpreter runs the same lines.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from numba.extending import overload
from torch import Tensor
from torch.nn.functional import pad

from rnnlm_cli.nn.fused.compiler import SGEMM_ADDRESS, Array, sgemm
from rnnlm_cli.nn.matmul import Library, Products

# Rows of 1024 numbers would all begin at the same place of a cache, and displace each other there.
NUM_UNUSED_COLUMNS = 16


def bind(
    run_window: Callable[..., None], products: Products, weight_NK: Tensor, like_TBG: Tensor
) -> Callable[..., None]:
    """Return a function that runs a window, with its products x W^T and its W filled in."""
    matmul = products.repeat(weight_NK, batch_size=like_TBG.shape[1], num_uses=len(like_TBG))
    is_plain = matmul.library is Library.TORCH and matmul.dtype == torch.float32
    if is_plain and SGEMM_ADDRESS is not None:
        return partial(run_window, pad(matmul.weight_KN, (0, NUM_UNUSED_COLUMNS)).numpy())
    interpreted: Callable[..., None] = run_window.py_func  # type: ignore[attr-defined]
    return partial(interpreted, matmul)


def multiply(weight: Any, x_BK: Array, out_BN: Array, add: bool) -> None:
    """Compute x W^T into `out`, or add it to `out`.

    Args:
        weight: in an interpreted window, a RepeatedMatmul, which computes the product; in a
            compiled one, the transposed matrix W^T, which BLAS multiplies.
    """
    x, out = torch.from_numpy(x_BK), torch.from_numpy(out_BN)
    if add:
        weight.add_to(out, x)
    else:
        weight(x, out)


@overload(multiply)  # type: ignore[untyped-decorator]
def _compile_multiply(weight: Any, x_BK: Any, out_BN: Any, add: Any) -> Any:
    """Return what `multiply` is in compiled code."""

    def multiply_by_blas(weight: Any, x_BK: Any, out_BN: Any, add: Any) -> None:
        sgemm(weight, x_BK, out_BN, add)

    return multiply_by_blas
