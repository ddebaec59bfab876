"""Regions of texts to score: a file of character spans, such as the regions of an experiment.

Each line of the file has the number of a text, from 1, and the places of a region in it, separated
by tabs: the first character, from 0, and the one after the last. The texts are the sentences in
order, or the documents. "3<TAB>4<TAB>7" is "the" in the third sentence if that is "see the dog".
"""

from collections.abc import Sequence
from typing import NamedTuple

from rnnlm_cli.errors import TextError
from rnnlm_cli.score.words import Span
from rnnlm_cli.text.reading import read_lines

NUM_FIELDS = 3


class Region(NamedTuple):
    """A line of a file of regions: its number, and the places of the region."""

    line: int
    begin: int
    end: int


class Regions:
    """The regions of some texts.

    Args:
        path: the file that they come from.
        regions: the regions of each text, by its number from 0, in the order of the file.
    """

    def __init__(self, path: str, regions: dict[int, list[Region]]) -> None:
        self._path = path
        self._regions = regions

    def find_spans(self, number: int, text: str) -> Sequence[Span]:
        """Return the regions of a text. Raises: TextError for one that ends beyond the text."""
        spans = []
        for index, (line, begin, end) in enumerate(self._regions.get(number, ()), 1):
            if end > len(text):
                raise TextError(
                    f"{self._path}: line {line} names characters {begin} to {end} of text "
                    f"{number + 1}, which has {len(text)}; a region inside the text is needed"
                )
            spans.append(Span(text[begin:end], number + 1, index, begin, begin, end))
        return spans

    def require_texts(self, num_texts: int) -> None:
        """Raise TextError if there are regions of texts that were not there."""
        last = max(self._regions, default=-1)
        if last >= num_texts:
            raise TextError(
                f"{self._path}: line {self._regions[last][0].line} names text {last + 1}, and "
                f"{num_texts} were scored; the number of a text, from 1, is needed"
            )


def read_regions(path: str) -> Regions:
    """Read a file of regions. Raises: TextError for a line that is not of the form above."""
    regions: dict[int, list[Region]] = {}
    for number, line in enumerate(read_lines(path, encoding="utf-8"), 1):
        fields = line.split("\t")
        if len(fields) != NUM_FIELDS or not all(field.isdecimal() for field in fields):
            raise TextError(
                f"{path}: line {number} is {line!r}; the number of a text and the places of its "
                "first character and of the one after its last, separated by tabs, are needed"
            )
        text, begin, end = map(int, fields)
        if text < 1 or begin >= end:
            raise TextError(
                f"{path}: line {number} names characters {begin} to {end} of text {text}; texts "
                "count from 1, and a region has one character or more"
            )
        regions.setdefault(text - 1, []).append(Region(number, begin, end))
    return Regions(path, regions)
