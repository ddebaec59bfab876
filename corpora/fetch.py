"""Get a well-known corpus by its address, check it, and write it whole as NAME.txt.

usage: fetch.py [NAME] [--to FOLDER]; without NAME, the corpora are listed.
"""

import argparse
import hashlib
import os
import signal
import sys
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import NoReturn
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen
from zipfile import BadZipFile, ZipFile

from tqdm import tqdm

CHUNK_BYTES = 1 << 16
TIMEOUT_SECONDS = 30  # without a byte, not for the whole


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """A text that somebody else keeps, as it is or in a zip file."""

    url: str
    checksum: str  # "ALGORITHM:HEXADECIMAL" of the text, unpacked
    num_bytes: int | None  # of the text, unpacked; None where it is not known
    about: str  # what it is, and its licence
    member: str | None = None  # the text's name in the zip file


CORPORA = {
    "tiny-shakespeare": Corpus(
        url="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        checksum="sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        num_bytes=1_115_394,
        about="Plays of Shakespeare, as collected for char-rnn. Public domain.",
    ),
    "enwik8": Corpus(
        url="http://mattmahoney.net/dc/enwik8.zip",
        checksum="sha1:57b8363b814821dc9d47aa4d41f58733519076b2",
        num_bytes=100_000_000,
        about="The head of the English Wikipedia of 2006, with its markup. GFDL.",
        member="enwik8",
    ),
    "text8": Corpus(
        url="http://mattmahoney.net/dc/text8.zip",
        checksum="md5:3bea1919949baf155f99411df5fada7e",
        num_bytes=100_000_000,
        about="Of the same Wikipedia, only a to z and spaces, in one line. GFDL.",
        member="text8",
    ),
}


class FetchError(Exception):
    """`SUBJECT: WHAT IS SO; WHAT IS NEEDED. NEXT STEP` in one line."""


class UsageError(FetchError):
    """A command line that cannot be."""


def fetch(name: str, folder: Path) -> str:
    """Write a corpus as FOLDER/NAME.txt, if it is not there yet. Returns what to tell.

    Raises: FetchError; nothing is left behind then, and what was there is as it was.
    """
    corpus, target = CORPORA[name], folder / f"{name}.txt"
    try:
        if target.exists():
            step = "It is not overwritten: move it away, or name another folder with --to"
            _check(target, corpus, subject=str(target), step=step)
            return f"{target}: already there, with the right checksum"
        with _temporary(target) as part:
            _store(_text(corpus, target), part)
            step = "Fetch again; if it stays so, the source has changed"
            _check(part, corpus, subject=corpus.url, step=step)
            os.replace(part, target)
        return f"{target}: {target.stat().st_size:,} bytes, with the right checksum"
    except OSError as error:
        raise FetchError(
            f"{target}: cannot be read or written ({error.strerror or error}); a folder with room "
            "that you may write to is needed. Name another with --to"
        ) from None


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """A name beside the target; its file is gone afterwards, unless it was renamed."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _store(chunks: Generator[bytes], path: Path) -> None:
    with closing(chunks), path.open("wb") as file:
        file.writelines(chunks)
        file.flush()
        os.fsync(file.fileno())


def _text(corpus: Corpus, target: Path) -> Generator[bytes]:
    """The text of a corpus, unpacked. ZipFile has to seek, so an archive is stored first."""
    if corpus.member is None:
        yield from _received(corpus.url)
        return
    with _temporary(target.with_suffix(".zip")) as archive:
        _store(_received(corpus.url), archive)
        try:
            with ZipFile(archive) as packed, packed.open(corpus.member) as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
        except (BadZipFile, KeyError, zlib.error):
            raise FetchError(
                f"{corpus.url}: no whole zip file; one with {corpus.member} is needed. Fetch again"
            ) from None


def _received(url: str) -> Generator[bytes]:
    """What is behind an address, with a bar on stderr where that is a terminal."""
    host, num_bytes = urlsplit(url).netloc, 0
    request = Request(url, headers={"User-Agent": "rnnlm"})
    try:
        with urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            total = response.length
            with tqdm(total=total, unit="B", unit_scale=True, leave=False, disable=None) as bar:
                while chunk := response.read(CHUNK_BYTES):
                    yield chunk
                    num_bytes += len(chunk)
                    bar.update(len(chunk))
        if total is not None and num_bytes < total:  # a cut that read() takes for the end
            raise HTTPException(f"of {total:,}")
    except HTTPError as error:
        error.close()
        raise FetchError(
            f"{url}: the answer is {error.code} {error.reason}; 200 is needed. Fetch again later"
        ) from None
    except URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise FetchError(
            f"{host}: cannot be reached ({reason}); a network is needed. Connect, and fetch again"
        ) from None
    except (OSError, HTTPException) as error:
        raise FetchError(
            f"{host}: cut off after {num_bytes:,} bytes ({error}); all are needed. Fetch again"
        ) from None


def _check(path: Path, corpus: Corpus, *, subject: str, step: str) -> None:
    """Raise FetchError, with this subject and next step, unless a file is the text of a corpus."""
    algorithm = corpus.checksum.partition(":")[0]
    with path.open("rb") as file:  # "usedforsecurity": else some machines refuse md5
        digest = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
    if (got := f"{algorithm}:{digest.hexdigest()}") != corpus.checksum:
        raise FetchError(f"{subject}: the checksum is {got}; {corpus.checksum} is needed. {step}")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}. See --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch a corpus, or list them. Returns: 0 done, 1 an error, 2 usage, 130 Ctrl-C."""
    parser = _Parser(prog="fetch", description="Get a well-known corpus; without NAME, list them.")
    parser.add_argument("name", metavar="NAME", nargs="?", choices=CORPORA, help="which corpus")
    parser.add_argument("--to", metavar="FOLDER", type=Path, default=Path(__file__).parent,
                        help="where NAME.txt is written (default: %(default)s)")
    try:
        options = parser.parse_args(arguments)
        if options.name is not None:
            print(f"fetch: {fetch(options.name, options.to)}", file=sys.stderr)
            return 0
        for name, corpus in CORPORA.items():
            size = f"{corpus.num_bytes / 1e6:.1f} MB" if corpus.num_bytes else "?"
            print(f"{name:<18}{size:>8}  {corpus.about}")
        return 0
    except FetchError as error:
        message, code = " ".join(str(error).split()), 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        message, code = "interrupted", 130
    print(f"fetch: error: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that it, too, leaves nothing
    sys.exit(main())
