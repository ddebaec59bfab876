"""The files of a training run: their names, their first bytes, and which may be overwritten.

This is the only place that knows by which bytes a file of rnnlm is recognised.
"""

import json
import os
from enum import Enum
from pathlib import Path
from typing import IO

from rnnlm_cli.errors import FileError
from rnnlm_cli.files.atomic import replace_file, require_folder, temporary_path, unwritable_error
from rnnlm_cli.files.safetensors_header import METADATA_KEY, SIZE_BYTES, HeaderError, read_header

DEFAULT_MODEL = Path("model.rnnlm")
MODEL_SUFFIX = ".rnnlm"  # of the names that models usually have
OLD, CHECKPOINT, HISTORY, PLOT = ".old", ".state", ".jsonl", ".png"  # endings of companion files

HEAD_BYTES = 64
CONTAINER_HEAD = f'{{"__metadata__":{{"{METADATA_KEY}"'.encode()  # after the size of the header
HISTORY_HEAD = b'{"step": '
JSON_LINES_HEAD = b'{"'
PNG_HEAD = b"\x89PNG\r\n\x1a\n"


class RunFileKind(Enum):
    """A kind of file that rnnlm writes. The values of the first three are their format tags."""

    MODEL = "rnnlm-model"
    CHECKPOINT = "rnnlm-state"
    WEIGHTS = "rnnlm-weights"
    HISTORY = "history"
    PLOT = "plot"


COMPANIONS = {  # by their ending; the model itself has none
    "": RunFileKind.MODEL, OLD: RunFileKind.MODEL, CHECKPOINT: RunFileKind.CHECKPOINT,
    HISTORY: RunFileKind.HISTORY, PLOT: RunFileKind.PLOT,
}
TAGGED = {
    kind.value: kind for kind in (RunFileKind.MODEL, RunFileKind.CHECKPOINT, RunFileKind.WEIGHTS)
}


def companion(path: Path, ending: str) -> Path:
    """Return the path of a companion file of a model, e.g. `model.rnnlm.jsonl`."""
    return Path(f"{path}{ending}")


def has_run_file_name(name: str) -> bool:
    """Return whether a file is named like a model or like a companion file of one."""
    return MODEL_SUFFIX in name


def is_run_history(head: bytes) -> bool:
    """Return whether a file that begins with these bytes is the history of a training run."""
    return head.startswith(HISTORY_HEAD)


def identify(path: Path) -> RunFileKind | None:
    """Return the kind of a file by its beginning, whatever its name is.

    Returns: None for a file that rnnlm does not write, that is damaged at its beginning, or that
        cannot be read. A PNG counts as a plot, whichever program drew it.
    """
    if not os.path.isfile(path):
        return None
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if is_run_history(head):
                return RunFileKind.HISTORY
            if head.startswith(PNG_HEAD):
                return RunFileKind.PLOT
            tag = _read_tag(file)
            return None if tag is None else TAGGED.get(tag)
    except (OSError, HeaderError):
        return None


def may_replace(path: Path, kind: RunFileKind) -> bool:
    """Return whether a file of this kind may be written to a path.

    Returns: True for a path where nothing stands, for an empty file, and for a file that begins
        like one of this kind: like any container of rnnlm for a model or a checkpoint; like any
        JSON lines for a history; like any PNG for a plot. Weights may also replace a safetensors
        file of another program.
    """
    if not os.path.exists(path):
        return True
    if not os.path.isfile(path):  # a device or a pipe
        return False
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if not head:
                return True
            if kind is RunFileKind.HISTORY:
                return head.startswith(JSON_LINES_HEAD)
            if kind is RunFileKind.PLOT:
                return head.startswith(PNG_HEAD)
            if kind is RunFileKind.WEIGHTS:
                return _read_tag(file) in (None, RunFileKind.WEIGHTS.value)
            return head[SIZE_BYTES:].startswith(CONTAINER_HEAD)
    except (OSError, HeaderError):
        return False


def require_writable(path: Path) -> None:
    """Check before the training that a model and its companion files can be written.

    Raises: FileError if the folder is missing or read-only, or if a file that rnnlm did not write
        would be overwritten.
    """
    if os.path.isdir(path):
        raise FileError(f"{path}: is a folder; a file name is needed. Choose another --out")
    require_folder(path, option="--out")
    for ending, kind in COMPANIONS.items():
        each = companion(path, ending)
        if not may_replace(each, kind):
            name = "a model file" if kind is RunFileKind.MODEL else "of a training run"
            raise FileError(
                f"{each}: exists and is not {name}, so it is not overwritten. "
                "Choose another --out"
            )
    temporary = temporary_path(path)
    try:
        temporary.write_bytes(b"")
        temporary.unlink()
    except OSError as error:
        raise unwritable_error(path, error) from None


def keep_old(path: Path) -> Path | None:
    """Copy a model file to FILE.old. Returns the path of the copy, or None if there is no model."""
    if not path.is_file():
        return None
    old = companion(path, OLD)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: cannot be kept as {old} ({error.strerror})") from None
    replace_file(old, data)
    return old


def remove_leftovers(path: Path) -> None:
    """Delete the temporary files that killed processes left of a model and its companions."""
    names = {f".{path.name}{ending}" for ending in COMPANIONS}
    for each in path.parent.iterdir():
        name, _, process = each.name.removesuffix(".tmp").rpartition(".")
        if each.suffix == ".tmp" and name in names and process.isdigit():
            each.unlink(missing_ok=True)


def _read_tag(file: IO[bytes]) -> str | None:
    """Return the format tag of an open safetensors file; None if another program wrote it.

    Raises: HeaderError for a file that is not a safetensors file, or whose description is damaged.
    """
    entry = read_header(file).metadata.get(METADATA_KEY)
    if entry is None:
        return None
    try:
        return str(json.loads(entry)["format"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise HeaderError("description") from None
