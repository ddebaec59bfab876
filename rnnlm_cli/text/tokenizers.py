"""Tokenizers for text -> token ids at char, byte and word level; `rnnlm_cli.text.bpe` has bpe."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.config import BOUNDARY_ID, UNKNOWN_ID
from rnnlm_cli.text.counting import iter_code_points

BOUNDARY = "\n"
Ids = NDArray[np.integer[Any]]


class Tokenizer(Protocol):
    """Turns text into tokens and token ids."""

    def encode(self, text: str) -> Ids:
        """Return the token ids of a text: BOUNDARY_ID for a newline, UNKNOWN_ID for <unk>."""

    def split(self, text: str) -> list[str]:
        """Return the tokens as the text spells them, one for every id that `encode` returns."""


class CharTokenizer:
    """Treats every character as a token."""

    def __init__(self, tokens: Sequence[str]) -> None:
        points = {ord(token): id_ for id_, token in enumerate(tokens) if id_ != UNKNOWN_ID}
        self._id_of_point = np.full(max(128, max(points) + 1), UNKNOWN_ID, np.int32)
        self._id_of_point[list(points)] = list(points.values())

    def encode(self, text: str) -> Ids:
        pieces = [self._look_up(points) for points in iter_code_points(text)]
        return np.concatenate(pieces) if pieces else np.empty(0, np.int32)

    def split(self, text: str) -> list[str]:
        return list(text)

    def _look_up(self, points: NDArray[np.unsignedinteger]) -> Ids:
        if points.dtype == np.uint8:  # ASCII, which is always inside the table
            ids_N: Ids = self._id_of_point[points]
            return ids_N
        known = points < len(self._id_of_point)
        return np.where(known, self._id_of_point[np.where(known, points, 0)], UNKNOWN_ID)


class ByteTokenizer:
    """Treats every byte of the UTF-8 text as a token."""

    def __init__(self, tokens: Sequence[str]) -> None:
        id_of = {token: id_ for id_, token in enumerate(tokens)}
        self._id_of_byte = np.array([id_of[byte_to_token(value)] for value in range(256)], np.int32)

    def encode(self, text: str) -> Ids:
        raw = np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8)
        ids_N: Ids = self._id_of_byte[raw]
        return ids_N

    def split(self, text: str) -> list[str]:
        return [byte_to_token(value) for value in text.encode("utf-8", "surrogateescape")]


class WordTokenizer:
    """Treats the text between white space as tokens; lines are split at "\\n" only."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._id_of = {token: id_ for id_, token in enumerate(tokens) if id_ != UNKNOWN_ID}

    def encode(self, text: str) -> Ids:
        ids: list[int] = []
        look_up = self._id_of.get
        for line in text.split(BOUNDARY):
            ids += [look_up(word, UNKNOWN_ID) for word in line.split()]
            ids.append(BOUNDARY_ID)
        return np.array(ids[:-1], np.int32)  # the last line has no newline, so no boundary

    def split(self, text: str) -> list[str]:
        words: list[str] = []
        for line in text.split(BOUNDARY):
            words += [*line.split(), BOUNDARY]
        return words[:-1]


def byte_to_token(value: int) -> str:
    """Return a byte as a token; bytes above 127 become lone surrogates (PEP 383)."""
    return bytes([value]).decode("ascii", "surrogateescape")
