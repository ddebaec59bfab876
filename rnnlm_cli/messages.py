"""The sink of notes, warnings and the progress of long work: silent by default."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


class Messages:
    """Receives what a person should hear of. This one discards it; subclasses show it."""

    def say(self, line: str) -> None:
        """Receive one line of text."""

    def note(self, text: str) -> None:
        """Receive a note: something worth knowing, nothing to be done about it."""
        self.say(f"rnnlm: note: {text}")

    def warn(self, text: str) -> None:
        """Receive a warning: something went wrong, and the work continues."""
        self.say(f"rnnlm: warning: {text}")

    @contextmanager
    def stage(self, name: str, paths: Sequence[str]) -> Iterator[Callable[[int], object]]:
        """Announce a pass over some files. Yields a function to call with each number of bytes
        read."""
        yield lambda num_bytes: None


class StderrMessages(Messages):
    """Prints every line on stderr."""

    def say(self, line: str) -> None:
        """Print one line."""
        print(line, file=sys.stderr, flush=True)
