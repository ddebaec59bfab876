"""Files -> decoded text in chunks; bad bytes named by file and offset."""

import codecs
import sys
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import BinaryIO

from rnnlm_cli.errors import ConfigError, TextError

CHUNK_BYTES = 1 << 20
STDIN = "-"


def read_chunks(path: str, *, encoding: str | None) -> Iterator[str]:
    """The text of a file in pieces.

    Args:
        path: a file, or "-" for standard input.
        encoding: a codec's name: a byte order mark is dropped and CRLF becomes LF. None is for
            byte level: nothing is changed, and bytes that are not UTF-8 come as lone surrogates
            (PEP 383), so that encoding with "surrogateescape" gives back every byte.
    Raises: TextError where the file cannot be read or is not text; ConfigError for an unknown
        encoding.
    """
    decoder = make_decoder(encoding)
    num_read, at_start, held = 0, True, ""
    with closing(_raw_chunks(path)) as raw_chunks:
        for raw in raw_chunks:
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(raw, final=not raw)
            except UnicodeError as error:  # a UTF-16 text without its mark has no start
                offset = num_read - pending + getattr(error, "start", 0)
                raise _undecodable(path, offset, encoding) from None
            num_read += len(raw)
            if encoding is not None:
                if at_start and text:
                    text, at_start = text.removeprefix("\ufeff"), False
                text = held + text
                held = "\r" if text.endswith("\r") and raw else ""  # its "\n" may come next
                text = text.removesuffix("\r") if held else text
                text = text.replace("\r\n", "\n")
                if "\0" in text:
                    raise TextError(
                        f"{path}: holds NUL characters, so it is binary or in another encoding; "
                        "text is needed. Try --encoding utf-16-le, or train with --level byte"
                    )
            if text:
                yield text


def read_text(path: str, *, encoding: str | None) -> str:
    """The whole text of a file; see `read_chunks`."""
    return "".join(read_chunks(path, encoding=encoding))


def read_lines(path: str, *, encoding: str | None) -> Iterator[str]:
    """The lines of a file, split at "\\n" only and without it; see `read_chunks`."""
    rest = ""
    for chunk in read_chunks(path, encoding=encoding):
        *lines, rest = (rest + chunk).split("\n")
        yield from lines
    if rest:
        yield rest


def make_decoder(encoding: str | None) -> codecs.IncrementalDecoder:
    """What turns the bytes of a file into text. Raises: ConfigError for an unknown encoding."""
    if encoding is None:
        return codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
    try:
        "".encode(encoding)  # refuses codecs that are not for text, which lookup would find
        return codecs.getincrementaldecoder(encoding)()
    except (LookupError, UnicodeError):
        raise ConfigError(
            f"--encoding: '{encoding}' is no text encoding that Python knows; "
            "try utf-8, utf-16, latin-1 or cp1252"
        ) from None


def _raw_chunks(path: str) -> Generator[bytes, None, None]:
    """The file's bytes, then one empty piece for its end."""
    try:
        if path == STDIN:
            yield from _pieces(sys.stdin.buffer)
        else:
            with open(path, "rb") as file:
                yield from _pieces(file)
    except FileNotFoundError:
        raise TextError(f"{path}: no such file; a text file is needed") from None
    except IsADirectoryError:
        raise TextError(f"{path}: is a folder; a text file is needed") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TextError(f"{path}: cannot be read ({reason}); a text file is needed") from None


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while raw := file.read(CHUNK_BYTES):
        yield raw
    yield b""


def _undecodable(path: str, offset: int, encoding: str | None) -> TextError:
    return TextError(
        f"{path}: byte {offset} is not {encoding}; text in that encoding is needed. "
        "Name the right one with --encoding (latin-1, cp1252, utf-16-le), or train with "
        "--level byte, which takes any bytes"
    )
