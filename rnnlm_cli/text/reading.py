"""Files, packed or not -> decoded text in chunks; bad bytes named by file and offset."""

import bz2
import codecs
import gzip
import lzma
import re
import sys
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, BinaryIO, Protocol

from rnnlm_cli.errors import ConfigError, TextError

CHUNK_BYTES = 1 << 20
TAIL_CHARACTERS = 1 << 12  # in which a word usually ends
WORD_END = re.compile(r"\S[ \t\n]")  # not at U+001C, say: only some hold it for white space
STDIN = "-"


class Reader(Protocol):
    """What bytes are read from."""

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, or fewer where fewer are there; none at the end."""


class _Zstd:
    """Zstandard, by the same interface as the standard library's other formats."""

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


UNPACKERS: dict[str, tuple[bytes, Callable[[Any], Reader]]] = {  # first bytes, reader
    ".gz": (b"\x1f\x8b\x08", lambda file: gzip.GzipFile(fileobj=file, mode="rb")),
    ".bz2": (b"BZh", bz2.BZ2File),
    ".xz": (b"\xfd7zXZ\x00", lzma.LZMAFile),
    ".zst": (b"\x28\xb5\x2f\xfd", _Zstd),
}
SUFFIXES = tuple(UNPACKERS)

Advance = Callable[[int], object]  # is told how many bytes of a file were read


def read_chunks(
    path: str, *, encoding: str | None, advance: Advance | None = None
) -> Iterator[str]:
    """The text of a file in pieces; one that is packed (.gz .bz2 .xz .zst) is unpacked on the way.

    Args:
        path: a file, or "-" for standard input.
        encoding: a codec's name: a byte order mark is dropped and CRLF becomes LF. None is for
            byte level: nothing is changed, and bytes that are not UTF-8 come as lone surrogates
            (PEP 383), so that encoding with "surrogateescape" gives back every byte.
        advance: told of the bytes read, as they stand in the file.
    Raises: TextError where the file cannot be read or is not text; ConfigError for an unknown
        encoding.
    """
    decoder = make_decoder(encoding)
    num_read, at_start, held = 0, True, ""
    with closing(raw_chunks(path, advance=advance)) as pieces:
        for raw in pieces:
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
                if not _is_sound(text):
                    raise TextError(
                        f"{path}: holds half characters (lone surrogates) as {encoding}; whole "
                        "ones are needed. Try another --encoding, or train with --level byte"
                    )
                if "\0" in text:
                    raise TextError(
                        f"{path}: holds NUL characters, so it is binary or in another encoding; "
                        "text is needed. Try --encoding utf-16-le, or train with --level byte"
                    )
            if text:
                yield text


def read_files(
    paths: Sequence[str], *, encoding: str | None, advance: Advance | None = None
) -> Iterator[str]:
    """The texts of files one after the other, set apart by a line end where one lacks its own."""
    last = "\n"
    for path in paths:
        at_start = True
        for chunk in read_chunks(path, encoding=encoding, advance=advance):
            if at_start and last != "\n":
                yield "\n"
            at_start, last = False, chunk[-1]
            yield chunk


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


def parted(chunks: Iterable[str], at: int | None) -> tuple[Iterator[str], Iterator[str]]:
    """A text in two, up to a place and from there on, the first to be read before the second.

    Args:
        at: how many characters the first has; None gives it all.
    """
    source = filter(None, chunks)
    held: list[str] = []  # what the chunk at the place has beyond it

    def first() -> Iterator[str]:
        left = sys.maxsize if at is None else at
        while left > 0 and (chunk := next(source, None)) is not None:
            yield chunk[:left]
            if len(chunk) > left:
                held.append(chunk[left:])
            left -= len(chunk)

    def second() -> Iterator[str]:
        yield from held
        yield from source

    return first(), second()


def rechunk_at_words(chunks: Iterable[str]) -> Iterator[str]:
    """The same text cut elsewhere: only where a word is followed by white space."""
    held: list[str] = []
    for chunk in chunks:
        cut = _end_of_last_word(chunk)
        if cut:
            yield "".join((*held, chunk[:cut]))
            held, chunk = [], chunk[cut:]
        held.append(chunk)
    rest = "".join(held)
    if rest:
        yield rest


def _end_of_last_word(text: str) -> int:
    """Where the last word ends that white space follows; 0 where none does."""
    for begin in (max(len(text) - TAIL_CHARACTERS, 0), 0):
        matches = deque(WORD_END.finditer(text, begin), maxlen=1)
        if matches:
            return matches[0].start() + 1
    return 0


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


def packing_of(path: str) -> str:
    """The ending that says how a file is packed; empty where it is not."""
    return next((suffix for suffix in SUFFIXES if path.endswith(suffix)), "")


def raw_chunks(
    path: str, *, packed: bool = False, advance: Advance | None = None
) -> Generator[bytes, None, None]:
    """The file's bytes, then one empty piece for its end.

    Args:
        packed: give the bytes of a packed file as they are.
        advance: told of the bytes read, as they stand in the file.
    """
    try:
        if path == STDIN:
            yield from _pieces(_unpacked_stdin(), sys.stdin.buffer, advance)
            return
        with open(path, "rb") as file:
            packing = "" if packed else packing_of(path)
            stream = UNPACKERS[packing][1](file) if packing else file
            yield from _pieces(stream, file, advance)
    except FileNotFoundError:
        raise TextError(f"{path}: no such file; a text file is needed") from None
    except IsADirectoryError:
        raise TextError(f"{path}: is a folder; a text file is needed") from None
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise _damaged(path, error) from None
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is None:  # how bz2 says it
            raise _damaged(path, error) from None
        reason = error.strerror if isinstance(error, OSError) else error
        raise TextError(f"{path}: cannot be read ({reason}); a text file is needed") from None


def _is_sound(text: str) -> bool:
    """Whether a text can be written as UTF-8: some encodings can spell half a character."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _pieces(stream: Reader, file: Any, advance: Advance | None) -> Iterator[bytes]:
    at = 0
    while raw := stream.read(CHUNK_BYTES):
        if advance is not None:
            now = file.tell() if file.seekable() else at + len(raw)
            advance(now - at)
            at = now
        yield raw
    yield b""


class _Rejoined:
    """A stream of which some first bytes were read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int = -1, /) -> bytes:
        if not self._head:
            return self._rest.read(size)
        if size < 0:
            size = sys.maxsize
        given, self._head = self._head[:size], self._head[size:]
        return given


def _unpacked_stdin() -> Reader:
    """Standard input, which has no name to tell whether it is packed: its first bytes do."""
    head = sys.stdin.buffer.read(10)
    stream = _Rejoined(head, sys.stdin.buffer)
    for magic, unpack in UNPACKERS.values():
        if head.startswith(magic) and (magic != b"BZh" or head[4:] == b"1AY&SY"):
            return unpack(stream)
    return stream


def _damaged(path: str, error: Exception) -> TextError:
    return TextError(
        f"{path}: cannot be unpacked ({' '.join(str(error).split()) or 'it is cut short'}); an "
        "intact file is needed. Get it again, or unpack what is left of it by hand"
    )


def _undecodable(path: str, offset: int, encoding: str | None) -> TextError:
    return TextError(
        f"{path}: byte {offset} is not {encoding}; text in that encoding is needed. "
        "Name the right one with --encoding (latin-1, cp1252, utf-16-le), or train with "
        "--level byte, which takes any bytes"
    )
