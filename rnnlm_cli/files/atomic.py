"""Atomic writes: a file is written whole or not at all."""

import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from rnnlm_cli.errors import FileError
from rnnlm_cli.files.flock import try_to_lock

NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)  # not on Windows
BINARY = getattr(os, "O_BINARY", 0)  # only on Windows
TEMPORARY_NAME = re.compile(r"\.(.+)\.(?:[0-9a-f]{8}|[0-9]+)\.tmp")  # digits: of rnnlm 0.1


def replace_file(path: Path, *pieces: Any, mode: int | None = None) -> None:
    """Write a file so that a kill at any moment leaves either the old file or the new one, whole.

    The data goes to a temporary file in the same folder, which is flushed to the disk and then
    renamed. If `path` is a symbolic link, the file that it points to is replaced.

    Args:
        pieces: bytes or arrays, which are written one after the other.
        mode: the permissions of the file; None takes those of the file that is replaced, or the
            usual ones for a new file.
    Raises: FileError if the file cannot be written; the temporary file is deleted in that case.
    """
    target = Path(os.path.realpath(path))
    mode = read_mode(target) if mode is None else mode
    try:
        with _open_temporary(target) as (file, temporary):
            if mode is not None and hasattr(os, "fchmod"):
                with suppress(OSError):  # some file systems have no permissions
                    os.fchmod(file.fileno(), mode)
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
            if sys.platform == "win32":  # where an open file cannot be renamed
                file.close()
            os.replace(temporary, target)
        sync_folder(target.parent)
    except OSError as error:
        raise unwritable_error(path, error) from None


def read_mode(path: Path) -> int | None:
    """Return the permissions of a file; None if there is no such file."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode) & 0o777
    except OSError:
        return None


def require_folder(path: Path, *, option: str) -> None:
    """Raise FileError, naming the option to change, if the folder of a file does not exist."""
    if not os.path.isdir(path.parent):
        raise FileError(
            f"{path}: the folder {path.parent} does not exist. Create it, or choose another "
            f"{option}"
        )


def require_room(path: Path) -> None:
    """Raise FileError if no file can be created beside `path`."""
    try:
        with _open_temporary(Path(os.path.realpath(path))):
            pass
    except OSError as error:
        raise unwritable_error(path, error) from None


def remove_temporaries(path: Path) -> None:
    """Delete the temporary files that killed processes left behind when they wrote a file.

    A temporary file that a living process writes is locked, and stays.
    """
    target = Path(os.path.realpath(path))
    try:
        names = os.listdir(target.parent)
    except OSError:  # a folder that may be written but not read
        return
    for name in names:
        match = TEMPORARY_NAME.fullmatch(name)
        if match is not None and match[1] == target.name:
            with suppress(OSError):
                _remove_if_unlocked(target.with_name(name))


def unwritable_error(path: Path, error: OSError) -> FileError:
    """Return the error that says why a file cannot be written."""
    return FileError(
        f"{path}: cannot be written ({error.strerror or error}); a folder with room that you "
        "may write to is needed. Name another file"
    )


@contextmanager
def _open_temporary(target: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """Create and lock a temporary file beside `target`; delete it unless it was renamed.

    The file is created exclusively, so that nothing that stands there, a link least of all, is
    written to.
    """
    while True:
        path = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_FOLLOW | BINARY
        try:
            descriptor = os.open(path, flags, 0o666)
        except FileExistsError:
            continue
        with open(descriptor, "wb") as file:
            # Another process may have found the file before it was locked, and deleted it.
            if not (try_to_lock(descriptor) and os.fstat(descriptor).st_nlink):
                continue
            try:
                yield file, path
            finally:
                path.unlink(missing_ok=True)
            return


def _remove_if_unlocked(path: Path) -> None:
    """Delete a regular file that no process has locked."""
    descriptor = os.open(path, os.O_RDWR | NO_FOLLOW | getattr(os, "O_NONBLOCK", 0))
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and try_to_lock(descriptor):
            path.unlink()
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Flush a folder to the disk, so that a rename in it survives a power cut."""
    with suppress(OSError):  # not every system can open or flush a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
