"""Text files, compressed or not, decoded in chunks; undecodable bytes are named by their offset."""

import codecs
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import repeat

from rnnlm_cli.errors import ConfigError, TextError
from rnnlm_cli.text.raw_bytes import Advance, read_raw_chunks

TAIL_CHARACTERS = 1 << 12  # the end of a chunk that is searched first for the end of a word
# White space after a word, in ASCII only: Python and Unicode disagree about U+001C to U+001F.
WORD_END = re.compile(r"\S[ \t\n]")
MAX_WORD_CHARACTERS = 1 << 22


def read_chunks(
    path: str, *, encoding: str | None, advance: Advance | None = None, sha256: str | None = None
) -> Iterator[str]:
    """Yield the text of a file in chunks. Compressed files are decompressed while reading.

    Args:
        path: a file, or "-" for standard input.
        encoding: the name of a codec. The byte order mark is removed and CRLF becomes LF. None
            means byte level: the text is not changed, and bytes that are not UTF-8 become lone
            surrogates (PEP 383), so that encoding with "surrogateescape" restores every byte.
        advance: receives the number of bytes read, counted before decompression.
        sha256: the checksum that the bytes of the file must have; None for any.
    Raises:
        TextError: the file cannot be read, is not text, or has changed.
        ConfigError: the encoding is unknown.
    """
    decoder = make_decoder(encoding)
    num_read, at_start, carried = 0, True, ""
    with closing(read_raw_chunks(path, advance=advance, sha256=sha256)) as pieces:
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
    paths: Sequence[str], *, encoding: str | None, advance: Advance | None = None,
    sha256s: Sequence[str] | None = None,
) -> Iterator[str]:
    """Yield the texts of several files in order; see `read_chunks`.

    A newline is inserted between two files if the first one does not end with a newline.
    """
    last = "\n"
    for path, sha256 in zip(paths, sha256s or repeat(None), strict=False):
        at_start = True
        for chunk in read_chunks(path, encoding=encoding, advance=advance, sha256=sha256):
            if at_start and last != "\n":
                yield "\n"
            at_start, last = False, chunk[-1]
            yield chunk


def read_text(path: str, *, encoding: str | None) -> str:
    """Return the whole text of a file; see `read_chunks`."""
    return "".join(read_chunks(path, encoding=encoding))


def read_lines(path: str, *, encoding: str | None) -> Iterator[str]:
    """Yield the lines of a file without their newline, split at "\\n" only; see `read_chunks`."""
    for lines in read_arriving_lines(path, encoding=encoding):
        yield from lines


def read_arriving_lines(path: str, *, encoding: str | None) -> Iterator[list[str]]:
    """Yield the lines of a file in lists. From a pipe, a list holds the lines that have arrived.

    The lines have no newline, and are split at "\\n" only; see `read_chunks`.
    """
    pieces: list[str] = []  # of the line that has begun, joined once at its end
    for chunk in read_chunks(path, encoding=encoding):
        *lines, rest = chunk.split("\n")
        if lines:
            lines[0] = "".join((*pieces, lines[0]))
            pieces = []
            yield lines
        pieces.append(rest)
    rest = "".join(pieces)
    if rest:
        yield [rest]


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
    """Re-chunk the text so that every chunk ends at a word that white space follows.

    Raises: TextError for a word so long that the text is not one of words.
    """
    carried: list[str] = []
    num_carried = 0
    for chunk in chunks:
        cut = _find_last_word_end(chunk)
        if cut:
            yield "".join((*carried, chunk[:cut]))
            carried, num_carried, chunk = [], 0, chunk[cut:]
        carried.append(chunk)
        num_carried += len(chunk)
        if num_carried > MAX_WORD_CHARACTERS:
            raise TextError(
                f"text: holds no white space in {num_carried:,} characters; words between white "
                f"space, of at most {MAX_WORD_CHARACTERS:,} characters, are needed at this level. "
                "Train with --level char or --level byte"
            )
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
