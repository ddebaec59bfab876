"""Text -> ids, one class a level. `rnnlm_cli.text.bpe` has another."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.config import BOUNDARY_ID, UNKNOWN_ID
from rnnlm_cli.text.counting import code_points

BOUNDARY = "\n"
Ids = NDArray[np.integer[Any]]


class Coder(Protocol):
    """How a text becomes ids."""

    def encode(self, text: str) -> Ids:
        """The ids of a text, a boundary for every newline and UNKNOWN_ID for what is not known."""

    def split(self, text: str) -> list[str]:
        """The tokens of a text as it writes them, one for every id that `encode` gives."""


class CharCoder:
    """Every character is a token."""

    def __init__(self, tokens: Sequence[str]) -> None:
        points = {ord(token): id_ for id_, token in enumerate(tokens) if id_ != UNKNOWN_ID}
        self._id_of_point = np.full(max(128, max(points) + 1), UNKNOWN_ID, np.int32)
        self._id_of_point[list(points)] = list(points.values())

    def encode(self, text: str) -> Ids:
        pieces = [self._look_up(points) for points in code_points(text)]
        return np.concatenate(pieces) if pieces else np.empty(0, np.int32)

    def split(self, text: str) -> list[str]:
        return list(text)

    def _look_up(self, points: NDArray[np.unsignedinteger]) -> Ids:
        if points.dtype == np.uint8:  # always inside the table
            ids_N: Ids = self._id_of_point[points]
            return ids_N
        known = points < len(self._id_of_point)
        return np.where(known, self._id_of_point[np.where(known, points, 0)], UNKNOWN_ID)


class ByteCoder:
    """Every byte of the UTF-8 text is a token."""

    def __init__(self, tokens: Sequence[str]) -> None:
        id_of = {token: id_ for id_, token in enumerate(tokens)}
        self._id_of_byte = np.array([id_of[byte_token(value)] for value in range(256)], np.int32)

    def encode(self, text: str) -> Ids:
        raw = np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8)
        ids_N: Ids = self._id_of_byte[raw]
        return ids_N

    def split(self, text: str) -> list[str]:
        return [byte_token(value) for value in text.encode("utf-8", "surrogateescape")]


class WordCoder:
    """What stands between white space is a token; lines are split at "\\n" only."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._id_of = {token: id_ for id_, token in enumerate(tokens) if id_ != UNKNOWN_ID}

    def encode(self, text: str) -> Ids:
        ids: list[int] = []
        look_up = self._id_of.get
        for line in text.split(BOUNDARY):
            ids += [look_up(word, UNKNOWN_ID) for word in line.split()]
            ids.append(BOUNDARY_ID)
        return np.array(ids[:-1], np.int32)  # as many boundaries as newlines, one fewer than lines

    def split(self, text: str) -> list[str]:
        words: list[str] = []
        for line in text.split(BOUNDARY):
            words += [*line.split(), BOUNDARY]
        return words[:-1]


def byte_token(value: int) -> str:
    """A byte as a token: those above 127 are lone surrogates (PEP 383)."""
    return bytes([value]).decode("ascii", "surrogateescape")
