"""A lock that keeps two processes from training the same model file."""

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from rnnlm_cli.errors import FileError
from rnnlm_cli.files.atomic import unwritable_error


class Lock:
    """A context manager that holds the lock of a model file: `.NAME.lock` beside it.

    The file holds the process id of the owner. The operating system releases the lock when the
    process ends, even if it is killed.

    Raises: FileError on entry if another process holds the lock, or if the lock file cannot be
        written.
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
                raise unwritable_error(self._subject, error) from None
            if not _try_to_lock(file):
                file.seek(0)
                process = file.read().strip()
                file.close()
                raise FileError(
                    f"{self._subject}: is being trained by another process ({process or 'new'}); "
                    "one at a time is needed. Wait for it, stop it, or choose another --out"
                )
            if self._path.exists() and os.path.samestat(
                os.fstat(file.fileno()), os.stat(self._path)
            ):
                self._file = file
            else:  # the previous owner deleted the file after it was opened here: try again
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
        if sys.platform != "win32":  # Windows cannot delete an open file
            self._path.unlink(missing_ok=True)
        self._file.close()
        self._file = None


def _try_to_lock(file: IO[str]) -> bool:
    """Lock a file without waiting. Returns whether no other process holds the lock.

    On a file system that has no locks this always succeeds.
    """
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
