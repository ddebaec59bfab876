"""Novelty of generated text: how much of it occurs verbatim in the training text.

The samples are small and the training text may be larger than the memory. So the samples are
indexed, and the training text passes by in blocks that overlap by the length of the longest sample.
A run is a substring of a sample that occurs in the training text. In each block, only runs are
searched that are longer than the longest known run of their sample, or as long and earlier in it.
If a run of some length occurs in a block, its shorter parts do too, so the length is found by
bisection. One test compares the hashes of all substrings of that length. An equal hash is only a
hint: the substring itself is then looked for, so the result is exact.

Legend: N characters of a text, H hashes, K positions.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Positions = NDArray[np.intp]

BLOCK_CHARACTERS = 1 << 20  # of the training text, searched at once
NGRAM_SIZE = 4  # words
HASH_BASE = 0x9E3779B97F4A7C15  # 5 modulo 8, so that its powers repeat as late as possible
HASH_BITS = 64
SLOTS_PER_HASH = 8  # so that at most 1/8 of the hashes that are not in a set need a search
MAX_HASH_SETS = 8  # kept at once for one block; a set takes up to 30 MB


@dataclass(frozen=True)
class Novelty:
    """The novelty of a sample.

    Args:
        num_run_characters: the length of the longest run, which occurs in the training text.
        run: the longest run; of several, the one that comes first in the sample.
        new_4gram_share: the share of the sample's word 4-grams that are not in the training text,
            each occurrence counted; None if the sample has fewer than 4 words.
        known_word_share: the share of the sample's words that are words of the training text, each
            occurrence counted; None if the sample has no words.
    """

    num_run_characters: int
    run: str
    new_4gram_share: float | None
    known_word_share: float | None


def measure_novelty(samples: Sequence[str], chunks: Iterable[str]) -> list[Novelty]:
    """Compare samples with a training text. The results are exact.

    Args:
        chunks: the training text, read once. Chunks may end anywhere, also within words.
    Returns: the novelty of each sample.
    Note: words are separated by white space of any kind, so word 4-grams cross line breaks. The
        memory does not depend on the length of the training text.
    """
    runs, words = _RunSearch(samples), _WordSearch(samples)
    for block in _iter_blocks(chunks, runs.block_size):
        runs.read(block)
        words.read(block)
    words.finish()
    return [
        Novelty(run.length, run.text, *words.compute_shares(sample))
        for run, sample in zip(runs.longest, samples, strict=True)
    ]


def _iter_blocks(chunks: Iterable[str], block_size: int) -> Iterator[str]:
    """Re-chunk a text into blocks of one size; the last one may be shorter."""
    pieces: list[str] = []
    num_characters = 0
    for chunk in chunks:
        pieces.append(chunk)
        num_characters += len(chunk)
        if num_characters >= block_size:
            text = "".join(pieces)
            num_left = num_characters % block_size
            for begin in range(0, num_characters - num_left, block_size):
                yield text[begin : begin + block_size]
            pieces, num_characters = [text[len(text) - num_left :]], num_left
    if num_characters:
        yield "".join(pieces)


class _HashedText:
    """A text, and the hashes of its substrings (Karp and Rabin 1987).

        hash(begin, length) = B^M * sum over j < length of text[begin + j] * B^j  modulo 2^64

    Args:
        powers_M: B^0, B^1, ..., B^M with M >= the length of the text, the same for all texts.
    """

    def __init__(self, text: str, powers_M: Hashes) -> None:
        self.text = text
        # surrogatepass: at byte level, bytes that are not UTF-8 are lone surrogates.
        codes_N = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))
        self._sums_N = np.zeros(len(text) + 1, np.uint64)
        np.cumsum(codes_N * powers_M[: len(text)], out=self._sums_N[1:])
        self._reverse_powers_M = powers_M[::-1]

    def hash_all(self, length: int, stop: int | None = None) -> Hashes:
        """Return the hashes of the substrings of a length that begin before `stop`."""
        count = max(len(self._sums_N) - length, 0)
        count = count if stop is None else min(count, stop)
        sums_K = self._sums_N[length : length + count] - self._sums_N[:count]
        sums_K *= self._reverse_powers_M[:count]
        return sums_K

    def hash_at(self, begins_K: Positions, length: int) -> Hashes:
        """Return the hashes of the substrings of a length that begin at some positions.

        Positions where less text is left are omitted.
        """
        begins_K = begins_K[: np.searchsorted(begins_K, len(self._sums_N) - length)]
        sums_K = self._sums_N[begins_K + length] - self._sums_N[begins_K]
        sums_K *= self._reverse_powers_M[begins_K]
        return sums_K


class _HashSet:
    """A set of hashes, with a table that rules most other hashes out in one look-up."""

    def __init__(self, hashes_H: Hashes) -> None:
        sorted_H = np.sort(hashes_H)  # np.unique of NumPy 2.4 takes twenty times as long
        self._sorted_H = sorted_H[np.append(sorted_H[1:] != sorted_H[:-1], True)[: len(sorted_H)]]
        num_bits = (SLOTS_PER_HASH * len(self._sorted_H) + 1).bit_length()
        self._shift = np.uint64(HASH_BITS - num_bits)
        self._marks = np.zeros(1 << num_bits, np.bool_)
        self._marks[self._find_slots(self._sorted_H)] = True

    def find_members(self, hashes_K: Hashes) -> Positions:
        """Return the positions of the hashes that are in the set, in ascending order."""
        begins = np.flatnonzero(self._marks[self._find_slots(hashes_K)])
        hashes = hashes_K[begins]
        places = np.searchsorted(self._sorted_H[:-1], hashes)
        return begins[self._sorted_H[places] == hashes] if len(begins) else begins

    def _find_slots(self, hashes_K: Hashes) -> Positions:
        return (hashes_K >> self._shift).view(np.intp)


class _Run:
    """The longest known run of a sample."""

    def __init__(self, sample: _HashedText) -> None:
        self.sample, self.begin, self.length = sample, 0, 0

    @property
    def text(self) -> str:
        """The run."""
        return self.sample.text[self.begin : self.begin + self.length]

    @property
    def is_complete(self) -> bool:
        """Whether the run is the whole sample."""
        return self.length == len(self.sample.text)

    def improve(self, block: "_Block", max_length: int) -> None:
        """Replace the run by a longer one of a block, or by one as long but earlier."""
        old_length, low, high = self.length, self.length, min(max_length, len(self.sample.text))
        length = low + 1  # in most blocks there is no longer run, and the first test shows it
        while low < high:
            begin = block.find_first(self.sample, length)
            if begin is None:
                high = length - 1
            else:
                self.begin, self.length, low = begin, length, length
            length = (low + high + 1) // 2
        if self.length == old_length and self.begin > 0:
            begin = block.find_first(self.sample, self.length, self.begin)
            self.begin = self.begin if begin is None else begin


class _Block:
    """A block of the training text, reduced to the positions at which a run may begin."""

    def __init__(self, text: _HashedText, begins_K: Positions) -> None:
        self._text, self._begins_K = text, begins_K
        self._sets: dict[int, _HashSet] = {}

    def find_first(self, sample: _HashedText, length: int, stop: int | None = None) -> int | None:
        """Return where the first substring of a length begins that occurs in the block.

        It is None if there is no such substring that begins before `stop`.
        """
        if length not in self._sets:
            if len(self._sets) == MAX_HASH_SETS:
                self._sets.clear()
            self._sets[length] = _HashSet(self._text.hash_at(self._begins_K, length))
        for begin in self._sets[length].find_members(sample.hash_all(length, stop)):
            if sample.text[begin : begin + length] in self._text.text:
                return int(begin)
        return None


class _RunSearch:
    """The search for the longest run of each sample, in a text that arrives in blocks.

    Runs of a length from `size` to 2 * `size` begin where a substring of `size` characters of
    their sample begins. So the positions of a block are first reduced to those, for the samples
    whose longest known run has such a length. `size` is 1, 2, 4, 8, ...
    """

    def __init__(self, samples: Sequence[str]) -> None:
        longest = max(map(len, samples), default=0)
        self.block_size = max(BLOCK_CHARACTERS, longest)
        self._powers_M = np.full(self.block_size + longest + 1, HASH_BASE, np.uint64)
        self._powers_M[0] = 1
        np.cumprod(self._powers_M, out=self._powers_M)
        self.longest = [_Run(_HashedText(sample, self._powers_M)) for sample in samples]
        self._overlap_size = max(longest - 1, 0)
        self._overlap = ""
        self._filters: dict[int, tuple[set[_Run], _HashSet]] = {}

    def read(self, block: str) -> None:
        """Look for longer runs in the next block of the text."""
        text = self._overlap + block
        self._overlap = text[max(len(text) - self._overlap_size, 0) :]
        runs = [run for run in self.longest if not run.is_complete]
        hashed = _HashedText(text, self._powers_M) if runs else None
        size = 1
        while hashed and (runs := [run for run in runs if max(run.length, 1) >= size]):
            # In the order of their lengths, runs of equal length share a set of hashes.
            group = sorted((run for run in runs if run.length < 2 * size), key=lambda r: r.length)
            if group:
                begins_K = self._get_filter(size, group).find_members(hashed.hash_all(size))
                candidates = _Block(hashed, begins_K)
                for run in group:
                    run.improve(candidates, 2 * size)
            size *= 2

    def _get_filter(self, size: int, group: Sequence[_Run]) -> _HashSet:
        """Return the hashes of all substrings of `size` characters of the group's samples."""
        indexed, hashes = self._filters.get(size, (set(), None))
        if hashes is None or not indexed.issuperset(group):
            hashes = _HashSet(np.concatenate([run.sample.hash_all(size) for run in group]))
            self._filters[size] = set(group), hashes
        return hashes


class _WordSearch:
    """The search for the words and word 4-grams of samples, in a text that arrives in blocks."""

    def __init__(self, samples: Sequence[str]) -> None:
        words = [sample.split() for sample in samples]
        self._unknown_words = {word for each in words for word in each}
        self._new_ngrams = {ngram for each in words for ngram in _iter_ngrams(each)}
        self._max_word_size = max(map(len, self._unknown_words), default=0)
        self._last_words: list[str] = []
        self._pending = ""  # the word that the next block may continue

    def read(self, block: str) -> None:
        """Remove the words and 4-grams of the next block from those that have not been found."""
        text = self._pending + block
        words = text.split()
        is_open = not text[-1].isspace()
        # A word longer than all those of the samples is kept as one that is still longer.
        self._pending = words.pop()[-(self._max_word_size + 1) :] if is_open else ""
        self._add(words)

    def finish(self) -> None:
        """End the text."""
        self._add(self._pending.split())
        self._pending = ""

    def compute_shares(self, sample: str) -> tuple[float | None, float | None]:
        """Return `new_4gram_share` and `known_word_share` of a sample."""
        words = sample.split()
        ngrams = list(_iter_ngrams(words))
        num_new = sum(ngram in self._new_ngrams for ngram in ngrams)
        num_known = sum(word not in self._unknown_words for word in words)
        return (
            num_new / len(ngrams) if ngrams else None, num_known / len(words) if words else None
        )

    def _add(self, words: list[str]) -> None:
        self._unknown_words.difference_update(words)
        words = self._last_words + words
        self._new_ngrams.difference_update(_iter_ngrams(words))
        self._last_words = words[1 - NGRAM_SIZE :]


def _iter_ngrams(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return zip(*(words[begin:] for begin in range(NGRAM_SIZE)), strict=False)
