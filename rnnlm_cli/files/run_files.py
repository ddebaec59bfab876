"""The files of a training run: their names, and the bytes by which they are recognised.

This is the only place that knows by which bytes a file of rnnlm is recognised.
"""

import json
import os
from enum import Enum
from pathlib import Path
from typing import IO

from rnnlm_cli.files.safetensors_header import METADATA_KEY, HeaderError, read_header

DEFAULT_MODEL = Path("model.rnnlm")
MODEL_SUFFIX = ".rnnlm"  # of the names that models usually have
OLD, CHECKPOINT, HISTORY, PLOT = ".old", ".state", ".jsonl", ".png"  # endings of companion files

HEAD_BYTES = 4096  # a first line, or the chunks before the pixels, are shorter
HISTORY_KEYS = {"step", "seconds", "tokens", "loss", "valid_nats"}  # of every record
PNG_HEAD = b"\x89PNG\r\n\x1a\n"
PLOT_SOFTWARE = "rnnlm"  # the value of "Software" in the metadata of a plot
PLOT_MARK = f"tEXtSoftware\0{PLOT_SOFTWARE}".encode()
PAGE = ".html"  # the ending of a page, which is no companion of a run
PAGE_HEAD, PAGE_MARK = b"<!doctype html>", b'<meta name="generator" content="rnnlm '


class RunFileKind(Enum):
    """A kind of file that rnnlm writes. The values of the first three are their format tags."""

    MODEL = "rnnlm-model"
    CHECKPOINT = "rnnlm-state"
    WEIGHTS = "rnnlm-weights"
    HISTORY = "history"
    PLOT = "plot"
    PAGE = "page"


KINDS = {  # of a model and its companions, by their endings; the model itself has none
    "": RunFileKind.MODEL, OLD: RunFileKind.MODEL, CHECKPOINT: RunFileKind.CHECKPOINT,
    HISTORY: RunFileKind.HISTORY, PLOT: RunFileKind.PLOT,
}
TAGGED = {
    kind.value: kind for kind in (RunFileKind.MODEL, RunFileKind.CHECKPOINT, RunFileKind.WEIGHTS)
}


def companion(path: Path, ending: str) -> Path:
    """Return the path of a companion file of a model, e.g. `model.rnnlm.jsonl`."""
    return Path(f"{path}{ending}")


def companions(path: Path) -> dict[Path, RunFileKind]:
    """Return the paths of a model and all its companion files, and their kinds."""
    return {companion(path, ending): kind for ending, kind in KINDS.items()}


def has_run_file_name(name: str) -> bool:
    """Return whether a file is named like a model or like a companion file of one."""
    return MODEL_SUFFIX in name


def is_run_history(head: bytes) -> bool:
    """Return whether a file that begins with these bytes is the history of a training run.

    The first line must be a whole record. Histories of other programs begin with similar keys.
    """
    line, newline, _ = head.partition(b"\n")
    if not newline:
        return False
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and record.keys() >= HISTORY_KEYS


def identify(path: Path) -> RunFileKind | None:
    """Return the kind of a file by its beginning, whatever its name is.

    Returns: None for a file that rnnlm did not write, that is damaged at its beginning, or that
        cannot be read.
    """
    if not os.path.isfile(path):
        return None
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if is_run_history(head):
                return RunFileKind.HISTORY
            if head.startswith(PNG_HEAD):
                return RunFileKind.PLOT if PLOT_MARK in head else None
            if head.startswith(PAGE_HEAD):
                return RunFileKind.PAGE if PAGE_MARK in head else None
            tag = _read_tag(file)
            return None if tag is None else TAGGED.get(tag)
    except (OSError, HeaderError):
        return None


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
