"""Download a well-known corpus, check it, and write it as NAME.txt, complete or not at all.

usage: fetch.py [NAME] [--to FOLDER] [--url URL]; without NAME, the corpora are listed.
"""

import argparse
import hashlib
import os
import signal
import sys
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path
from typing import NoReturn
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen
from zipfile import BadZipFile, ZipFile

from tqdm import tqdm

CHUNK_BYTES = 1 << 16
ARCHIVE_BYTES = 1 << 16  # by which an archive may be larger than its text
TIMEOUT_SECONDS = 30  # for each wait for bytes, not for the whole download


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """A text on somebody else's server, plain or in a zip file.

    Args:
        url: the address of the text or of the zip file.
        checksum: "ALGORITHM:HEXADECIMAL" of the decompressed text.
        num_bytes: the size of the decompressed text; None if it is not known.
        about: a description, and the licence.
        member: the name of the text in the zip file; None for a plain text.
    """

    url: str
    checksum: str
    num_bytes: int | None
    about: str
    member: str | None = None


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
        about="The first 100 MB of the English Wikipedia of 2006, with markup. GFDL.",
        member="enwik8",
    ),
    "text8": Corpus(
        url="http://mattmahoney.net/dc/text8.zip",
        checksum="md5:3bea1919949baf155f99411df5fada7e",
        num_bytes=100_000_000,
        about="The same Wikipedia reduced to a to z and spaces, in one line. GFDL.",
        member="text8",
    ),
}


class FetchError(Exception):
    """An error that is shown as one line: `SUBJECT: WHAT IS SO; WHAT IS NEEDED. NEXT STEP`."""


class UsageError(FetchError):
    """An invalid command line."""


def fetch(name: str, folder: Path, *, url: str | None = None) -> str:
    """Write a corpus as FOLDER/NAME.txt, unless that file exists.

    Args:
        url: another address of the same text; None selects the known one.
    Returns: a message for the user.
    Raises: FetchError. No file is created or changed in that case.
    """
    corpus, target = CORPORA[name], folder / f"{name}.txt"
    if url is not None:
        corpus = replace(corpus, url=url)
    try:
        if target.exists():
            step = "It is not overwritten: move it away, or name another folder with --to"
            _require_checksum(target, corpus, subject=str(target), step=step)
            return f"{target}: already there, with the right checksum"
        with _reserve_temporary(target) as part:
            _store(_read_text(corpus, target), part, corpus)
            step = "Fetch again; if this happens again, the source has changed"
            _require_checksum(part, corpus, subject=corpus.url, step=step)
            os.replace(part, target)
        return f"{target}: {target.stat().st_size:,} bytes, with the right checksum"
    except OSError as error:
        raise FetchError(
            f"{target}: cannot be read or written ({error.strerror or error}); a folder with room "
            "that you may write to is needed. Name another with --to"
        ) from None


@contextmanager
def _reserve_temporary(target: Path) -> Iterator[Path]:
    """Yield a path beside the target. Its file is deleted afterwards, unless it was renamed."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _store(chunks: Generator[bytes], path: Path, corpus: Corpus) -> None:
    """Write chunks to a file. Raises: FetchError if they are more than the corpus can be.

    Without a bound, a false answer could fill the disk before its checksum is looked at.
    """
    left = None if corpus.num_bytes is None else corpus.num_bytes + ARCHIVE_BYTES
    with closing(chunks), path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
            if left is not None and (left := left - len(chunk)) < 0:
                raise FetchError(
                    f"{corpus.url}: sends more than the {corpus.num_bytes:,} bytes of this corpus; "
                    "the corpus itself is needed. Fetch again, or name a mirror with --url"
                )
        file.flush()
        os.fsync(file.fileno())


def _read_text(corpus: Corpus, target: Path) -> Generator[bytes]:
    """Yield the decompressed text. ZipFile needs to seek, so an archive is stored first."""
    if corpus.member is None:
        yield from _download(corpus.url, target)
        return
    with _reserve_temporary(target.with_suffix(".zip")) as archive:
        _store(_download(corpus.url, target), archive, corpus)
        try:
            with ZipFile(archive) as packed, packed.open(corpus.member) as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
        except (BadZipFile, KeyError, zlib.error):
            raise FetchError(
                f"{corpus.url}: no intact zip file; one that contains {corpus.member} is needed. "
                "Fetch again"
            ) from None


def _download(url: str, target: Path) -> Generator[bytes]:
    """Yield the bytes at an address, with a progress bar if stderr is a terminal.

    Args:
        target: the file of the text, which error messages name.
    """
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
        if total is not None and num_bytes < total:  # read() reports a lost connection as the end
            raise HTTPException(f"of {total:,}")
    except HTTPError as error:
        error.close()
        raise FetchError(
            f"{url}: the answer is {error.code} {error.reason}; 200 is needed. Fetch again later"
        ) from None
    except URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise FetchError(
            f"{host}: cannot be reached ({reason}); a network is needed. Connect and fetch again, "
            f"or put the text there yourself, as {target}"
        ) from None
    except (OSError, HTTPException) as error:
        raise FetchError(
            f"{host}: cut off after {num_bytes:,} bytes ({error}); the whole file is needed. "
            "Fetch again"
        ) from None


def _require_checksum(path: Path, corpus: Corpus, *, subject: str, step: str) -> None:
    """Raise FetchError unless a file has the checksum of a corpus.

    Args:
        subject, step: the beginning of the message, and the next step at its end.
    """
    algorithm = corpus.checksum.partition(":")[0]
    with path.open("rb") as file:  # without usedforsecurity=False, FIPS machines refuse md5
        digest = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
    if (got := f"{algorithm}:{digest.hexdigest()}") != corpus.checksum:
        raise FetchError(f"{subject}: the checksum is {got}; {corpus.checksum} is needed. {step}")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}. See --help")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line. Raises: UsageError if it is invalid."""
    parser = _Parser(prog="fetch", description="Get a well-known corpus; without NAME, list them.")
    parser.add_argument("name", metavar="NAME", nargs="?", choices=CORPORA, help="corpus to fetch")
    parser.add_argument("--to", metavar="FOLDER", type=Path, default=Path(__file__).parent,
                        help="folder in which NAME.txt is written (default: %(default)s)")
    parser.add_argument("--url", metavar="URL",
                        help="fetch from this address instead, e.g. a mirror; the checksum must "
                        "be the same")
    options = parser.parse_args(arguments)
    if options.url is not None:
        if options.name is None:
            parser.error("argument --url: given without NAME, the corpus at this address")
        if urlsplit(options.url).scheme not in ("http", "https"):
            parser.error(f"argument --url: '{options.url}' does not begin with http:// or https://")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch a corpus, or list the corpora.

    Returns: the exit code: 0 success, 1 error, 2 invalid usage, 130 Ctrl-C.
    """
    try:
        options = _parse(arguments)
        if options.name is not None:
            message = fetch(options.name, options.to, url=options.url)
            print(f"fetch: {message}", file=sys.stderr)
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
    if hasattr(signal, "SIGPIPE") and not sys.argv[1:]:  # so that `| head` ends the list quietly
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # runs the clean-up of `fetch`
    sys.exit(main())
