"""Opening of files that must be regular, because a pipe or a device can wait for ever."""

import errno
import os
import stat
from pathlib import Path
from typing import IO

NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # not on Windows


class IrregularFileError(OSError):
    """A pipe, a device or a socket stands where a regular file is needed."""


def open_regular_file(path: Path) -> IO[bytes]:
    """Open a regular file for reading, without waiting for anything.

    Raises: OSError as `open` does; IrregularFileError, also an OSError, for a pipe, a device or a
        socket, which is not opened.
    """
    _require_regular(os.stat(path), path)
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | NO_WAIT))
    try:
        _require_regular(os.fstat(file.fileno()), path)  # it may have been replaced since
    except BaseException:
        file.close()
        raise
    return file


def _require_regular(status: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise IrregularFileError(
            errno.EINVAL, "it is a pipe or a device, and a regular file is needed", str(path)
        )
