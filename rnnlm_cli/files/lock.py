"""A lock that keeps two processes from training the same model file."""

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.files.atomic import unwritable_error


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
                raise unwritable_error(self._subject, error) from None
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
