"""Files of ours: written whole or not at all, and never over a file that is not ours."""

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from rnnlm_cli.errors import ModelFileError, RnnlmError

HEAD = b'{"__metadata__":{"rnnlm"'  # how they begin, after the eight bytes of the header's size
OLD, STATE, HISTORY, PICTURE = ".old", ".state", ".jsonl", ".png"  # what stands beside a model
ENDINGS = ("", OLD, STATE, HISTORY, PICTURE)
OTHER_HEADS = {HISTORY: (0, b'{"'), PICTURE: (0, b"\x89PNG\r\n\x1a\n")}  # where, what


def beside(path: Path, ending: str) -> Path:
    """The file of a model that has this ending."""
    return Path(f"{path}{ending}")


def replace_file(path: Path, *pieces: Any) -> None:
    """Write a file so that a kill at any moment leaves the old one or the new one, whole.

    Args:
        pieces: bytes or arrays, to be written one after the other.
    Raises: ModelFileError where it cannot be written; the temporary file is gone then.
    """
    target = Path(os.path.realpath(path))  # a link stays one
    temporary = _temporary(target)
    try:
        try:
            with temporary.open("wb") as file:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from None


def keep_old(path: Path) -> Path | None:
    """Copy a model file to FILE.old beside it. Returns where it is, None where there was none."""
    if not path.is_file():
        return None
    old = beside(path, OLD)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be kept as {old} ({error.strerror})") from None
    replace_file(old, data)
    return old


def require_writable(path: Path) -> None:
    """Raise ModelFileError now rather than after the training, if a model cannot be written."""
    if os.path.isdir(path):
        raise ModelFileError(f"{path}: is a folder; a file name is needed. Choose another --out")
    require_folder(path, option="--out")
    for ending in ENDINGS:
        each = beside(path, ending)
        if not is_ours_or_free(each, ending):
            kind = "a model file" if ending in ("", OLD) else "of a training run"
            raise ModelFileError(
                f"{each}: exists and is not {kind}, so it is not overwritten. "
                "Choose another --out"
            )
    temporary = _temporary(path)
    try:
        temporary.write_bytes(b"")
        temporary.unlink()
    except OSError as error:
        raise _unwritable(path, error) from None


def require_folder(path: Path, *, option: str) -> None:
    """Raise ModelFileError, naming the option to change, where a file's folder does not exist."""
    if not os.path.isdir(path.parent):
        raise ModelFileError(
            f"{path}: the folder {path.parent} does not exist. Create it, or choose another "
            f"{option}"
        )


def is_ours_or_free(path: Path, ending: str) -> bool:
    """Whether a path is free, or holds an empty file or one that begins as ours of this ending."""
    if not os.path.exists(path):
        return True
    if not os.path.isfile(path):  # a device, a pipe
        return False
    begin, head = OTHER_HEADS.get(ending, (8, HEAD))
    try:
        with path.open("rb") as file:
            found = file.read(64)
    except OSError:
        return False
    return not found or found[begin:].startswith(head)


def remove_leftovers(path: Path) -> None:
    """Delete what processes that were killed left unfinished of a model's files."""
    names = {f".{path.name}{ending}" for ending in ENDINGS}
    for each in path.parent.iterdir():
        name, _, process = each.name.removesuffix(".tmp").rpartition(".")
        if each.suffix == ".tmp" and name in names and process.isdigit():
            each.unlink(missing_ok=True)


class Lock:
    """Keeps a second process away from a model's files, for as long as this one lives.

    The system lets go of it when the process ends, however it does.
    """

    def __init__(self, path: Path) -> None:
        self._subject = path
        self._path = path.with_name(f".{path.name}.lock")
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        while self._file is None:
            try:
                file = self._path.open("a+", encoding="ascii")
            except OSError as error:
                raise _unwritable(self._subject, error) from None
            if not _try_to_lock(file):
                file.seek(0)
                process = file.read().strip()
                file.close()
                raise RnnlmError(
                    f"{self._subject}: is being trained by another process ({process or 'new'}); "
                    "one at a time is needed. Wait for it, stop it, or choose another --out"
                )
            if self._path.exists() and os.path.samestat(
                os.fstat(file.fileno()), os.stat(self._path)
            ):
                self._file = file
            else:  # whoever held it has deleted it since it was opened
                file.close()
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._file is not None
        if sys.platform != "win32":  # where an open file cannot be deleted
            self._path.unlink(missing_ok=True)
        self._file.close()
        self._file = None


def _try_to_lock(file: IO[str]) -> bool:
    """Whether nobody else holds the lock of this file; a file system without locks has none."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
    else:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass
    return True


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _unwritable(path: Path, error: OSError) -> ModelFileError:
    return ModelFileError(
        f"{path}: cannot be written ({error.strerror or error}); a folder with room that you "
        "may write to is needed. Name another file"
    )
