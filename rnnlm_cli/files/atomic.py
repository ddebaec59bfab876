"""Atomic writes: a file is written whole or not at all."""

import os
from pathlib import Path
from typing import Any

from rnnlm_cli.errors import FileError


def replace_file(path: Path, *pieces: Any) -> None:
    """Write a file so that a kill at any moment leaves either the old file or the new one, whole.

    The data goes to a temporary file in the same folder, which is flushed to the disk and then
    renamed. If `path` is a symbolic link, the file that it points to is replaced.

    Args:
        pieces: bytes or arrays, which are written one after the other.
    Raises: FileError if the file cannot be written; the temporary file is deleted in that case.
    """
    target = Path(os.path.realpath(path))
    temporary = temporary_path(target)
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
        raise unwritable_error(path, error) from None


def require_folder(path: Path, *, option: str) -> None:
    """Raise FileError, naming the option to change, if the folder of a file does not exist."""
    if not os.path.isdir(path.parent):
        raise FileError(
            f"{path}: the folder {path.parent} does not exist. Create it, or choose another "
            f"{option}"
        )


def temporary_path(path: Path) -> Path:
    """Return the path of the temporary file that this process writes in place of `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def unwritable_error(path: Path, error: OSError) -> FileError:
    """Return the error that says why a file cannot be written."""
    return FileError(
        f"{path}: cannot be written ({error.strerror or error}); a folder with room that you "
        "may write to is needed. Name another file"
    )
