"""Counts of the tokens of a text, in memory that does not grow with the text."""

import heapq
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import IO

import numpy as np
from numpy.typing import NDArray

MAX_WORDS_IN_MEMORY = 1 << 20  # distinct words
PIECE_CHARACTERS = 1 << 20


def count_characters(chunks: Iterable[str]) -> Counter[str]:
    """Count the occurrences of each character."""
    totals = np.zeros(128, np.int64)
    for chunk in chunks:
        for points in iter_code_points(chunk):
            counts = np.bincount(points)
            if len(counts) > len(totals):
                totals = np.pad(totals, (0, len(counts) - len(totals)))
            totals[: len(counts)] += counts
    return Counter({chr(point): int(totals[point]) for point in np.flatnonzero(totals)})


def iter_code_points(text: str) -> Iterator[NDArray[np.unsignedinteger]]:
    """Yield the code points of a text in pieces."""
    for begin in range(0, len(text), PIECE_CHARACTERS):
        piece = text[begin : begin + PIECE_CHARACTERS]
        if piece.isascii():
            yield np.frombuffer(piece.encode("ascii"), np.uint8)
        else:
            # Command-line arguments that are not UTF-8 contain lone surrogates.
            yield np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), np.uint32)


class WordCounter:
    """Counts words, and moves the counts to a sorted file when there are too many distinct words.

    `iter_counts` merges these files, so that every word occurs once, with its total count.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._files: list[IO[str]] = []

    def add(self, words: Iterable[str]) -> None:
        """Count some words."""
        self._counts.update(words)
        if len(self._counts) > MAX_WORDS_IN_MEMORY:
            self._spill()

    def iter_counts(self) -> Iterator[tuple[str, int]]:
        """Yield every word with its count, in no particular order. Call this once, at the end."""
        if not self._files:
            yield from self._counts.items()
            return
        self._spill()
        merged = heapq.merge(*map(_read_counts, self._files))
        for word, same in groupby(merged, key=itemgetter(0)):
            yield word, sum(count for _, count in same)
        for file in self._files:
            file.close()

    def _spill(self) -> None:
        """Move the counts from memory to a new file."""
        file = tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogatepass", newline="\n")
        file.writelines(f"{word} {self._counts[word]}\n" for word in sorted(self._counts))
        file.seek(0)
        self._files.append(file)
        self._counts = Counter()


def _read_counts(file: IO[str]) -> Iterator[tuple[str, int]]:
    for line in file:  # words contain no white space, so the one space precedes the count
        word, count = line.split(" ")
        yield word, int(count)
