"""Decompression of text files while they are read: gzip, bzip2, xz and Zstandard.

The suffix of a file's name selects the format. Standard input has no name, so its first bytes
select it.
"""

import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

MAX_MAGIC_BYTES = 10
BZ2_BLOCK = b"1AY&SY"  # follows "BZh" and a digit in a bzip2 file that is not empty


class Reader(Protocol):
    """A source of bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, all remaining bytes if `size` is -1, and b"" at the end."""


class StreamReader(Reader, Protocol):
    """A source of bytes that come at different times."""

    def read1(self, size: int = -1, /) -> bytes:
        """Return up to `size` of the bytes that are there; wait only if there are none."""


@dataclass(frozen=True)
class CompressionFormat:
    """A compression format.

    Args:
        magic: the first bytes of every file in this format.
        open: returns a reader of the decompressed bytes of an open file.
    """

    magic: bytes
    open: Callable[[Any], Reader]


class _ZstdReader:
    """Zstandard decompression that reports damage as EOFError, as gzip and bz2 do."""

    def __init__(self, file: Any) -> None:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        self._reader, self._error = zstd.ZstdFile(file), zstd.ZstdError

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._reader.read(size)
        except self._error as error:
            raise EOFError(*error.args) from None


FORMATS: dict[str, CompressionFormat] = {  # by the suffix of a file's name
    ".gz": CompressionFormat(
        b"\x1f\x8b\x08", lambda file: gzip.GzipFile(fileobj=file, mode="rb")
    ),
    ".bz2": CompressionFormat(b"BZh", bz2.BZ2File),
    ".xz": CompressionFormat(b"\xfd7zXZ\x00", lzma.LZMAFile),
    ".zst": CompressionFormat(b"\x28\xb5\x2f\xfd", _ZstdReader),
}
SUFFIXES = tuple(FORMATS)
DAMAGE_ERRORS = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


def find_compression(path: str) -> str:
    """Return the suffix of `path` that names a compression format, or "" if it has none."""
    return next((suffix for suffix in SUFFIXES if path.endswith(suffix)), "")


def decompress_file(file: Reader, path: str) -> Reader:
    """Return a reader of the decompressed bytes of `file`, or `file` if it is not compressed.

    Args:
        file: an open file.
        path: the name of the file, whose suffix selects the format.
    """
    suffix = find_compression(path)
    return FORMATS[suffix].open(file) if suffix else file


def decompress_stream(stream: StreamReader) -> Reader:
    """Return a reader of the decompressed bytes of a stream.

    The first bytes tell the format, because a stream has no name with a suffix. A stream in no
    known format is read as it is. No more bytes are waited for than tell the format: a program may
    write one line, and wait for an answer before it writes the next one.
    """
    head = _read_head(stream)
    whole = PlainStream(head, stream)
    for suffix, compression in FORMATS.items():
        is_plain_text = suffix == ".bz2" and head[4:] != BZ2_BLOCK  # a text may begin with "BZh"
        if head.startswith(compression.magic) and not is_plain_text:
            return compression.open(whole)
    return whole


def _read_head(stream: StreamReader) -> bytes:
    """Return the first bytes of a stream, as many as tell whether it is compressed."""
    head = b""
    magics = [each.magic for each in FORMATS.values()]
    while len(head) < MAX_MAGIC_BYTES and any(
        magic.startswith(head[: len(magic)]) for magic in magics
    ):
        piece = stream.read1(MAX_MAGIC_BYTES - len(head))
        if not piece:
            break
        head += piece
    return head


def is_damage(error: Exception) -> bool:
    """Return whether a read failed because the compressed data is damaged or truncated."""
    # bz2 raises an OSError without an error number for damaged data.
    return isinstance(error, DAMAGE_ERRORS) or (isinstance(error, OSError) and error.errno is None)


class PlainStream:
    """A stream whose first bytes were already read. It returns them again, then the rest."""

    def __init__(self, head: bytes, rest: StreamReader) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int = -1, /) -> bytes:
        if not self._head:
            return self._rest.read(size)
        if size < 0:
            size = sys.maxsize
        prefix, self._head = self._head[:size], self._head[size:]
        return prefix

    def read1(self, size: int = -1, /) -> bytes:
        return self.read(size) if self._head else self._rest.read1(size)
