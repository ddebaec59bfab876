"""Stop strings, found in a text that arrives in pieces."""

from collections.abc import Sequence


class StopStrings:
    """Passes a text through until one of some strings appears in it.

    A string may begin in one piece and end in a later one. So the end of the text is held back
    while it is the beginning of a string.

    Args:
        strings: at least one, none of them empty.
    """

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = strings
        self._held = ""

    def feed(self, piece: str) -> tuple[str, bool]:
        """Return the text that can be shown, and whether a string has been found.

        The text ends before the first string that is complete, and the rest of the piece is
        dropped.
        """
        text = self._held + piece
        # A string is complete when its last character arrives. Of those that a piece completes,
        # the one that is complete first counts, and of several of them the longest.
        ends = [
            (begin + len(each), -len(each))
            for each in self._strings if (begin := text.find(each)) >= 0
        ]
        if ends:
            end, minus_length = min(ends)
            self._held = ""
            return text[: end + minus_length], True
        size = max(self._count_begun(text, each) for each in self._strings)
        self._held = text[len(text) - size :]
        return text[: len(text) - size], False

    def finish(self) -> str:
        """Return the text that is still held back."""
        held, self._held = self._held, ""
        return held

    @staticmethod
    def _count_begun(text: str, string: str) -> int:
        """Return the length of the longest end of the text with which the string begins."""
        longest = min(len(text), len(string) - 1)
        return next(
            (size for size in range(longest, 0, -1) if text.endswith(string[:size])), 0
        )
