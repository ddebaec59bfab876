"""The files of a training run, and the refusal to overwrite files that rnnlm did not write."""

import os
from pathlib import Path

from rnnlm_cli.errors import FileError
from rnnlm_cli.files.atomic import replace_file, require_folder, temporary_path, unwritable_error

DEFAULT_MODEL = Path("model.rnnlm")
HEAD = b'{"__metadata__":{"rnnlm"'  # how they begin, after the eight bytes of the header's size
OLD, CHECKPOINT, HISTORY, PICTURE = ".old", ".state", ".jsonl", ".png"  # what stands beside a model
ENDINGS = ("", OLD, CHECKPOINT, HISTORY, PICTURE)
OTHER_HEADS = {HISTORY: (0, b'{"'), PICTURE: (0, b"\x89PNG\r\n\x1a\n")}  # where, what


def companion(path: Path, ending: str) -> Path:
    """The file of a model that has this ending."""
    return Path(f"{path}{ending}")


def keep_old(path: Path) -> Path | None:
    """Copy a model file to FILE.old beside it. Returns where it is, None where there was none."""
    if not path.is_file():
        return None
    old = companion(path, OLD)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: cannot be kept as {old} ({error.strerror})") from None
    replace_file(old, data)
    return old


def require_writable(path: Path) -> None:
    """Raise FileError now rather than after the training, if a model cannot be written."""
    if os.path.isdir(path):
        raise FileError(f"{path}: is a folder; a file name is needed. Choose another --out")
    require_folder(path, option="--out")
    for ending in ENDINGS:
        each = companion(path, ending)
        if not is_ours_or_free(each, ending):
            kind = "a model file" if ending in ("", OLD) else "of a training run"
            raise FileError(
                f"{each}: exists and is not {kind}, so it is not overwritten. "
                "Choose another --out"
            )
    temporary = temporary_path(path)
    try:
        temporary.write_bytes(b"")
        temporary.unlink()
    except OSError as error:
        raise unwritable_error(path, error) from None


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
