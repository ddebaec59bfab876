"""The format of a cache entry: the file entry.json, and checks of all that an entry claims.

entry.json has these keys:

    version       3; an entry of version 2 has no checksums
    dtype         of the tokens: uint8, uint16 or uint32
    parts         train, valid and, if present, test: [number of tokens, number of characters], in
                  the order of the file
    counts        how often each token occurs in the training part, in id order
    vocabulary    the result of Vocabulary.to_dict
    names         the paths of the text files
    tokens_crc32  CRC-32 of the file "tokens"
    crc32         CRC-32 of the JSON of the other keys, sorted
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.errors import TextError
from rnnlm_cli.files.atomic import replace_file
from rnnlm_cli.files.regular_file import open_regular_file
from rnnlm_cli.text.cache_entry import ENTRY, TOKENS, Entry
from rnnlm_cli.text.tokenizers import Ids
from rnnlm_cli.text.vocabulary import Vocabulary

VERSION = 3
UNCHECKED_VERSION = 2
DTYPES = ("uint8", "uint16", "uint32")
BLOCK_BYTES = 1 << 20
# The errors that a damaged description can cause in code that interprets it.
DAMAGE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError
)


class DamagedEntryError(TextError):
    """An entry of the cache that is cut short, altered, or of another version."""


@dataclass
class Checksum:
    """The CRC-32 of bytes that come in pieces."""

    value: int = 0

    def update(self, data: Any) -> None:
        """Add bytes, or an array of them."""
        self.value = zlib.crc32(data, self.value)


@dataclass(frozen=True)
class EncodedText:
    """The contents of an entry; the tokens of all parts are memory-mapped.

    Args:
        parts: by name, in the order of the tokens: number of tokens, number of characters.
    """

    vocabulary: Vocabulary
    tokens_N: Ids
    parts: Mapping[str, tuple[int, int]]
    counts_V: NDArray[np.int64]


def write_description(folder: Path, description: Mapping[str, Any]) -> None:
    """Write entry.json. Raises: FileError if the disk or the folder does not take it."""
    whole = dict(description) | {"version": VERSION}
    whole["crc32"] = _compute_crc32(whole)
    replace_file(folder / ENTRY, json.dumps(whole).encode())


def read_entry(entry: Entry, *, accept_unchecked: bool = False) -> EncodedText:
    """Open an entry, and check its checksums and all numbers in it.

    Args:
        accept_unchecked: accept an entry of version 2, which has no checksums.
    Raises: DamagedEntryError.
    """
    try:
        return _read(entry, accept_unchecked)
    except DAMAGE:
        raise DamagedEntryError(
            f"{entry.folder}: this entry of the cache is damaged; an intact one is needed. "
            "Train on the text again, which encodes it anew"
        ) from None


def _read(entry: Entry, accept_unchecked: bool) -> EncodedText:
    with open_regular_file(entry.folder / ENTRY) as file:
        description = json.loads(file.read().decode("ascii"))
    is_checked = description["version"] == VERSION
    if is_checked and description["crc32"] != _compute_crc32(description):
        raise ValueError("crc32")
    if not is_checked and not (accept_unchecked and description["version"] == UNCHECKED_VERSION):
        raise ValueError("version")
    if description["dtype"] not in DTYPES:
        raise ValueError("dtype")
    vocabulary = Vocabulary.from_dict(description["vocabulary"])
    parts = {name: _require_counts(pair, 2) for name, pair in description["parts"].items()}
    if not {"train", "valid"} <= parts.keys() <= {"train", "valid", "test"}:
        raise ValueError("parts")
    if not all(num_tokens for num_tokens, _ in parts.values()):
        raise ValueError("parts")
    counts = _require_counts(description["counts"], len(vocabulary))
    with open_regular_file(entry.folder / TOKENS) as file:
        crc32, largest = _scan(file, np.dtype(description["dtype"]))
        tokens_N = np.memmap(file, np.dtype(description["dtype"]), "r")
    if len(tokens_N) != sum(num_tokens for num_tokens, _ in parts.values()):
        raise ValueError("parts")
    if largest >= len(vocabulary) or (is_checked and crc32 != description["tokens_crc32"]):
        raise ValueError("tokens")
    return EncodedText(
        vocabulary, tokens_N, {name: (pair[0], pair[1]) for name, pair in parts.items()},
        np.array(counts, np.int64),
    )


def _scan(file: IO[bytes], dtype: np.dtype[Any]) -> tuple[int, int]:
    """Read a file of tokens once. Returns: its CRC-32, and the largest token id."""
    checksum, largest = Checksum(), 0
    while block := file.read(BLOCK_BYTES):
        checksum.update(block)
        largest = max(largest, int(np.frombuffer(block, dtype).max()))
    return checksum.value, largest


def _require_counts(values: Any, size: int) -> list[int]:
    """Return a list of whole numbers that are not negative. Raises: ValueError for all else."""
    if not isinstance(values, list) or len(values) != size:
        raise ValueError("size")
    if not all(type(each) is int and 0 <= each < 1 << 63 for each in values):
        raise ValueError("numbers")
    return values


def _compute_crc32(description: Mapping[str, Any]) -> int:
    rest = {key: value for key, value in description.items() if key != "crc32"}
    return zlib.crc32(json.dumps(rest, sort_keys=True).encode())
