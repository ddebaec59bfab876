"""Features of a text that a hidden unit may follow, token by token.

The characters of the text are read in order. A token has the values that hold after its last
character:

    text               a  "  (  B  "  \\n
    position in line   1  2  3  4  5  0
    inside quotes      0  1  1  1  0  0
    inside brackets    0  0  1  1  1  1
    after a capital    0  0  0  1  0  0

The page that holds a model computes the same in `page/engine/features.js`.

Legend: N tokens of a text.
"""

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.text.tokenizers import BOUNDARY

Feature = NDArray[np.float64]

OPENING_QUOTES, CLOSING_QUOTES = "\u201c\u201e\u00ab", "\u201d\u00bb"
OPENING_BRACKETS, CLOSING_BRACKETS = "([{", ")]}"
TAB_SIZE = 8

FEATURES = (  # in the order of `_Reader.values`
    "position in the line", "inside quotes", "inside brackets", "indentation", "after a capital",
)


def compute_features(pieces: Sequence[str]) -> dict[str, Feature]:
    """Return the features of the tokens of a text by name, each (N,).

    position in the line  number of characters since the last newline
    inside quotes         1 after an opening quote. The straight double quote opens and closes in
                          turn. Single quotes are not counted, because most are apostrophes.
    inside brackets       1 where more of ( [ { than of ) ] } have been read
    indentation           width of the white space at the beginning of the line, with tab stops
                          every 8 columns
    after a capital       1 if the last character is an upper-case letter

    An empty line ends quotes and brackets, so that a single one does not change the rest.

    Args:
        pieces: the part of the text that each token stands for; see `rnnlm_cli.text.pieces`.
    """
    reader, rows = _Reader(), []
    for piece in pieces:
        for character in piece:
            reader.read(character)
        rows.append(reader.values)
    columns = np.array(rows, np.float64).reshape(-1, len(FEATURES)).T
    return dict(zip(FEATURES, columns, strict=True))


class _Reader:
    """Reads a text character by character. `values` holds the features after the last one."""

    def __init__(self) -> None:
        self._position = self._indentation = self._depth = 0
        self._is_quoted, self._is_indenting, self._is_capital = False, True, False

    @property
    def values(self) -> tuple[int, ...]:
        """The features, in the order of FEATURES."""
        return (
            self._position, int(self._is_quoted), int(self._depth > 0), self._indentation,
            int(self._is_capital),
        )

    def read(self, character: str) -> None:
        """Read the next character."""
        self._is_capital = unicodedata.category(character) == "Lu"
        if character == BOUNDARY:
            if self._position == 0:  # an empty line
                self._is_quoted, self._depth = False, 0
            self._position, self._indentation, self._is_indenting = 0, 0, True
            return
        self._position += 1
        self._read_indentation(character)
        if character == '"':
            self._is_quoted = not self._is_quoted
        elif character in OPENING_QUOTES:
            self._is_quoted = True
        elif character in CLOSING_QUOTES:
            self._is_quoted = False
        elif character in OPENING_BRACKETS:
            self._depth += 1
        elif character in CLOSING_BRACKETS:
            self._depth = max(0, self._depth - 1)

    def _read_indentation(self, character: str) -> None:
        if not self._is_indenting:
            return
        if character == " ":
            self._indentation += 1
        elif character == "\t":
            self._indentation += TAB_SIZE - self._indentation % TAB_SIZE
        else:
            self._is_indenting = False
