"""Files of ours: written whole or not at all, and never over a file that is not ours."""

import os
from pathlib import Path

from rnnlm_cli.errors import ModelFileError

HEAD = b'{"__metadata__":{"rnnlm"'  # how they begin, after the eight bytes of the header's size


def replace_file(path: Path, data: bytes, *, named: Path | None = None) -> None:
    """Write a file so that a kill at any moment leaves the old one or the new one, whole.

    Args:
        named: what an error calls the file; None for its own path.
    Raises: ModelFileError where it cannot be written; the temporary file is gone then.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ModelFileError(
            f"{named or path}: cannot be written ({error.strerror or error}); a folder with room "
            "that you may write to is needed. Name another file with --out"
        ) from None


def require_writable(path: Path) -> None:
    """Raise ModelFileError now rather than after the training, if a model cannot be written.

    A file that is not a model of ours is never overwritten.
    """
    if path.is_dir():
        raise ModelFileError(f"{path}: is a folder; a file name is needed. Choose another --out")
    if not path.parent.is_dir():
        raise ModelFileError(
            f"{path}: the folder {path.parent} does not exist. Create it, or choose another --out"
        )
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError:
        head = b""
    if head and not head[8:].startswith(HEAD):
        raise ModelFileError(
            f"{path}: exists and is not a model file, so it is not overwritten. "
            "Choose another --out"
        )
    probe = path.with_name(f"{path.name}.probe")
    replace_file(probe, b"", named=path)
    probe.unlink()


def keep_old(path: Path) -> Path | None:
    """Copy a model file to FILE.old beside it. Returns where it is, None where there was none."""
    if not path.is_file():
        return None
    old = path.with_name(f"{path.name}.old")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be kept as {old} ({error.strerror})") from None
    replace_file(old, data)
    return old
