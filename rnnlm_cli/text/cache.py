"""The cache of encoded texts: a folder with one entry for each text, limited in total size.

The key of an entry is computed from the text's contents, the settings that turned it into tokens,
and the version of the tokenization; `rnnlm_cli.text.cache_entry` describes the files of an entry.
An entry is written in a working folder, flushed to the disk and then renamed, so that it is
complete or absent. Several processes, users and machines may share a cache.
"""

import errno
import os
import re
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from platformdirs import user_cache_path

from rnnlm_cli.errors import TextError
from rnnlm_cli.files.atomic import NO_FOLLOW, sync_folder
from rnnlm_cli.files.flock import try_to_lock
from rnnlm_cli.messages import Messages
from rnnlm_cli.text.cache_entry import ENTRY, KEY, RUNS, TOKENS, Entry
from rnnlm_cli.text.sources import CACHE_TAG

FOLDER_VARIABLE = "RNNLM_CACHE_DIR"
MAX_CACHE_BYTES = 16_000_000_000
WORKING_NAME = re.compile(r"encoding-[a-z0-9_]+\.tmp")
OLD_WORKING_NAME = re.compile(r"[0-9]+@.*\.tmp")  # of rnnlm 0.1, which did not lock it
ABANDONED_SECONDS = 86400  # after which nobody needs a working folder that cannot be locked
TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a cache of rnnlm, see https://bford.info/cachedir/\n"
)


class Cache:
    """The encoded texts of a user.

    Args:
        folder: the folder of the cache; None selects the folder named by the environment variable
            RNNLM_CACHE_DIR or, if it is not set, the system's folder for caches.
        max_bytes: maximum total size. Adding an entry evicts the least recently used ones, except
            the new entry and entries that a checkpoint refers to.
    """

    def __init__(self, folder: Path | None = None, *, max_bytes: int = MAX_CACHE_BYTES) -> None:
        self.folder = folder or _find_default_folder()
        self.max_bytes = max_bytes
        self.is_temporary = False  # whether the folder is deleted with this object

    def list_entries(self) -> list[Entry]:
        """Return all entries of this user, the most recently used one first."""
        try:
            names = os.listdir(self.folder)
        except OSError:
            return []
        entries = [Entry(self.folder / name) for name in names if KEY.fullmatch(name)]
        existing = [entry for entry in entries if entry.exists()]
        return sorted(existing, key=lambda entry: -entry.last_used)

    def find(self, key: str) -> Entry | None:
        """Return the entry with this key, or None."""
        entry = Entry(self.folder / key)
        return entry if KEY.fullmatch(key) and entry.exists() else None

    @contextmanager
    def working_folder(self, messages: Messages) -> Iterator[Path]:
        """Make a folder inside the cache that is deleted after the block, unless it was added.

        If the cache is not writable, a temporary folder replaces it.
        """
        try:
            folder, lock = self._make_working_folder()
        except OSError as error:
            messages.note(
                f"the cache folder {self.folder} cannot be written ({error.strerror}), so the "
                "encoded text is kept in a temporary folder"
            )
            self._become_temporary()
            folder, lock = self._make_working_folder()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if lock is not None:
                os.close(lock)

    def add(self, folder: Path, key: str, is_sound: Callable[[Entry], bool]) -> Entry:
        """Turn a working folder into an entry, and evict others if the cache is too large.

        Args:
            is_sound: tells whether an entry that another process has added in the meantime can be
                used; then it stays, and the working folder is left as it is.
        Raises: OSError if the folder cannot be renamed.
        """
        entry = Entry(self.folder / key)
        for name in set(os.listdir(folder)) - {ENTRY, TOKENS}:
            _delete(folder / name)
        sync_folder(folder)
        while not _rename_to_free_place(folder, entry.folder):
            if entry.exists() and is_sound(entry):
                return entry
            try:
                self._move_away(entry, folder)
            except PermissionError:  # it belongs to another user
                self._become_temporary()
                entry = Entry(self.folder / key)
        sync_folder(self.folder)
        self.evict(entry)
        return entry

    def evict(self, new: Entry) -> None:
        """Remove the least recently used entries until the total size is within the limit.

        Args:
            new: an entry that stays, whatever its size.
        """
        entries = self.list_entries()
        total = sum(entry.num_bytes for entry in entries)
        for entry in reversed(entries):
            if total <= self.max_bytes:
                return
            if entry != new and not entry.find_checkpoints():
                num_bytes = entry.num_bytes
                with suppress(TextError):  # it stays, and the cache is larger than it should be
                    entry.remove()
                    total -= num_bytes

    def _make_working_folder(self) -> tuple[Path, int | None]:
        """Make a working folder and lock it. Returns: its path, and the descriptor of the lock."""
        if not os.path.isdir(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / CACHE_TAG).write_text(TAG, "ascii")
        self._remove_leftovers()
        while True:
            folder = Path(tempfile.mkdtemp(prefix="encoding-", suffix=".tmp", dir=self.folder))
            lock = _open_folder(folder)
            # Another process may have found the folder before it was locked, and deleted it.
            if (lock is None or try_to_lock(lock)) and os.path.exists(folder):
                return folder, lock
            if lock is not None:
                os.close(lock)

    def _become_temporary(self) -> None:
        """Use a temporary folder from now on, which is deleted with this object."""
        self.folder, self.is_temporary = Path(tempfile.mkdtemp(prefix="rnnlm-")), True
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def _move_away(self, entry: Entry, folder: Path) -> None:
        """Move a damaged entry out of the way of a working folder, which inherits its notes.

        Raises: OSError if it cannot be moved.
        """
        away = Path(tempfile.mkdtemp(prefix="damaged-", dir=self.folder))
        moved = Entry(away / entry.key)
        try:
            with suppress(FileNotFoundError):  # another process was faster
                os.rename(entry.folder, moved.folder)
            with suppress(FileNotFoundError):
                shutil.copyfile(moved.folder / RUNS, folder / RUNS)
            moved.remove()
        finally:
            with suppress(OSError):  # what is not of an entry stays where it is now
                away.rmdir()

    def _remove_leftovers(self) -> None:
        """Delete the working folders of processes that were killed."""
        for path in self.folder.iterdir():
            if _is_abandoned(path):
                shutil.rmtree(path, ignore_errors=True)  # which leaves links alone


def _find_default_folder() -> Path:
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else user_cache_path("rnnlm", appauthor=False)


def _rename_to_free_place(folder: Path, target: Path) -> bool:
    """Rename a folder, to another file system too.

    Returns: False if something stands there.
    Raises: OSError for all other problems.
    """
    try:
        os.rename(folder, target)
    except OSError as error:
        if os.path.lexists(target):
            return False
        if error.errno != errno.EXDEV:
            raise
        shutil.copytree(folder, target)
    return True


def _delete(path: Path) -> None:
    """Delete a file, or a folder with all that is in it."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _open_folder(folder: Path) -> int | None:
    """Return a descriptor of a folder, for a lock on it; None if there is none, as on Windows."""
    try:
        return os.open(folder, os.O_RDONLY | NO_FOLLOW)
    except OSError:
        return None


def _is_abandoned(folder: Path) -> bool:
    """Return whether a path is the working folder of a process that has ended.

    The lock on the folder tells, between machines and containers too. Where there are no locks,
    its age does.
    """
    try:
        is_old = time.time() - _find_last_change(folder) > ABANDONED_SECONDS
    except OSError:
        return False
    if OLD_WORKING_NAME.fullmatch(folder.name):
        return is_old
    if not WORKING_NAME.fullmatch(folder.name):
        return False
    lock = _open_folder(folder)
    if lock is None:
        return is_old
    try:
        return try_to_lock(lock, if_unknown=is_old)
    finally:
        os.close(lock)


def _find_last_change(folder: Path) -> float:
    """Return when a folder or something in it last changed, in seconds since the epoch."""
    return max(os.lstat(path).st_mtime for path in (folder, *folder.iterdir()))
