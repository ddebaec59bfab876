"""The cache of encoded texts: a folder with one entry for each text, limited in total size.

An entry is a folder. Its name is a key, computed from the text's contents, the settings that
turned it into tokens, and the version of this layout. It contains

    entry.json  the description of the tokens (see `rnnlm_cli.text.corpus`)
    tokens      the token ids in order, in the smallest unsigned integers that can hold them
    runs        the checkpoints of the runs that were trained on it, one path on each line

An entry is written under another name and then renamed, so that it is complete or absent.
"""

import os
import platform
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from rnnlm_cli.errors import TextError
from rnnlm_cli.files.regular_file import open_regular_file
from rnnlm_cli.messages import Messages

ENTRY, TOKENS, RUNS = "entry.json", "tokens", "runs"
FOLDER_VARIABLE = "RNNLM_CACHE_DIR"
MAX_CACHE_BYTES = 16_000_000_000
MAX_HEADER_BYTES = 1 << 28  # of a checkpoint


@dataclass(frozen=True)
class Entry:
    """An encoded text in the cache."""

    folder: Path

    @property
    def key(self) -> str:
        """The key by which `Cache.find` finds the entry."""
        return self.folder.name

    @property
    def num_bytes(self) -> int:
        """The total size of its files."""
        try:
            return sum(path.stat().st_size for path in self.folder.iterdir())
        except OSError:  # another process has just removed it
            return 0

    @property
    def last_used(self) -> float:
        """The time at which it was last opened, in seconds since the epoch."""
        try:
            return (self.folder / ENTRY).stat().st_mtime
        except OSError:
            return 0.0

    def touch(self) -> None:
        """Mark the entry as used now."""
        try:
            os.utime(self.folder / ENTRY)
        except OSError:  # a read-only cache still works
            pass

    def note_checkpoint(self, checkpoint: Path) -> None:
        """Protect the entry from eviction while this checkpoint refers to it.

        A cache that cannot be written is left as it is.
        """
        line = f"{checkpoint.absolute()}\n"
        path = self.folder / RUNS
        try:
            with path.open("a+", encoding="utf-8", errors="surrogateescape", newline="") as file:
                file.seek(0)
                if line not in file.readlines():
                    file.write(line)
        except OSError:
            pass

    def find_checkpoints(self) -> list[Path]:
        """Return the noted checkpoints that still refer to the entry."""
        try:
            raw = (self.folder / RUNS).read_bytes()
        except OSError:
            return []
        lines = raw.decode("utf-8", "surrogateescape").split("\n")
        return [path for path in map(Path, lines[:-1]) if _refers_to(path, self.key)]


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

    def list_entries(self) -> list[Entry]:
        """Return all entries, the most recently used one first."""
        try:
            found = [Entry(path) for path in self.folder.iterdir() if (path / ENTRY).is_file()]
        except OSError:
            return []
        complete = [entry for entry in found if not entry.folder.name.endswith(".tmp")]
        return sorted(complete, key=lambda entry: -entry.last_used)

    def find(self, key: str) -> Entry | None:
        """Return the entry with this key, or None."""
        entry = Entry(self.folder / key)
        return entry if (entry.folder / ENTRY).is_file() else None

    @contextmanager
    def working_folder(self, messages: Messages) -> Iterator[Path]:
        """Make a folder inside the cache that is deleted after the block, unless it was added.

        If the cache is not writable, a temporary folder replaces it.
        """
        try:
            folder = self._make_working_folder()
        except OSError as error:
            messages.note(
                f"the cache folder {self.folder} cannot be written ({error.strerror}), so the "
                "encoded text is kept in a temporary folder"
            )
            self.folder = Path(tempfile.mkdtemp(prefix="rnnlm-"))
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
            folder = self._make_working_folder()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _make_working_folder(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._remove_leftovers()
        prefix = _working_prefix(os.getpid())
        return Path(tempfile.mkdtemp(prefix=prefix, suffix=".tmp", dir=self.folder))

    def add(self, folder: Path, key: str) -> Entry:
        """Turn a working folder into an entry, and evict others if the cache is too large."""
        entry = Entry(self.folder / key)
        runs = entry.folder / RUNS
        if runs.is_file():  # the entry was damaged, or another process has just added it
            shutil.copyfile(runs, folder / RUNS)
        shutil.rmtree(entry.folder, ignore_errors=True)
        try:
            os.rename(folder, entry.folder)
        except OSError:
            if not (entry.folder / ENTRY).is_file():  # otherwise another process was faster
                raise
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
                total -= entry.num_bytes
                self.remove(entry)

    def remove(self, entry: Entry) -> None:
        """Delete an entry. Raises: TextError if the folder is not writable."""
        try:
            os.unlink(entry.folder / ENTRY)  # first: a folder without it is no entry
            shutil.rmtree(entry.folder)
        except FileNotFoundError:  # another process was faster
            pass
        except OSError as error:
            raise TextError(
                f"{entry.folder}: cannot be removed ({error.strerror}); a cache folder that you "
                "may write to is needed"
            ) from None

    def _remove_leftovers(self) -> None:
        """Delete the working folders of processes that were killed."""
        for path in self.folder.glob("*.tmp"):
            process = path.name.split("@")[0]
            ours = process.isdigit() and path.name.startswith(_working_prefix(int(process)))
            if ours and not _is_alive(int(process)):
                shutil.rmtree(path, ignore_errors=True)


def _find_default_folder() -> Path:
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else user_cache_path("rnnlm", appauthor=False)


def _working_prefix(process: int) -> str:
    """Return the prefix of a process's working folders. Several machines may share a cache, so it
    contains the machine's name."""
    return f"{process}@{platform.node()}@"


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _refers_to(checkpoint: Path, key: str) -> bool:
    """Return whether the header of a checkpoint contains a key."""
    try:
        with open_regular_file(checkpoint) as file:
            size = int.from_bytes(file.read(8), "little")
            return key.encode() in file.read(min(size, MAX_HEADER_BYTES))
    except OSError:
        return False
