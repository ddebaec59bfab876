"""Text files, compressed or not, decoded in chunks; undecodable bytes are named by their offset."""

import codecs
import re
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

from rnnlm_cli.errors import ConfigError, TextError
from rnnlm_cli.text.decompress import (
    DAMAGE_ERRORS,
    Reader,
    decompress_file,
    decompress_stream,
    is_damage,
)

CHUNK_BYTES = 1 << 20
TAIL_CHARACTERS = 1 << 12  # the end of a chunk that is searched first for the end of a word
# White space after a word, in ASCII only: Python and Unicode disagree about U+001C to U+001F.
WORD_END = re.compile(r"\S[ \t\n]")
STDIN = "-"

Advance = Callable[[int], object]  # receives the number of bytes that were read from a file


def read_chunks(
    path: str, *, encoding: str | None, advance: Advance | None = None
) -> Iterator[str]:
    """Yield the text of a file in chunks. Compressed files are decompressed while reading.

    Args:
        path: a file, or "-" for standard input.
        encoding: the name of a codec. The byte order mark is removed and CRLF becomes LF. None
            means byte level: the text is not changed, and bytes that are not UTF-8 become lone
            surrogates (PEP 383), so that encoding with "surrogateescape" restores every byte.
        advance: receives the number of bytes read, counted before decompression.
    Raises:
        TextError: the file cannot be read or is not text.
        ConfigError: the encoding is unknown.
    """
    decoder = make_decoder(encoding)
    num_read, at_start, carried = 0, True, ""
    with closing(read_raw_chunks(path, advance=advance)) as pieces:
        for raw in pieces:
            num_pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(raw, final=not raw)
            except UnicodeError as error:  # without `start` if UTF-16 lacks its byte order mark
                offset = num_read - num_pending + getattr(error, "start", 0)
                raise _decoding_error(path, offset, encoding) from None
            num_read += len(raw)
            if encoding is not None:
                if at_start and text:
                    text, at_start = text.removeprefix("\ufeff"), False
                text = carried + text
                carried = "\r" if text.endswith("\r") and raw else ""  # "\n" may come next
                text = text.removesuffix("\r") if carried else text
                text = text.replace("\r\n", "\n")
                _require_text(text, path, encoding)
            if text:
                yield text


def read_files(
    paths: Sequence[str], *, encoding: str | None, advance: Advance | None = None
) -> Iterator[str]:
    """Yield the texts of several files in order; see `read_chunks`.

    A newline is inserted between two files if the first one does not end with a newline.
    """
    last = "\n"
    for path in paths:
        at_start = True
        for chunk in read_chunks(path, encoding=encoding, advance=advance):
            if at_start and last != "\n":
                yield "\n"
            at_start, last = False, chunk[-1]
            yield chunk


def read_text(path: str, *, encoding: str | None) -> str:
    """Return the whole text of a file; see `read_chunks`."""
    return "".join(read_chunks(path, encoding=encoding))


def read_lines(path: str, *, encoding: str | None) -> Iterator[str]:
    """Yield the lines of a file without their newline, split at "\\n" only; see `read_chunks`."""
    rest = ""
    for chunk in read_chunks(path, encoding=encoding):
        *lines, rest = (rest + chunk).split("\n")
        yield from lines
    if rest:
        yield rest


def split_at(chunks: Iterable[str], at: int | None) -> tuple[Iterator[str], Iterator[str]]:
    """Split a stream of chunks at character `at` into two iterators.

    Exhaust the first iterator before reading the second one.

    Args:
        at: the number of characters in the first part; None puts the whole text into it.
    """
    source = filter(None, chunks)
    beyond: list[str] = []  # the part after `at` of the chunk that contains it

    def read_first() -> Iterator[str]:
        left = sys.maxsize if at is None else at
        while left > 0 and (chunk := next(source, None)) is not None:
            yield chunk[:left]
            if len(chunk) > left:
                beyond.append(chunk[left:])
            left -= len(chunk)

    def read_second() -> Iterator[str]:
        yield from beyond
        yield from source

    return read_first(), read_second()


def rechunk_at_words(chunks: Iterable[str]) -> Iterator[str]:
    """Re-chunk the text so that every chunk ends at a word that white space follows."""
    carried: list[str] = []
    for chunk in chunks:
        cut = _find_last_word_end(chunk)
        if cut:
            yield "".join((*carried, chunk[:cut]))
            carried, chunk = [], chunk[cut:]
        carried.append(chunk)
    rest = "".join(carried)
    if rest:
        yield rest


def _find_last_word_end(text: str) -> int:
    """Return the end of the last word that white space follows; 0 if there is none."""
    for begin in (max(len(text) - TAIL_CHARACTERS, 0), 0):
        matches = deque(WORD_END.finditer(text, begin), maxlen=1)
        if matches:
            return matches[0].start() + 1
    return 0


def make_decoder(encoding: str | None) -> codecs.IncrementalDecoder:
    """Return a decoder for the bytes of a file. Raises: ConfigError for an unknown encoding."""
    if encoding is None:
        return codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
    try:
        "".encode(encoding)  # fails for codecs that are not for text, which lookup accepts
        return codecs.getincrementaldecoder(encoding)()
    except (LookupError, UnicodeError):
        raise ConfigError(
            f"--encoding: '{encoding}' is no text encoding that Python knows; "
            "try utf-8, utf-16, latin-1 or cp1252"
        ) from None


def read_raw_chunks(
    path: str, *, decompress: bool = True, advance: Advance | None = None
) -> Generator[bytes, None, None]:
    """Yield the bytes of a file in chunks, then one empty chunk that marks the end.

    Args:
        path: a file, or "-" for standard input, which is always decompressed.
        decompress: if false, yield the bytes of a compressed file unchanged.
        advance: receives the number of bytes read, counted before decompression.
    Raises: TextError if the file cannot be read or decompressed.
    """
    try:
        if path == STDIN:
            stdin = sys.stdin.buffer
            yield from _read_pieces(decompress_stream(stdin), stdin, advance)
            return
        with open(path, "rb") as file:
            stream = decompress_file(file, path) if decompress else file
            yield from _read_pieces(stream, file, advance)
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


def _read_pieces(stream: Reader, file: Any, advance: Advance | None) -> Iterator[bytes]:
    """Yield the chunks of `stream`, and report how far `file`, its source, was read."""
    position = 0
    while raw := stream.read(CHUNK_BYTES):
        if advance is not None:
            new_position = file.tell() if file.seekable() else position + len(raw)
            advance(new_position - position)
            position = new_position
        yield raw
    yield b""


def _require_text(text: str, path: str, encoding: str) -> None:
    """Raise TextError for lone surrogates, which some codecs produce, and for NUL characters."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise TextError(
            f"{path}: decoded as {encoding}, it contains half characters (lone surrogates); "
            "whole characters are needed. Try another --encoding, or train with --level byte"
        ) from None
    if "\0" in text:
        raise TextError(
            f"{path}: contains NUL characters, so it is binary or in another encoding; "
            "text is needed. Try --encoding utf-16-le, or train with --level byte"
        )


def _decoding_error(path: str, offset: int, encoding: str | None) -> TextError:
    return TextError(
        f"{path}: byte {offset} is not {encoding}; text in that encoding is needed. "
        "Name the right one with --encoding (latin-1, cp1252, utf-16-le), or train with "
        "--level byte, which accepts any bytes"
    )
