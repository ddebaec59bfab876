"""What is told how long work on texts goes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


class Watch:
    """This one does not care. One that does shows bars and lines."""

    @contextmanager
    def stage(self, name: str, paths: Sequence[str]) -> Iterator[Callable[[int], object]]:
        """A pass over some files; what it gives is called with the bytes read, as they come."""
        yield lambda num_bytes: None

    def say(self, line: str) -> None:
        """A line for the person at the terminal."""
