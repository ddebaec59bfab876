"""Counts of a text's tokens, in memory that does not grow with the text."""

import heapq
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import IO

import numpy as np
from numpy.typing import NDArray

MAX_WORDS_IN_MEMORY = 1 << 20  # different words in memory
PIECE_CHARACTERS = 1 << 20


def count_characters(chunks: Iterable[str]) -> Counter[str]:
    """How often each character occurs."""
    totals = np.zeros(128, np.int64)
    for chunk in chunks:
        for points in code_points(chunk):
            counts = np.bincount(points)
            if len(counts) > len(totals):
                totals = np.pad(totals, (0, len(counts) - len(totals)))
            totals[: len(counts)] += counts
    return Counter({chr(point): int(totals[point]) for point in np.flatnonzero(totals)})


def code_points(text: str) -> Iterator[NDArray[np.unsignedinteger]]:
    """The code points of a text, piece by piece."""
    for begin in range(0, len(text), PIECE_CHARACTERS):
        piece = text[begin : begin + PIECE_CHARACTERS]
        if piece.isascii():
            yield np.frombuffer(piece.encode("ascii"), np.uint8)
        else:  # "surrogatepass": arguments of the command line may hold bytes that were no UTF-8
            yield np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), np.uint32)


class WordCounter:
    """Counts words. When too many different ones have come, their counts go to a file, sorted.

    `counts` then merges the files, so that every word comes once, with its whole count.
    """

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()
        self._files: list[IO[str]] = []

    def add(self, words: Iterable[str]) -> None:
        """Count some words."""
        self._held.update(words)
        if len(self._held) > MAX_WORDS_IN_MEMORY:
            self._put_away()

    def counts(self) -> Iterator[tuple[str, int]]:
        """Every word with its count; in no order to rely on. To be called once, at the end."""
        if not self._files:
            yield from self._held.items()
            return
        self._put_away()
        merged = heapq.merge(*map(_read_counts, self._files))
        for word, same in groupby(merged, key=itemgetter(0)):
            yield word, sum(count for _, count in same)
        for file in self._files:
            file.close()

    def _put_away(self) -> None:
        file = tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogatepass", newline="\n")
        file.writelines(f"{word} {self._held[word]}\n" for word in sorted(self._held))
        file.seek(0)
        self._files.append(file)
        self._held = Counter()


def _read_counts(file: IO[str]) -> Iterator[tuple[str, int]]:
    for line in file:  # words hold no white space, so the space before the count is the only one
        word, count = line.split(" ")
        yield word, int(count)
