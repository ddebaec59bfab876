"""One entry of the cache of encoded texts: a folder whose name is the key of a text.

    entry.json  the description of the tokens (see `rnnlm_cli.text.corpus`)
    tokens      the token ids in order, in the smallest unsigned integers that can hold them
    runs        the checkpoints of the runs that were trained on it: one path a line, as a JSON
                string (a line of rnnlm 0.1 is the path itself)

Texts may be private, so that only its owner can read an entry.
"""

import json
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rnnlm_cli.errors import TextError
from rnnlm_cli.files.regular_file import open_regular_file

ENTRY, TOKENS, RUNS = "entry.json", "tokens", "runs"
KEY = re.compile(r"[0-9a-f]{32}")
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
        """The total size of its files; 0 for an entry that another process has just removed."""
        return sum(os.path.getsize(path) for path in self._list_files())

    @property
    def last_used(self) -> float:
        """The time at which it was last opened, in seconds since the epoch."""
        try:
            return (self.folder / ENTRY).stat().st_mtime
        except OSError:
            return 0.0

    def exists(self) -> bool:
        """Return whether this user has such an entry; that of another user does not count.

        In a folder that several users share, another user could plant the tokens of another text.
        A link to a folder is no entry either.
        """
        try:
            status = os.lstat(self.folder)
        except OSError:
            return False
        is_trusted = not hasattr(os, "getuid") or status.st_uid in (os.getuid(), 0)
        # Not Path.is_file, which raises an error for a folder that may not be searched.
        return (
            stat.S_ISDIR(status.st_mode) and is_trusted and os.path.isfile(self.folder / ENTRY)
        )

    def touch(self) -> None:
        """Mark the entry as used now."""
        with suppress(OSError):  # a read-only cache still works
            os.utime(self.folder / ENTRY)

    def note_checkpoint(self, checkpoint: Path) -> None:
        """Protect the entry from eviction while this checkpoint refers to it.

        A cache that cannot be written is left as it is.
        """
        path = checkpoint.absolute()
        if path in self._read_noted():
            return
        with suppress(OSError), (self.folder / RUNS).open("a", encoding="ascii") as file:
            file.write(json.dumps(str(path)) + "\n")

    def find_checkpoints(self) -> list[Path]:
        """Return the noted checkpoints that still refer to the entry."""
        return [path for path in self._read_noted() if _refers_to(path, self.key)]

    def remove(self) -> None:
        """Delete the files of the entry, and the folder unless it holds something else.

        Raises: TextError if they cannot be deleted.
        """
        try:
            # entry.json first: a folder without it is no entry.
            for path in sorted(self._list_files(), key=lambda path: path.name != ENTRY):
                path.unlink(missing_ok=True)
            with suppress(OSError):
                self.folder.rmdir()
        except OSError as error:
            raise TextError(
                f"{self.folder}: cannot be removed ({error.strerror}); a cache folder that you "
                "may write to is needed"
            ) from None

    def _list_files(self) -> list[Path]:
        paths = (self.folder / name for name in (ENTRY, TOKENS, RUNS))
        return [path for path in paths if os.path.isfile(path)]

    def _read_noted(self) -> list[Path]:
        try:
            raw = (self.folder / RUNS).read_bytes()
        except OSError:
            return []
        lines = raw.decode("utf-8", "surrogateescape").split("\n")
        return [path for line in lines[:-1] if (path := _parse_line(line)) is not None]


def _parse_line(line: str) -> Path | None:
    """Return the path in a line of the file "runs"; None for a damaged line."""
    if not line.startswith('"'):
        return Path(line)
    try:
        return Path(json.loads(line))
    except ValueError:
        return None


def _refers_to(checkpoint: Path, key: str) -> bool:
    """Return whether the header of a checkpoint contains a key."""
    try:
        with open_regular_file(checkpoint) as file:
            size = int.from_bytes(file.read(8), "little")
            return key.encode() in file.read(min(size, MAX_HEADER_BYTES))
    except (OSError, ValueError):  # ValueError: a path with a NUL character
        return False
