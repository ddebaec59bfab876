"""Atomic writes: a file is written whole or not at all."""

import os
from pathlib import Path
from typing import Any

from rnnlm_cli.errors import ModelFileError


def replace_file(path: Path, *pieces: Any) -> None:
    """Write a file so that a kill at any moment leaves the old one or the new one, whole.

    Args:
        pieces: bytes or arrays, to be written one after the other.
    Raises: ModelFileError where it cannot be written; the temporary file is gone then.
    """
    target = Path(os.path.realpath(path))  # a link stays one
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
    """Raise ModelFileError, naming the option to change, where a file's folder does not exist."""
    if not os.path.isdir(path.parent):
        raise ModelFileError(
            f"{path}: the folder {path.parent} does not exist. Create it, or choose another "
            f"{option}"
        )


def temporary_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def unwritable_error(path: Path, error: OSError) -> ModelFileError:
    return ModelFileError(
        f"{path}: cannot be written ({error.strerror or error}); a folder with room that you "
        "may write to is needed. Name another file"
    )
