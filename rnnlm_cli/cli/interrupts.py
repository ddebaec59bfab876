"""Ctrl-C while a text is generated: noted, so that the text ends cleanly after its last token."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType


@contextmanager
def note_interrupts() -> Iterator[Callable[[], bool]]:
    """Only note the first Ctrl-C within the block. A second one raises KeyboardInterrupt.

    A KeyboardInterrupt could come between a token and its text, or in the middle of the import of
    numba. Yields a function that says whether Ctrl-C has come.
    """
    noted = Event()
    usual = signal.getsignal(signal.SIGINT)

    def note(signum: int, frame: FrameType | None) -> None:
        noted.set()
        signal.signal(signal.SIGINT, usual)

    if usual is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, note)
    try:
        yield noted.is_set
    finally:
        signal.signal(signal.SIGINT, usual)
