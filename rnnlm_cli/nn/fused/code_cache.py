"""The machine code that numba compiles, kept on disk for the next process.

It is never more than a saving of time: code that cannot be read is compiled again, and a disk that
cannot be written stops nothing.

Numba reads the code as a pickle, which can run code, as Python does with its own compiled files. So
the folder must belong to this user, and nobody else may be able to write to it. No model file,
checkpoint or text is read in this way.
"""

import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache
from platformdirs import user_cache_path

# The errors of a damaged pickle, in which numba keeps its code, and of a damaged library in it.
DAMAGES = (
    OSError, EOFError, pickle.UnpicklingError, AttributeError, ImportError, IndexError, KeyError,
    RuntimeError, TypeError, ValueError,
)


def find_folder() -> Path | None:
    """Return the folder for the machine code of this version; None if none can be written.

    Numba takes code from a folder again although a function that it calls, in another file, has
    changed. So the folder's name has a checksum of all files of this package.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    try:
        folder = user_cache_path("rnnlm-compiled", appauthor=False) / digest.hexdigest()[:16]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if _is_private(folder) else None


def _is_private(folder: Path) -> bool:
    """Return whether this user, and nobody else, can write to a folder."""
    if not hasattr(os, "getuid"):  # on Windows, the folder lies in the user's profile
        return os.access(folder, os.W_OK)
    status = folder.stat()
    is_ours = status.st_uid == os.getuid() and not status.st_mode & 0o022
    return is_ours and os.access(folder, os.W_OK)


class _Cache(FunctionCache):  # type: ignore[misc]
    """Numba's cache of a function, without its errors."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the code for some types; None if there is none, or if it is damaged."""
        try:
            return super().load_overload(sig, target_context)
        except DAMAGES:
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the code for some types, if it can be written."""
        try:
            super().save_overload(sig, data)
        except DAMAGES:
            return


def keep_code(dispatcher: Any, folder: Path) -> None:
    """Make a compiled function keep its code in a folder, and look for it there."""
    former = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(folder)  # read when a cache is made, and by no one else here
    try:
        dispatcher._cache = _Cache(dispatcher.py_func)
    finally:
        numba.config.CACHE_DIR = former
