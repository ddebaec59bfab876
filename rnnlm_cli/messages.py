"""The sink of notes, warnings and the progress of long work: silent by default."""

import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

# Control characters, lone surrogates, and line and paragraph separators.
UNSAFE_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
BIDI_CONTROLS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # reorder a line


def escape_controls(text: str) -> str:
    """Return a text that a terminal shows on one line: control characters become escapes.

    What a terminal would obey instead of showing it (colours, titles, carriage returns, newlines)
    becomes a backslash escape, as in a Python string. Letters of all scripts stay.
    """
    if text.isprintable():
        return text
    return "".join(
        repr(each)[1:-1]
        if unicodedata.category(each) in UNSAFE_CATEGORIES or each in BIDI_CONTROLS else each
        for each in text
    )


def escape_lines(text: str) -> str:
    """Return a text whose newlines stay, and whose other control characters become escapes."""
    return "\n".join(map(escape_controls, text.split("\n")))


def escape_except_layout(text: str) -> str:
    """Return a text whose newlines and tabs stay, and whose other control characters become
    escapes."""
    return re.sub(r"[^\n\t]+", lambda match: escape_controls(match[0]), text)


def replace_surrogates(text: str) -> str:
    """Return a text with U+FFFD for every byte that is not UTF-8.

    Such a byte is a lone surrogate in a string (PEP 383). Strict readers of JSON refuse it.
    """
    return text if text.isascii() else re.sub("[\ud800-\udfff]", "\ufffd", text)


class Messages:
    """Receives what a person should hear of. This one discards it; subclasses show it."""

    def say(self, line: str) -> None:
        """Receive one line of text."""

    def note(self, text: str) -> None:
        """Receive a note: something worth knowing, nothing to be done about it."""
        self.say(f"rnnlm: note: {escape_controls(text)}")

    def warn(self, text: str) -> None:
        """Receive a warning: something went wrong, and the work continues."""
        self.say(f"rnnlm: warning: {escape_controls(text)}")

    @contextmanager
    def stage(self, name: str, paths: Sequence[str]) -> Iterator[Callable[[int], object]]:
        """Announce a pass over some files. Yields a function to call with each number of bytes
        read."""
        yield lambda num_bytes: None


class StderrMessages(Messages):
    """Prints every line on stderr."""

    def say(self, line: str) -> None:
        """Print a line, or a few."""
        print(escape_lines(line), file=sys.stderr, flush=True)
