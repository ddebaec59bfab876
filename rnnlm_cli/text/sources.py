"""What a person names as a text -> the files that hold it, in order."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rnnlm_cli.errors import TextError
from rnnlm_cli.text.reading import STDIN, SUFFIXES

HEAD_BYTES = 8192  # looked at, to tell text from binary files
OUR_NAMES, OUR_HISTORY = ".rnnlm", b'{"step": '  # of what training writes: names, a first line


@dataclass(frozen=True)
class Sources:
    """The texts of a run as they were named: files, folders, patterns, or "-" for stdin.

    Args:
        train: what to train on; without `valid` its end is the validation text.
        valid: validation texts of their own.
        test: texts to score once, at the end.
    """

    train: tuple[str, ...]
    valid: tuple[str, ...] = ()
    test: tuple[str, ...] = ()

    def absolute(self) -> "Sources":
        """The same, to be found from any folder."""
        return Sources(*(
            tuple(map(_absolute, names)) for names in (self.train, self.valid, self.test)
        ))

    @property
    def read_stdin(self) -> bool:
        """Whether standard input is one of them."""
        return STDIN in (*self.train, *self.valid, *self.test)


@dataclass(frozen=True)
class Found:
    """The files of some names, and those that a folder holds which are no text."""

    files: tuple[str, ...]
    skipped: tuple[str, ...]


def find_files(names: Sequence[str], *, any_bytes: bool = False) -> Found:
    """The files that names stand for, in the order of the names, those of each one sorted.

    A folder gives all files below it, but for hidden ones, binary ones and models of ours. A name
    with * ? or [ that is no file is a pattern, in which ** stands for any folders.

    Args:
        any_bytes: whether binary files are as good as others.
    Raises: TextError where a folder holds no text or a pattern fits no file.
    """
    files: list[str] = []
    skipped: list[str] = []
    for name in names:
        if os.path.isdir(name):
            below = sorted(_files_below(name))
            texts = [path for path in below if _is_text(path, any_bytes)]
            skipped += sorted(set(below) - set(texts))
            if not texts:
                raise TextError(f"{name}: is a folder without a text file; a text is needed")
            files += texts
        elif _is_pattern(name):
            matches = sorted(filter(os.path.isfile, glob.glob(name, recursive=True)))
            if not matches:
                raise TextError(f"{name}: no file fits this pattern; a text file is needed")
            files += matches
        else:
            files.append(name)
    return Found(tuple(files), tuple(skipped))


def _absolute(name: str) -> str:
    if name == STDIN or os.path.isabs(name):
        return name
    if _is_pattern(name):  # in a folder whose own name may look like one
        return os.path.join(glob.escape(os.getcwd()), name)
    return os.path.abspath(name)


def _is_pattern(name: str) -> bool:
    return name != STDIN and not os.path.lexists(name) and glob.has_magic(name)


def _files_below(folder: str) -> Iterator[str]:
    for at, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".")]
        for name in names:
            path = os.path.join(at, name)
            if not name.startswith(".") and OUR_NAMES not in name and os.path.isfile(path):
                yield path


def _is_text(path: str, any_bytes: bool) -> bool:
    """Whether a file is neither the history of a run, whatever it is called, nor binary.

    Binary are NUL bytes near the beginning, as git decides it; packed files pass.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return True  # what is wrong with it is said when it is read
    if head.startswith(OUR_HISTORY):
        return False
    return any_bytes or path.endswith(SUFFIXES) or b"\0" not in head
