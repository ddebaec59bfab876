"""The header of a safetensors file, read strictly: nothing is allocated for the arrays.

    8 bytes     the size of the header, little-endian
    header      JSON in UTF-8, padded with spaces:
                {"__metadata__": {KEY: TEXT, ...},
                 NAME: {"dtype": DTYPE, "shape": [SIZE, ...], "data_offsets": [BEGIN, END]}, ...}
    data        the bytes of the arrays, without gaps; the offsets count from its beginning

Source: the format's description, https://github.com/huggingface/safetensors.
"""

import codecs
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

METADATA_KEY = "rnnlm"  # the metadata entry with rnnlm's description, in every file of rnnlm
MAX_HEADER_BYTES = 100_000_000  # the limit of the safetensors library
SIZE_BYTES = 8  # of the number at the beginning, which is the size of the header
PIECE_BYTES = 1 << 16


class HeaderError(ValueError):
    """A file that does not begin with a safetensors header, or does not match it."""


@dataclass(frozen=True)
class ArrayEntry:
    """One array of a file.

    Args:
        dtype: safetensors' name of it, for example "F32".
        begin, end: the place of its bytes, counted from the beginning of the data.
    """

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """A header that was checked against the size of its file.

    Args:
        metadata: text by key.
        entries: the arrays by name.
        data_begin: the place of the data in the file, in bytes.
    """

    metadata: Mapping[str, str]
    entries: Mapping[str, ArrayEntry]
    data_begin: int


def read_header(file: IO[bytes]) -> Header:
    """Read the header of an open safetensors file from its beginning.

    Raises: HeaderError if the header is cut short, too long, not JSON, names something twice, or
        if the arrays do not fill the rest of the file exactly. OSError as the system raises it.
    """
    file.seek(0)
    size_bytes = file.read(SIZE_BYTES)
    size = int.from_bytes(size_bytes, "little")
    data_size = os.fstat(file.fileno()).st_size - SIZE_BYTES - size
    if len(size_bytes) < SIZE_BYTES or size > MAX_HEADER_BYTES or data_size < 0:
        raise HeaderError("size")
    text = file.read(size)
    if len(text) < size or not text.startswith(b"{"):
        raise HeaderError("text")
    try:
        data = json.loads(
            _decode(text), object_pairs_hook=_reject_duplicates, parse_constant=_reject
        )
    except (ValueError, RecursionError):
        raise HeaderError("JSON") from None
    metadata = data.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise HeaderError("metadata")
    if not all(isinstance(value, str) for value in metadata.values()):
        raise HeaderError("metadata")
    entries = {name: _parse_entry(value) for name, value in data.items()}
    end = 0
    for entry in sorted(entries.values(), key=lambda entry: (entry.begin, entry.end)):
        if entry.begin != end or entry.end < entry.begin:
            raise HeaderError("offsets")
        end = entry.end
    if end != data_size:
        raise HeaderError("offsets")
    return Header(metadata, entries, SIZE_BYTES + size)


def _decode(text: bytes) -> str:
    """Decode UTF-8. Raises: UnicodeDecodeError.

    The text is checked in pieces first. Decoding binary data in one go would take up to four times
    its size in memory before it fails, and a false header size can make the whole file the header.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    for begin in range(0, len(text), PIECE_BYTES):
        decoder.decode(text[begin : begin + PIECE_BYTES])
    decoder.decode(b"", final=True)
    return text.decode("utf-8")


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    items = dict(pairs)
    if len(items) < len(pairs):
        raise HeaderError("names")
    return items


def _reject(constant: str) -> None:
    """Raise HeaderError for NaN and Infinity, which JSON does not have."""
    raise HeaderError(constant)


def _parse_entry(value: Any) -> ArrayEntry:
    """Return the entry of one array. Raises: HeaderError if a field is missing or strange."""
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise HeaderError("entry")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or not _are_sizes(shape) or not _are_sizes(offsets):
        raise HeaderError("entry")
    if len(offsets) != 2:
        raise HeaderError("entry")
    return ArrayEntry(dtype, tuple(shape), *offsets)


def _are_sizes(values: Any) -> bool:
    """Return whether a JSON value is a list of whole numbers that are not negative."""
    return isinstance(values, list) and all(type(each) is int and each >= 0 for each in values)
