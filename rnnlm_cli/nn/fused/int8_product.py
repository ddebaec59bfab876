"""Products of an int8 matrix and a vector, for the steps of one sample.

Each row of a matrix has a scale: w is about scale * value, with values from -127 to 127. The
vector is rounded to int16 with one scale, so that the sums are exact integers.

Importing this module imports numba.

Legend: L matrices, N rows, K columns.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray
from torch import Tensor

from rnnlm_cli.nn.fused.compiler import Array, compiled
from rnnlm_cli.nn.fused.pointwise import ZERO
from rnnlm_cli.nn.rounding import round_to_int8

Bytes = NDArray[np.int8]
Words = NDArray[np.int16]
# Matrices of one shape: the values (L, N, K), their scales (L, N), and biases (L, N). The rows of
# the values are padded with zeros, so that K is a multiple of BLOCK.
Matrices = tuple[Bytes, Array, Array]

# Compiled code takes no constant from another package: see `code_cache.find_folder`.
MAX_INT8, MAX_INT16, MAX_INT32 = 127, (1 << 15) - 1, (1 << 31) - 1
NUM_LANES, NUM_SUMS = 32, 2  # numbers in a vector, and vectors in a block
BLOCK = NUM_LANES * NUM_SUMS

# The bits of a float32 without its sign, read as integers, have the order of the magnitudes.
MAGNITUDE, INFINITY = np.int32(0x7FFFFFFF), np.int32(0x7F800000)
MIN_MAGNITUDE = 1e-30  # smaller vectors are rounded to 0, because limit / x could overflow


def pack(weights: Sequence[Tensor], biases: Sequence[Tensor], shape: tuple[int, ...]) -> Matrices:
    """Round matrices of one shape, (N, K), and put them into one array."""
    num_rows, num_columns = shape
    padded_size = -(-num_columns // BLOCK) * BLOCK
    # PyTorch's memory begins at a line of the cache; a vector across two lines costs two loads.
    values_LNK = torch.zeros(len(weights), num_rows, padded_size, dtype=torch.int8).numpy()
    scale_LN, bias_LN = (np.zeros((len(weights), num_rows), np.float32) for _ in range(2))
    for index, (weight_NK, bias_N) in enumerate(zip(weights, biases, strict=True)):
        values_LNK[index, :, :num_columns], scale_LN[index] = round_to_int8(weight_NK)
        bias_LN[index] = bias_N.detach()
    return values_LNK, scale_LN, bias_LN


def allocate_rounded(matrices: Matrices) -> Words:
    """Return the memory that `multiply` needs for a rounded vector."""
    return torch.zeros(matrices[0].shape[2], dtype=torch.int16).numpy()


@intrinsic  # type: ignore[untyped-decorator]
def _dot(typing_context: Any, weight_K: Any, x_K: Any) -> Any:
    """The dot product of int8 and int16 vectors, in int32. K is a multiple of BLOCK.

    LLVM would compile a loop over K to vectors of half the size that the processor has, which
    takes 1.7 times as long (AMD Zen 4). So this function writes the instructions for LLVM itself.
    They are those of no particular processor. LLVM turns the sums of neighbouring products into
    vpdpwssd or vpmaddwd, if the processor has one of them.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays = [
            context.make_array(kind)(context, builder, argument)
            for kind, argument in zip(signature.args, arguments, strict=True)
        ]
        size = cgutils.unpack_tuple(builder, arrays[0].shape)[0]
        zeros = ir.Constant(_vector(NUM_LANES // 2, 32), None)
        sums = [cgutils.alloca_once_value(builder, zeros) for _ in range(NUM_SUMS)]
        with cgutils.for_range_slice(
            builder, size.type(0), size, size.type(BLOCK), size.type
        ) as (start, _):
            for index, total in enumerate(sums):
                place = builder.add(start, size.type(index * NUM_LANES))
                weight, x = (_load(builder, array, place) for array in arrays)
                pairs = _add_neighbours(builder, builder.mul(weight, x))
                builder.store(builder.add(builder.load(total), pairs), total)
        total = reduce(builder.add, [builder.load(each) for each in sums])
        while total.type.count > 1:
            total = _add_neighbours(builder, total)
        return builder.extract_element(total, ir.IntType(32)(0))

    return types.int32(weight_K, x_K), generate


def _vector(count: int, bits: int) -> Any:
    """Return LLVM's type of a vector of integers."""
    return ir.VectorType(ir.IntType(bits), count)


def _load(builder: Any, array: Any, place: Any) -> Any:
    """Write the instructions that load NUM_LANES numbers of an array, widened to int32."""
    pointer = builder.gep(array.data, [place], inbounds=True)
    bits = pointer.type.pointee.width
    pointer = builder.bitcast(pointer, _vector(NUM_LANES, bits).as_pointer())
    return builder.sext(builder.load(pointer, align=bits // 8), _vector(NUM_LANES, 32))


def _add_neighbours(builder: Any, vector: Any) -> Any:
    """Write the instructions that add the elements 0 and 1, 2 and 3, ... of a vector."""
    count = vector.type.count
    even, odd = (
        builder.shuffle_vector(
            vector, vector, ir.Constant(_vector(count // 2, 32), list(range(first, count, 2)))
        )
        for first in (0, 1)
    )
    return builder.add(even, odd)


@compiled
def _round_to_int16(x: Array, limit: int, rounded_K: Words) -> Any:
    """Round x / scale, where the scale maps the largest magnitude to the limit.

    Returns: the scale. It is NaN if x holds an infinity or NaN, so that the product is NaN too.
    """
    bits = x.view(np.int32)
    largest = np.int32(0)
    for j in range(len(bits)):
        largest = np.int32(max(largest, bits[j] & MAGNITUDE))
    if largest >= INFINITY:
        return np.float32(np.nan)
    magnitude = np.int32(largest).view(np.float32)
    if magnitude < MIN_MAGNITUDE:
        return ZERO
    factor = np.float32(limit) / magnitude
    for j in range(len(x)):
        rounded_K[j] = np.int16(np.rint(x[j] * factor))
    return magnitude / np.float32(limit)


@compiled
def multiply(
    matrices: Matrices, index: int, x: Array, start_N: Array, rounded_K: Words, out_N: Array
) -> None:
    """Compute start + W x into `out`, where W is one of the matrices.

    Args:
        rounded_K: memory for the rounded x. What lies behind the rounded x is multiplied by the
            zeros with which W is padded.
    """
    values_NK, scale_N = matrices[0][index], matrices[1][index]
    limit = min(MAX_INT16, MAX_INT32 // (MAX_INT8 * values_NK.shape[1]))  # sums fit into int32
    x_scale = _round_to_int16(x, limit, rounded_K)
    for row in range(len(out_N)):
        total = np.float32(_dot(values_NK[row], rounded_K))
        out_N[row] = start_N[row] + total * (scale_N[row] * x_scale)
