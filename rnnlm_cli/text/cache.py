"""A folder of encoded texts: each encoded once, kept while it is of use, bounded in size.

An entry is a folder named by its key, which is made of the text's contents, of how it became
tokens, and of the version of this layout:

    entry.json  what the tokens are (see `rnnlm_cli.text.corpus`)
    tokens      the ids, one after the other, in the smallest unsigned integers that hold them
    runs        the state files of the runs that were trained on it, a path a line

It is written under another name and renamed, so that it is there whole or not at all.
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
from rnnlm_cli.messages import Messages

ENTRY, TOKENS, RUNS = "entry.json", "tokens", "runs"
MAX_CACHE_BYTES = 16_000_000_000
MAX_HEADER_BYTES = 1 << 28  # of a state file


@dataclass(frozen=True)
class Entry:
    """An encoded text in the cache."""

    folder: Path

    @property
    def key(self) -> str:
        """What it is found by."""
        return self.folder.name

    @property
    def num_bytes(self) -> int:
        """How much room it takes."""
        try:
            return sum(path.stat().st_size for path in self.folder.iterdir())
        except OSError:  # another process has just removed it
            return 0

    @property
    def last_used(self) -> float:
        """When it was last opened, in seconds of the clock."""
        try:
            return (self.folder / ENTRY).stat().st_mtime
        except OSError:
            return 0.0

    def touch(self) -> None:
        """It is used now."""
        try:
            os.utime(self.folder / ENTRY)
        except OSError:  # a cache that may only be read is as good
            pass

    def note_run(self, state: Path) -> None:
        """Keep the entry for as long as this state file refers to it."""
        line = f"{state.absolute()}\n"
        path = self.folder / RUNS
        try:
            with path.open("a+", encoding="utf-8", errors="surrogateescape", newline="") as file:
                file.seek(0)
                if line not in file.readlines():
                    file.write(line)
        except OSError:
            pass

    def runs(self) -> list[Path]:
        """The state files that refer to it."""
        try:
            raw = (self.folder / RUNS).read_bytes()
        except OSError:
            return []
        lines = raw.decode("utf-8", "surrogateescape").split("\n")
        return [path for path in map(Path, lines[:-1]) if _refers(path, self.key)]


class Cache:
    """The encoded texts of a user.

    Args:
        folder: where they are; None takes the system's folder for caches.
        max_bytes: when a new entry makes the whole larger, those that were not used for longest
            go, but for the new one and those that a run's state file refers to.
    """

    def __init__(self, folder: Path | None = None, *, max_bytes: int = MAX_CACHE_BYTES) -> None:
        self.folder = folder or user_cache_path("rnnlm", appauthor=False)
        self.max_bytes = max_bytes

    def entries(self) -> list[Entry]:
        """All that there are, the last used first."""
        try:
            found = [Entry(path) for path in self.folder.iterdir() if (path / ENTRY).is_file()]
        except OSError:
            return []
        whole = [entry for entry in found if not entry.folder.name.endswith(".tmp")]
        return sorted(whole, key=lambda entry: -entry.last_used)

    def find(self, key: str) -> Entry | None:
        """The entry of a key, if there is one."""
        entry = Entry(self.folder / key)
        return entry if (entry.folder / ENTRY).is_file() else None

    @contextmanager
    def working_folder(self, watch: Messages) -> Iterator[Path]:
        """A new folder inside the cache, which is gone after the block unless it was added.

        Where the cache cannot be written, a temporary one takes its place.
        """
        try:
            folder = self._new_folder()
        except OSError as error:
            watch.say(
                f"note: the cache folder {self.folder} cannot be written ({error.strerror}), so "
                "the encoded text is kept in a temporary one"
            )
            self.folder = Path(tempfile.mkdtemp(prefix="rnnlm-"))
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
            folder = self._new_folder()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _new_folder(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        return Path(tempfile.mkdtemp(prefix=_owner(os.getpid()), suffix=".tmp", dir=self.folder))

    def add(self, folder: Path, key: str) -> Entry:
        """Make a working folder an entry, and make room for it."""
        entry = Entry(self.folder / key)
        runs = entry.folder / RUNS
        if runs.is_file():  # of an entry that was damaged, or that another process has just added
            shutil.copyfile(runs, folder / RUNS)
        shutil.rmtree(entry.folder, ignore_errors=True)
        try:
            os.rename(folder, entry.folder)
        except OSError:
            if not (entry.folder / ENTRY).is_file():  # else another process was faster
                raise
        self.make_room(entry)
        return entry

    def make_room(self, new: Entry) -> None:
        """Remove what was not used for longest until the bound holds."""
        entries = self.entries()
        total = sum(entry.num_bytes for entry in entries)
        for entry in reversed(entries):
            if total <= self.max_bytes:
                return
            if entry != new and not entry.runs():
                total -= entry.num_bytes
                self.remove(entry)

    def remove(self, entry: Entry) -> None:
        """Delete an entry. Raises: TextError where the folder does not allow it."""
        try:
            os.unlink(entry.folder / ENTRY)  # first: without it there is no entry
            shutil.rmtree(entry.folder)
        except FileNotFoundError:  # another process was faster
            pass
        except OSError as error:
            raise TextError(
                f"{entry.folder}: cannot be removed ({error.strerror}); a cache folder that you "
                "may write to is needed"
            ) from None

    def _sweep(self) -> None:
        """Delete what processes that were killed have left."""
        for path in self.folder.glob("*.tmp"):
            process = path.name.split("@")[0]
            ours = process.isdigit() and path.name.startswith(_owner(int(process)))
            if ours and not _is_alive(int(process)):
                shutil.rmtree(path, ignore_errors=True)


def _owner(process: int) -> str:
    """How the names of a process's working folders begin: several machines may share a cache."""
    return f"{process}@{platform.node()}@"


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _refers(state: Path, key: str) -> bool:
    """Whether a state file's header names a key."""
    try:
        with state.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            return key.encode() in file.read(min(size, MAX_HEADER_BYTES))
    except OSError:
        return False
