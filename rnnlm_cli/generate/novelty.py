"""Novelty of generated text: how much of it occurs verbatim in the training text.

The training text may be larger than the memory, so it passes by in blocks, which overlap by the
length of the longest sample. A run is a substring of a sample that occurs in the training text. In
each block, only runs are searched that are longer than the longest known run of their sample, or
as long but earlier. The search compares the hashes of all substrings of one length. An equal hash
is only a hint: the substring itself is then looked for in the block, so the results are exact.

Legend: N characters of a text, K hashes or positions, M powers.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint32]
Hashes = NDArray[np.uint64]
Positions = NDArray[np.intp]

MIN_BLOCK_CHARACTERS, MAX_BLOCK_CHARACTERS = 1 << 12, 1 << 20  # of the text, searched at once
NGRAM_SIZE = 4  # words
HASH_BASE = 0x9E3779B97F4A7C15  # 5 modulo 8, so that its powers repeat as late as possible
SLOTS_PER_HASH = 32  # at most 1/32 of the hashes that another text lacks pass its table
MAX_CACHED_LENGTHS = 4  # of one block; each takes up to 8 MB


@dataclass(frozen=True)
class Novelty:
    """The novelty of a sample.

    Args:
        num_run_characters: the length of the longest run, which occurs in the training text.
        run: the longest run; of several, the one that comes first in the sample.
        new_4gram_share: the share of the sample's word 4-grams that are not in the training text;
            None if the sample has fewer than 4 words.
        known_word_share: the share of the sample's words that are words of the training text;
            None if the sample has no words.
    """

    num_run_characters: int
    run: str
    new_4gram_share: float | None
    known_word_share: float | None


def measure_novelty(samples: Sequence[str], chunks: Iterable[str]) -> list[Novelty]:
    """Compare samples with a training text. The results are exact.

    Args:
        chunks: the training text, read once. Chunks may end anywhere, also within words.
    Note: words are separated by white space of any kind, so word 4-grams cross line breaks. The
        memory does not depend on the length of the training text.
    """
    run_search, word_search = _RunSearch(samples), _WordSearch(samples)
    for block in _iter_blocks(chunks, run_search.block_size):
        run_search.read(block)
        word_search.read(block)
    word_search.read("\n")  # ends the last word
    return [
        Novelty(run.length, sample[run.begin :][: run.length], *word_search.compute_shares(sample))
        for sample, run in zip(samples, run_search.runs, strict=True)
    ]


def _iter_blocks(chunks: Iterable[str], max_size: int) -> Iterator[str]:
    """Re-chunk a text into blocks whose sizes double up to `max_size`.

    At first any short substring is a run. It takes less time to find longer ones in a small block.
    """
    text, size = "", min(MIN_BLOCK_CHARACTERS, max_size)
    for chunk in chunks:
        text += chunk
        begin = 0
        while len(text) - begin >= size:
            yield text[begin : begin + size]
            begin, size = begin + size, min(2 * size, max_size)
        text = text[begin:]
    if text:
        yield text


class _HashedText:
    """A text, and the hashes of its substrings (Karp and Rabin 1987).

        hash(begin, length) = B^(M+1) * sum over j < length of text[begin + j] * B^j  modulo 2^64

    Args:
        powers_M: B^1, B^2, ..., B^M with M >= the length of the text, the same for all texts.
    """

    def __init__(self, text: str, powers_M: Hashes) -> None:
        self.text = text
        # surrogatepass: at byte level, bytes that are not UTF-8 are lone surrogates.
        self.codes_N: Codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        self._sums = np.zeros(len(text) + 1, np.uint64)  # of the first 0, 1, 2, ... characters
        np.cumsum(self.codes_N * powers_M[: len(text)], out=self._sums[1:])
        self._reverse_powers_M = powers_M[::-1]

    def hash_all(self, length: int, stop: int = sys.maxsize) -> Hashes:
        """Return the hashes of the substrings of a length that begin before `stop`."""
        begins = slice(min(max(len(self._sums) - length, 0), stop))
        hashes_K = self._sums[length:][begins] - self._sums[begins]
        return hashes_K * self._reverse_powers_M[begins]

    def hash_at(self, begins_K: Positions, length: int) -> Hashes:
        """Return the hashes of the substrings of a length that begin at ascending positions.

        Positions with less text after them are omitted.
        """
        begins_K = begins_K[: np.searchsorted(begins_K, len(self._sums) - length)]
        hashes_K = self._sums[begins_K + length] - self._sums[begins_K]
        return hashes_K * self._reverse_powers_M[begins_K]


def _find_common(hashes_K: Hashes, others: Hashes) -> Positions:
    """Return the positions of the hashes that are also in `others`, in ascending order."""
    if len(hashes_K) < len(others):  # the table of the smaller one is fast, so it comes first
        others = others[_find_possible(others, hashes_K)]
    positions = _find_possible(hashes_K, others)
    others = others[_find_possible(others, hashes_K[positions])]
    return np.compress(np.isin(hashes_K[positions], others), positions)


def _find_possible(hashes_K: Hashes, others: Hashes) -> Positions:
    """Return the positions of the hashes that may be in `others`, by a table of leading bits."""
    num_bits = (SLOTS_PER_HASH * len(others) + 1).bit_length()
    shift = np.uint64(64 - num_bits)
    is_taken = np.zeros(1 << num_bits, np.bool_)
    is_taken[(others >> shift).view(np.int64)] = True
    return np.flatnonzero(is_taken[(hashes_K >> shift).view(np.int64)])


def _count_equal(first_N: Codes, second_N: Codes) -> int:
    """Return the length of the longest common prefix."""
    size = min(len(first_N), len(second_N))
    different = np.flatnonzero(first_N[:size] != second_N[:size])
    return int(different[0]) if len(different) else size


@dataclass(eq=False)
class _Run:
    """The longest known run of a sample."""

    sample: _HashedText
    begin: int = 0
    length: int = 0


class _Candidates:
    """The positions of a block at which a run may begin."""

    def __init__(self, block: _HashedText, begins_K: Positions) -> None:
        self._block = block
        self._hash = lru_cache(MAX_CACHED_LENGTHS)(lambda length: block.hash_at(begins_K, length))

    def improve(self, run: _Run, max_length: int) -> None:
        """Replace the run by the longest one of the block, if it is longer, or as long but earlier.

        A run of more than `max_length` characters may have to be improved further.
        """
        while run.length <= max_length and self._take(run, run.length + 1, sys.maxsize):
            pass
        self._take(run, run.length, run.begin)

    def _take(self, run: _Run, length: int, stop: int) -> bool:
        """Take a run of `length` characters, or longer, that begins before `stop`, if any does."""
        begins_K = _find_common(run.sample.hash_all(length, stop), self._hash(length))
        if length > run.length:  # Any run will do, and one from the middle often extends far.
            begins_K = np.roll(begins_K, len(begins_K) // 2)
        sample, block = run.sample, self._block
        for begin in begins_K.tolist():
            at = block.text.find(sample.text[begin : begin + length])
            if at >= 0:
                num_before = _count_equal(sample.codes_N[:begin][::-1], block.codes_N[:at][::-1])
                run.length = num_before + _count_equal(sample.codes_N[begin:], block.codes_N[at:])
                run.begin = begin - num_before
                return True
        return False


class _RunSearch:
    """The search for the longest run of each sample, in a text that arrives in blocks.

    For all samples whose longest run has `size` to 2 * `size` - 1 characters, a block is first
    reduced to the positions where a substring of `size` characters of these samples begins.
    """

    def __init__(self, samples: Sequence[str]) -> None:
        max_size = max(map(len, samples), default=0)
        self.block_size = max(MAX_BLOCK_CHARACTERS, max_size)
        bases_M = np.full(self.block_size + max_size, HASH_BASE, np.uint64)
        self._powers_M = np.cumprod(bases_M, dtype=np.uint64)
        self.runs = [_Run(_HashedText(sample, self._powers_M)) for sample in samples]
        self._overlap_size, self._overlap = max(max_size - 1, 0), ""

    def read(self, block: str) -> None:
        """Look for better runs in the next block of the text."""
        text = self._overlap + block
        self._overlap = text[max(len(text) - self._overlap_size, 0) :]
        runs = [run for run in self.runs if run.length < len(run.sample.text)]
        hashed, size = _HashedText(text if runs else "", self._powers_M), 1
        while runs := [run for run in runs if max(run.length, 1) >= size]:
            group = [run for run in runs if run.length < 2 * size]
            if group:
                hashes = np.concatenate([run.sample.hash_all(size) for run in group])
                begins_K = _find_common(hashed.hash_all(size), hashes)
                candidates = _Candidates(hashed, begins_K)
                for run in sorted(group, key=lambda run: run.length):  # for the cache
                    candidates.improve(run, 2 * size - 1)
            size *= 2


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
        # A word longer than all those of the samples may be cut, as long as it stays longer.
        is_open = not text[-1].isspace()
        self._pending = words.pop()[-(self._max_word_size + 1) :] if is_open else ""
        self._unknown_words.difference_update(words)
        words = self._last_words + words
        self._new_ngrams.difference_update(_iter_ngrams(words))
        self._last_words = words[1 - NGRAM_SIZE :]

    def compute_shares(self, sample: str) -> tuple[float | None, float | None]:
        """Return `new_4gram_share` and `known_word_share` of a sample."""
        words, ngrams = sample.split(), list(_iter_ngrams(sample.split()))
        num_new = sum(ngram in self._new_ngrams for ngram in ngrams)
        num_known = sum(word not in self._unknown_words for word in words)
        return num_new / len(ngrams) if ngrams else None, num_known / len(words) if words else None


def _iter_ngrams(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return zip(*(words[begin:] for begin in range(NGRAM_SIZE)), strict=False)
