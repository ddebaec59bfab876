"""stdout and stderr while a command runs: the failures of the one, the silence of the other."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import Any


class PipeClosedError(Exception):
    """stdout was closed. Not an OSError, because Typer turns those into its own exit."""


class StdoutError(Exception):
    """stdout cannot be written, for example on a full disk. Files have their own errors."""


class Stdout:
    """stdout, whose failures have their own exceptions, so that no file is blamed for them.

    Raises: PipeClosedError or StdoutError on writing.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text. Returns the number of characters."""
        try:
            self._stream.write(text)
        except OSError as error:
            raise _translate(error) from None
        return len(text)

    def flush(self) -> None:
        """Write what is in the buffer."""
        try:
            self._stream.flush()
        except OSError as error:
            raise _translate(error) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Stderr:
    """stderr, which falls silent for good when it cannot be written any more.

    A closed pipe, a full disk or a terminal that is gone must not end a run.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._is_silent = False

    def write(self, text: str) -> int:
        """Write a text, unless stderr has failed before. Returns the number of characters."""
        if not self._is_silent:
            try:
                self._stream.write(text)
            except (OSError, ValueError):  # ValueError: it was closed
                self._fall_silent()
        return len(text)

    def flush(self) -> None:
        """Write what is in the buffer, unless stderr has failed before."""
        if not self._is_silent:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._fall_silent()

    def isatty(self) -> bool:
        """Return whether stderr is a terminal."""
        return not self._is_silent and bool(self._stream.isatty())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _fall_silent(self) -> None:
        self._is_silent = True
        with suppress(OSError, ValueError):
            redirect_to_null(self._stream)


@contextmanager
def guard_streams() -> Iterator[None]:
    """Replace sys.stdout and sys.stderr by their guarded forms for the time of a command.

    Both use UTF-8 whatever the locale. Streams that the caller closed lead to the null device.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")
    usual = sys.stdout, sys.stderr
    for stream in usual:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    sys.stdout, sys.stderr = Stdout(usual[0]), Stderr(usual[1])
    try:
        yield
    finally:
        sys.stdout, sys.stderr = usual


def redirect_to_null(stream: Any) -> None:
    """Discard what is in the buffer of a stream, which would fail again at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, stream.fileno())
    finally:
        os.close(null)


def _translate(error: OSError) -> Exception:
    if isinstance(error, BrokenPipeError):
        return PipeClosedError()
    return StdoutError(error.strerror)
