"""Files of ours: written whole or not at all, and never over a file that is not ours."""

import os
from pathlib import Path

from rnnlm_cli.errors import ModelFileError

HEAD = b'{"__metadata__":{"rnnlm"'  # how they begin, after the eight bytes of the header's size


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that a kill at any moment leaves the old one or the new one, whole.

    Raises: ModelFileError where it cannot be written; the temporary file is gone then.
    """
    target = Path(os.path.realpath(path))  # a link stays one
    temporary = _temporary(target)
    try:
        try:
            with temporary.open("wb") as file:
                file.write(data)
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
    old = _old(path)
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
    if not os.path.isdir(path.parent):
        raise ModelFileError(
            f"{path}: the folder {path.parent} does not exist. Create it, or choose another --out"
        )
    for each in (path, _old(path)):
        if not _is_ours_or_free(each):
            raise ModelFileError(
                f"{each}: exists and is not a model file, so it is not overwritten. "
                "Choose another --out"
            )
    temporary = _temporary(path)
    try:
        temporary.write_bytes(b"")
        temporary.unlink()
    except OSError as error:
        raise _unwritable(path, error) from None


def _is_ours_or_free(path: Path) -> bool:
    """Whether a path is free, or holds a file of ours or an empty one."""
    if not os.path.exists(path):
        return True
    if not os.path.isfile(path):  # a device, a pipe
        return False
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError:
        return False
    return not head or head[8:].startswith(HEAD)


def _old(path: Path) -> Path:
    return path.with_name(f"{path.name}.old")


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _unwritable(path: Path, error: OSError) -> ModelFileError:
    return ModelFileError(
        f"{path}: cannot be written ({error.strerror or error}); a folder with room that you "
        "may write to is needed. Name another file with --out"
    )
