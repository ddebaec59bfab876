"""The bytes of files and of streams, in chunks, decompressed on the way."""

import hashlib
import os
import sys
from collections.abc import Callable, Generator, Iterator
from typing import IO, Any

from rnnlm_cli.errors import TextError
from rnnlm_cli.text.decompress import (
    DAMAGE_ERRORS,
    PlainStream,
    Reader,
    decompress_file,
    decompress_stream,
    is_damage,
)

CHUNK_BYTES = 1 << 20
STDIN = "-"

Advance = Callable[[int], object]  # receives the number of bytes that were read from a file


def is_stream(path: str) -> bool:
    """Return whether a path can be read only once: standard input, a pipe or a device."""
    return path == STDIN or (os.path.exists(path) and not os.path.isfile(path)
                             and not os.path.isdir(path))


def read_raw_chunks(
    path: str, *, decompress: bool = True, advance: Advance | None = None,
    sha256: str | None = None,
) -> Generator[bytes, None, None]:
    """Yield the bytes of a file in chunks, then one empty chunk that marks the end.

    Args:
        path: a file, or a stream (see `is_stream`), which is always decompressed.
        decompress: if false, yield the bytes of a compressed file unchanged.
        advance: receives the number of bytes read, counted before decompression.
        sha256: the checksum that the bytes of the file must have; None for any.
    Raises: TextError if the file cannot be read or decompressed, or has changed.
    """
    try:
        if path == STDIN:
            stdin: Any = sys.stdin.buffer
            yield from _read_pieces(decompress_stream(stdin), stdin, advance)
            return
        with open(path, "rb") as file:
            if is_stream(path):
                yield from _read_pieces(decompress_stream(file), file, advance)
                return
            source = file if sha256 is None else HashingReader(file)
            stream = decompress_file(source, path) if decompress else source
            yield from _read_pieces(stream, file, advance)
            if isinstance(source, HashingReader) and source.finish() != sha256:
                raise TextError(
                    f"{path}: has changed while it was read; a text that stays the same is "
                    "needed. Begin again, or train on a copy"
                )
    except FileNotFoundError:
        raise TextError(f"{path}: no such file; a text file is needed") from None
    except IsADirectoryError:
        raise TextError(f"{path}: is a folder; a text file is needed") from None
    except (OSError, ValueError, *DAMAGE_ERRORS) as error:
        if is_damage(error):
            raise TextError(
                f"{path}: cannot be decompressed "
                f"({' '.join(str(error).split()) or 'it is truncated'}); an intact file is "
                "needed. Get it again, or recover what you can of it by hand"
            ) from None
        reason = error.strerror if isinstance(error, OSError) else error
        raise TextError(f"{path}: cannot be read ({reason}); a text file is needed") from None


class HashingReader:
    """A file that computes the SHA-256 of all its bytes while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, and b"" at the end."""
        data = self._file.read(size)
        self._digest.update(data)
        return data

    def finish(self) -> str:
        """Read what a decompressor left at the end; return the checksum in hexadecimal."""
        while self.read(CHUNK_BYTES):
            pass
        return self._digest.hexdigest()


def _read_pieces(stream: Reader, file: Any, advance: Advance | None) -> Iterator[bytes]:
    """Yield the chunks of `stream`, and report how far `file`, its source, was read.

    From a stream that is not compressed, a chunk is what has arrived.
    """
    position = 0
    read = stream.read1 if isinstance(stream, PlainStream) else stream.read
    while raw := read(CHUNK_BYTES):
        if advance is not None:
            new_position = file.tell() if file.seekable() else position + len(raw)
            advance(new_position - position)
            position = new_position
        yield raw
    yield b""
