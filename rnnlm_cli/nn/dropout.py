"""Dropout (Hinton et al. 2012; in recurrent networks: Zaremba et al. 2014).

Legend: T time, B batch, H hidden size, E embedding size, C chunks of four columns.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rnnlm_cli.nn.randomness import make_generator

LEVELS = 1 << 16  # the probability is rounded to a multiple of 1 / LEVELS
NUM_PER_HASH = 4  # 16-bit numbers in a 64-bit hash


@dataclass(frozen=True)
class DropoutSource:
    """The randomness of the dropout of one window.

    The mask of a row is a function of (seed, window, place, row), and the mask of a token one of
    (seed, window, token id). So the masks do not depend on how many threads share the window, nor
    on the device.

    Args:
        seed: the seed of the run.
        number: the number of the window in the run.
        first_row: the number of the first row that is at hand, in the whole batch.
    """

    seed: int
    number: int
    first_row: int = 0

    def draw_token_key(self) -> int:
        """Return the key of the masks of all tokens."""
        return int(torch.randint(1 << 62, (), generator=self._make_generator("dropout")))

    def draw_uniform(self, place: int, shape: tuple[int, ...]) -> Tensor:
        """Draw uniform numbers from 0 to 1, on the CPU.

        Args:
            place: the number of the layer after which the mask applies.
            shape: (T, B, H).
        """
        length, num_rows, size = shape
        rows = [
            torch.rand(
                length, size, dtype=torch.float32,
                generator=self._make_generator(f"dropout/{place}/{self.first_row + row}"),
            )
            for row in range(num_rows)
        ]
        return torch.stack(rows, dim=1)

    def _make_generator(self, purpose: str) -> torch.Generator:
        return make_generator(self.seed, purpose, self.number)


def apply_dropout(
    x_TBH: Tensor, probability: float, source: DropoutSource | None, place: int
) -> Tensor:
    """Set each element to 0 with this probability, and scale the others to keep the mean.

    Args:
        source: draws the mask; None means no dropout.
        place: the number of the layer that computed x.
    """
    if probability == 0 or source is None:
        return x_TBH
    kept = source.draw_uniform(place, tuple(x_TBH.shape)) >= probability
    return x_TBH * (kept.to(x_TBH.device, x_TBH.dtype) / (1 - probability))


def apply_token_dropout(
    x: Tensor, ids: Tensor, probability: float, source: DropoutSource | None
) -> Tensor:
    """Apply dropout to the embeddings of tokens (Gal & Ghahramani 2016).

    All occurrences of a token in a window share one mask. The mask is a function of the source's
    key and of the token id alone: it does not depend on the other tokens, on the size of the
    window or of the batch, or on the device. It is as if a mask were drawn for the whole
    vocabulary, but only the tokens at hand cost work.

    Args:
        x: the embeddings, (..., E).
        ids: the token ids, (...).
        source: draws the key of the masks; None means no dropout.
    """
    if probability == 0 or source is None:
        return x
    threshold = round(probability * LEVELS)
    kept = hash_tokens(ids, x.shape[-1], source.draw_token_key()) >= threshold
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
