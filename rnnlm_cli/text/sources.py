"""The names that a user gives for a text -> the files that contain it, and their identities."""

import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from rnnlm_cli.errors import TextError
from rnnlm_cli.files.run_files import has_run_file_name, identify
from rnnlm_cli.messages import Messages
from rnnlm_cli.text.decompress import SUFFIXES
from rnnlm_cli.text.raw_bytes import STDIN, is_stream, read_raw_chunks

HEAD_BYTES = 8192  # the part of a file that decides between text and binary
CACHE_TAG = "CACHEDIR.TAG"  # in folders that are caches, https://bford.info/cachedir/


@dataclass(frozen=True)
class Sources:
    """The texts of a run as the user named them: files, folders, patterns, or "-" for stdin.

    Args:
        train: the texts to train on. Without `valid`, their end is held out for validation.
        valid: separate validation texts.
        test: texts that are scored once, at the end.
    """

    train: tuple[str, ...]
    valid: tuple[str, ...] = ()
    test: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, given in (("train", self.train), ("valid", self.valid), ("test", self.test)):
            if isinstance(given, str):
                raise TextError(
                    f"{name}: one string given; a tuple of names is needed. "
                    f"Write Sources({name}=({given!r},))"
                )

    def absolute(self) -> "Sources":
        """Return the same sources with absolute paths."""
        return Sources(*(
            tuple(map(_make_absolute, names)) for names in (self.train, self.valid, self.test)
        ))

    @property
    def reads_stdin(self) -> bool:
        """True if standard input is one of the sources."""
        return STDIN in (*self.train, *self.valid, *self.test)

    @property
    def reads_stream(self) -> bool:
        """True if one of the sources can be read only once: standard input, or a pipe."""
        return any(map(is_stream, (*self.train, *self.valid, *self.test)))


@dataclass(frozen=True)
class FoundFiles:
    """The files that the names resolve to, and the non-text files that were skipped."""

    files: tuple[str, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class FileIdentity:
    """The identity of an input file: path, size and SHA-256."""

    path: str
    num_bytes: int
    sha256: str


@dataclass(frozen=True)
class SourceFiles:
    """The files of a corpus, for each part.

    Args:
        identities: the identities of a part's files.
        paths: the paths from which a part is read; for a stream, the path of its copy.
        streams: the streams, as the user named them, by the paths of their copies.
    """

    identities: dict[str, tuple[FileIdentity, ...]]
    paths: dict[str, list[str]]
    streams: dict[str, str]

    @property
    def files(self) -> tuple[FileIdentity, ...]:
        """The identities of the files of all parts."""
        return tuple(file for files in self.identities.values() for file in files)

    @property
    def sha256s(self) -> dict[str, list[str]]:
        """The checksums of the paths of each part."""
        return {name: [file.sha256 for file in files] for name, files in self.identities.items()}


def find_files(
    names: Sequence[str], *, any_bytes: bool = False, cache_folder: Path | None = None
) -> FoundFiles:
    """Find the files that names stand for.

    A folder stands for all files below it, except hidden files, binary files, files that rnnlm
    wrote, and caches. A name that contains * ? or [ and is not an existing file is a pattern, in
    which ** stands for any number of folders. The files keep the order of the names; those of one
    name are sorted.

    Args:
        any_bytes: accept binary files in folders.
        cache_folder: a folder of encoded texts, which are not texts.
    Raises: TextError if a folder contains no text or a pattern matches no file.
    """
    files: list[str] = []
    skipped: list[str] = []
    for name in names:
        if os.path.isdir(name):
            below = sorted(_list_files_below(name, cache_folder))
            texts = [path for path in below if _is_text(path, any_bytes)]
            skipped += sorted(set(below) - set(texts))
            if not texts:
                raise TextError(f"{name}: is a folder without a text file; a text is needed")
            files += texts
        elif _is_pattern(name):
            matches = sorted(filter(os.path.isfile, glob.glob(name, recursive=True)))
            if not matches:
                raise TextError(f"{name}: no file fits this pattern; a text file is needed")
            files += matches
        else:
            files.append(name)
    return FoundFiles(tuple(files), tuple(skipped))


def identify_files(
    sources: Sources, *, copies: Path, any_bytes: bool, cache_folder: Path, messages: Messages
) -> SourceFiles:
    """Find the files, and read each one once to compute its identity.

    Args:
        copies: the folder to which streams are copied, as they can be read only once.
        any_bytes: accept binary files in folders.
        cache_folder: a folder of encoded texts, which are not texts.
        messages: receives notes and progress updates.
    Raises: TextError if a file cannot be found or read.
    """
    identities: dict[str, tuple[FileIdentity, ...]] = {}
    paths: dict[str, list[str]] = {}
    streams: dict[str, str] = {}
    for name, given in asdict(sources).items():
        if not given:
            continue
        found = find_files(given, any_bytes=any_bytes, cache_folder=cache_folder)
        if found.skipped:
            messages.note(
                f"skipped {len(found.skipped)} files that are not text; the first is "
                f"{found.skipped[0]}"
            )
        paths[name] = [
            str(copies / f"{name}{number}") if is_stream(path) else path
            for number, path in enumerate(found.files)
        ]
        identities[name] = tuple(
            _identify(path, None if read == path else Path(read), messages)
            for path, read in zip(found.files, paths[name], strict=True)
        )
        streams |= {
            read: "stdin" if path == STDIN else path
            for path, read in zip(found.files, paths[name], strict=True) if read != path
        }
    return SourceFiles(identities, paths, streams)


def _identify(path: str, copy_path: Path | None, messages: Messages) -> FileIdentity:
    """Read a text once, and copy it if a path for the copy is given."""
    digest, num_bytes = hashlib.sha256(), 0
    with messages.stage("reading", [path]) as advance:
        copy = None if copy_path is None else copy_path.open("xb")
        try:
            with closing(read_raw_chunks(path, decompress=False, advance=advance)) as chunks:
                for chunk in chunks:
                    digest.update(chunk)
                    num_bytes += len(chunk)
                    if copy is not None:
                        copy.write(chunk)
        finally:
            if copy is not None:
                copy.close()
    absolute = path if path == STDIN else os.path.abspath(path)
    return FileIdentity(absolute, num_bytes, digest.hexdigest())


def _make_absolute(name: str) -> str:
    if name == STDIN or os.path.isabs(name):
        return name
    if _is_pattern(name):  # escape the folder, whose name may contain * ? or [
        return os.path.join(glob.escape(os.getcwd()), name)
    return os.path.abspath(name)


def _is_pattern(name: str) -> bool:
    return name != STDIN and not os.path.lexists(name) and glob.has_magic(name)


def _list_files_below(folder: str, cache_folder: Path | None) -> Iterator[str]:
    cache = None if cache_folder is None else os.path.realpath(cache_folder)
    for at, folders, names in os.walk(folder):
        if os.path.realpath(at) == cache or CACHE_TAG in names:
            folders.clear()
            continue
        folders[:] = [each for each in folders if not each.startswith(".")]
        for name in names:
            path = os.path.join(at, name)
            is_hidden_or_ours = name.startswith(".") or has_run_file_name(name)
            if not is_hidden_or_ours and os.path.isfile(path):
                yield path


def _is_text(path: str, any_bytes: bool) -> bool:
    """Return whether a file is neither binary nor written by rnnlm, whatever its name.

    A file with a NUL byte in its first 8 KB counts as binary (git's rule); compressed files are
    accepted.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return True  # the error is reported when the file is read
    if identify(Path(path)) is not None:
        return False
    return any_bytes or path.endswith(SUFFIXES) or b"\0" not in head
