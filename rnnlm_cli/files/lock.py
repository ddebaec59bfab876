"""A lock that keeps two processes from training the same model file."""

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from rnnlm_cli.errors import FileError
from rnnlm_cli.files.atomic import NO_FOLLOW, unwritable_error
from rnnlm_cli.files.flock import try_to_lock

MAX_DIGITS = 20  # of a process id


class Lock:
    """A context manager that holds the lock of a model file: `.NAME.lock` beside it.

    The file holds the process id of the owner. The operating system releases the lock when the
    process ends, even if it is killed. A link or a file with other contents is not touched.

    Raises: FileError on entry if another process holds the lock, if something else stands in the
        place of the lock file, or if it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._subject = path
        self._path = path.with_name(f".{path.name}.lock")
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        try:
            while self._descriptor is None:
                self._descriptor = self._try_to_enter()
        except OSError as error:
            raise unwritable_error(self._subject, error) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._descriptor is not None
        if sys.platform != "win32":  # Windows cannot delete an open file
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = None

    def _try_to_enter(self) -> int | None:
        """Open, lock and sign the lock file.

        Returns: its descriptor; None if the owner before deleted the file in the meantime.
        Raises: FileError, or OSError as the system raises it.
        """
        if self._path.is_symlink() or (self._path.exists() and not self._path.is_file()):
            raise self._foreign_error()
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | NO_FOLLOW, 0o666)
        try:
            process = os.read(descriptor, MAX_DIGITS + 1)
            if process and not (process.isdigit() and len(process) <= MAX_DIGITS):
                raise self._foreign_error()
            if not try_to_lock(descriptor):
                raise FileError(
                    f"{self._subject}: is being trained by another process "
                    f"({process.decode() or 'new'}); one at a time is needed. Wait for it, stop "
                    "it, or choose another --out"
                )
            if self._is_in_place(descriptor):
                self._sign(descriptor)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def _sign(self, descriptor: int) -> None:
        """Write the process id into the lock file; delete the file if that fails."""
        try:
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, str(os.getpid()).encode())
        except OSError:
            self._path.unlink(missing_ok=True)
            raise

    def _is_in_place(self, descriptor: int) -> bool:
        """Return whether the path still names the file that was opened."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.lstat(self._path))
        except FileNotFoundError:
            return False

    def _foreign_error(self) -> FileError:
        return FileError(
            f"{self._path}: exists and is no lock file of rnnlm, so it is not overwritten. Move "
            "it away, or choose another --out"
        )
