"""Dropout (Hinton et al. 2012; in recurrent networks: Zaremba et al. 2014).

Legend: K tokens, E embedding size, C chunks of four columns.
"""

import torch
from torch import Tensor

LEVELS = 1 << 16  # the probability is rounded to a multiple of 1 / LEVELS
NUM_PER_HASH = 4  # 16-bit numbers in a 64-bit hash


def apply_dropout(x: Tensor, probability: float, generator: torch.Generator | None) -> Tensor:
    """Set each element to 0 with this probability, and scale the others to keep the mean.

    Args:
        generator: draws the mask, on the CPU; None means no dropout.
    """
    if probability == 0 or generator is None:
        return x
    kept = torch.rand(x.shape, generator=generator) >= probability
    return x * (kept.to(x.device, x.dtype) / (1 - probability))


def apply_token_dropout(
    x: Tensor, ids: Tensor, probability: float, generator: torch.Generator | None
) -> Tensor:
    """Apply dropout to the embeddings of tokens (Gal & Ghahramani 2016).

    All occurrences of a token in a window share one mask. The mask is a function of the generator
    and of the token id alone: it does not depend on the other tokens, on the size of the window or
    of the batch, or on the device. It is as if a mask were drawn for the whole vocabulary, but
    only the tokens at hand cost work.

    Args:
        x: the embeddings, (..., E).
        ids: the token ids, (...).
        generator: draws the key of the masks, on the CPU; None means no dropout.
    """
    if probability == 0 or generator is None:
        return x
    key = int(torch.randint(1 << 62, (), generator=generator))
    threshold = round(probability * LEVELS)
    kept = hash_tokens(ids, x.shape[-1], key) >= threshold
    return x * (kept.to(x.dtype) * (LEVELS / (LEVELS - threshold)))


def hash_tokens(ids: Tensor, size: int, key: int) -> Tensor:
    """Return pseudorandom 16-bit numbers that depend on the token id, the column and the key.

    The numbers are the 16-bit parts of SplitMix64 (Steele et al. 2014) at the counter
    id * C + chunk + key.

    Args:
        ids: token ids, (...).
        size: the number of columns, E.
        key: below 2**62.
    Returns: (..., E) int64, each from 0 to 65535.
    """
    num_chunks = -(-size // NUM_PER_HASH)
    chunks_C = torch.arange(num_chunks, device=ids.device)
    z = (ids[..., None] * num_chunks + chunks_C + key) * _to_signed(0x9E3779B97F4A7C15)
    z = (z ^ _shift_right(z, 30)) * _to_signed(0xBF58476D1CE4E5B9)
    z = (z ^ _shift_right(z, 27)) * _to_signed(0x94D049BB133111EB)
    z = z ^ _shift_right(z, 31)
    shifts_4 = torch.arange(0, 64, 16, device=ids.device)
    return (z[..., None] >> shifts_4).bitwise_and_(LEVELS - 1).flatten(-2)[..., :size]


def _shift_right(z: Tensor, places: int) -> Tensor:
    """Shift 64-bit numbers to the right, filling with zeros."""
    return (z >> places) & ((1 << (64 - places)) - 1)


def _to_signed(constant: int) -> int:
    """Return the int64 with the same 64 bits; products of int64 wrap around."""
    return constant - (1 << 64)
