"""The one decision whether a path may be written: never over what rnnlm did not write."""

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from rnnlm_cli.errors import FileError
from rnnlm_cli.files.atomic import (
    read_mode,
    remove_temporaries,
    replace_file,
    require_folder,
    require_room,
    unwritable_error,
)
from rnnlm_cli.files.run_files import OLD, RunFileKind, companion, companions, identify

NAMES = {
    RunFileKind.MODEL: "a model", RunFileKind.CHECKPOINT: "a checkpoint",
    RunFileKind.WEIGHTS: "exported weights", RunFileKind.HISTORY: "the history of a training run",
    RunFileKind.PLOT: "a plot", RunFileKind.PAGE: "a page",
}


def may_replace(path: Path, kind: RunFileKind) -> bool:
    """Return whether a file of this kind may be written to a path.

    Returns: True if nothing stands there, or an empty file, or a file of the same kind that rnnlm
        wrote. False for everything else, whatever cannot be read or recognised included.
    """
    try:
        if not os.path.lexists(os.path.realpath(path)):
            return True
        if os.path.isfile(path) and os.path.getsize(path) == 0:
            return True
    except OSError:
        return False
    return identify(path) is kind


def require_replaceable(
    path: Path, kind: RunFileKind, *, option: str, force: bool | None = None
) -> None:
    """Check that a file of this kind may be written to a path.

    Args:
        option: the option to change, for the message.
        force: whether the user insists on replacing a file that rnnlm did not write; None if the
            command has no --force.
    Raises: FileError if the folder is missing, or if a file stands there that must be kept.
    """
    require_folder(path, option=option)
    if may_replace(path, kind) or (force and os.path.isfile(path)):
        return
    insist = ", or insist with --force" if force is False and os.path.isfile(path) else ""
    raise _foreign_error(path, kind, f"choose another {option}{insist}")


def require_run_files_writable(path: Path, *, ignored: Collection[str] = ()) -> None:
    """Check before the training that a model and its companion files can be written.

    Args:
        ignored: endings of companion files that may be anything.
    Raises: FileError if the folder is missing or read-only, or if a file that rnnlm did not write
        would be overwritten.
    """
    if os.path.isdir(path):
        raise FileError(f"{path}: is a folder; a file name is needed. Choose another --out")
    require_folder(path, option="--out")
    for each, kind in companions(path).items():
        is_ignored = any(each == companion(path, ending) for ending in ignored)
        if not (is_ignored or may_replace(each, kind)):
            raise _foreign_error(each, kind, "choose another --out")
    require_room(path)


def require_no_input(
    outputs: Iterable[Path], inputs: Iterable[str | Path], *, option: str
) -> None:
    """Raise FileError if a file that a command writes is also one that it reads.

    Args:
        outputs, inputs: paths; those that do not exist are ignored.
        option: the option to change, for the message.
    """
    existing = [each for each in outputs if os.path.exists(each)]
    for each in filter(os.path.exists, inputs):
        for output in existing:
            if os.path.samefile(each, output):
                raise FileError(
                    f"{output}: would be overwritten, and this command reads it; another file is "
                    f"needed. Choose another {option}"
                )


def keep_old(path: Path) -> Path | None:
    """Copy a model file to FILE.old. Returns the path of the copy, or None if there is no model.

    Raises: FileError if the copy cannot be written, or if one of the two is a file that rnnlm did
        not write.
    """
    old = companion(path, OLD)
    for each in (path, old):
        if not may_replace(each, RunFileKind.MODEL):
            raise _foreign_error(each, RunFileKind.MODEL, "choose another --out")
    if not os.path.isfile(path):
        return None
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: cannot be kept as {old} ({error.strerror})") from None
    replace_file(old, data, mode=read_mode(path))
    return old


def set_aside(path: Path) -> Path:
    """Rename a file to FILE.old, FILE.old2, ..., the first name that is free, and return it.

    Raises: FileError if the file cannot be renamed.
    """
    old, number = companion(path, OLD), 1
    while os.path.lexists(old):
        number += 1
        old = companion(path, f"{OLD}{number}")
    try:
        os.rename(path, old)
    except OSError as error:
        raise unwritable_error(old, error) from None
    return old


def remove_leftovers(path: Path) -> None:
    """Delete the temporary files that killed processes left of a model and its companions."""
    for each in companions(path):
        remove_temporaries(each)


def _foreign_error(path: Path, kind: RunFileKind, next_step: str) -> FileError:
    return FileError(
        f"{path}: exists and is not recognised as {NAMES[kind]} of rnnlm, so it is not "
        f"overwritten. Move it away, or {next_step}"
    )
