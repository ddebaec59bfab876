"""The format `text`: columns to be read by people.

ln_p        ln p, summed over the predicted tokens
log10_p     the same to base 10
ln_p/token, ln_p/char or slor
            the normalised score, if one is asked for
tokens      number of predicted tokens
perplexity  exp(-ln_p / tokens)
bits/char   bits per character of the text. "*" marks a figure that is too low because of unknown
            tokens, whose spelling costs nothing
bits/byte   bits per byte of its UTF-8, marked in the same way
unknown     number of unknown tokens
closing     whether the closing boundary was predicted
text        the sentence, or the path of a document

"-" means that there is no value. The headings go to stderr. The text may be followed by a line with
the figures of the adapted model, and by a line for every token or word: its surprisal in bits, and
the token or word.
"""

import math
from collections.abc import Iterator

from rnnlm_cli.config import Normalization
from rnnlm_cli.messages import escape_controls
from rnnlm_cli.score.formats.format import FormatSettings, Output
from rnnlm_cli.score.formats.summary import format_figure, summarize
from rnnlm_cli.score.score import Score, TextScore

NORMALIZED: dict[Normalization, str] = {
    "token": "ln_p/token", "char": "ln_p/char", "slor": "slor",
}
SURPRISAL_WIDTH = 12
# Foreground and background of the 256-colour palette, for surprisals in steps of 2 bits. Below the
# first step a cell is not shaded.
SHADES = ((16, 224), (16, 217), (16, 210), (16, 203), (16, 196), (231, 160), (231, 124))
SHADE_BITS = 2


class TextFormat:
    """Aligned columns, with the total on stderr."""

    def __init__(self, settings: FormatSettings) -> None:
        self._settings = settings

    def begin(self) -> Output:
        """Return the headings."""
        cells = [name.rjust(width) for name, width in self._list_columns()]
        return Output([], ["  ".join([*cells, "text"])])

    def one(self, text: TextScore) -> Output:
        """Return a line of figures, then the lines of the adapted model and of tokens or words.

        Control characters of the text are shown as escapes.
        """
        lines = [self._format_row(text.score, text.closing, escape_controls(text.text))]
        if text.adapted is not None:
            lines.append(self._format_row(text.adapted, text.closing, "adapted"))
        return Output([*lines, *self._format_parts(text)], [])

    def end(self, total: Score, num_texts: int, adapted: Score | None = None) -> Output:
        """Return the total as a message."""
        return Output([], summarize(total, num_texts, adapted))

    def _list_columns(self) -> list[tuple[str, int]]:
        """Return the names and the widths of the columns, except the last."""
        how = self._settings.normalize
        return [
            ("ln_p", 12), ("log10_p", 11), *([] if how == "none" else [(NORMALIZED[how], 10)]),
            ("tokens", 7), ("perplexity", 11), ("bits/char", 9), ("bits/byte", 9),
            ("unknown", 7), ("closing", 7),
        ]

    def _format_row(self, score: Score, closing: bool, name: str) -> str:
        """Return a line with a value under every heading."""
        how, mark = self._settings.normalize, "*" if score.num_unknown else ""
        values = [
            f"{-score.nats:z.4f}", f"{score.log10_prob:z.4f}",
            *([] if how == "none" else [format_figure(score.normalize(how))]),
            f"{score.num_predicted}", format_figure(score.perplexity),
            format_figure(score.bits_per_character) + mark,
            format_figure(score.bits_per_byte) + mark,
            f"{score.num_unknown}", "yes" if closing else "no",
        ]
        columns = zip(values, self._list_columns(), strict=True)
        return "  ".join([*(value.rjust(width) for value, (_, width) in columns), name])

    def _format_parts(self, text: TextScore) -> Iterator[str]:
        """Yield a line for every token or word."""
        if self._settings.unit == "tokens":
            for token in text.tokens or ():
                name = show_token(token.token)
                yield self._format_part(token.nats, name, token.is_unknown)
        elif self._settings.unit == "words":
            for word in text.words or ():
                yield self._format_part(word.nats, escape_controls(word.word), word.has_unknown)

    def _format_part(self, nats: float | None, name: str, is_unknown: bool) -> str:
        bits = None if nats is None else nats / math.log(2)
        cell = ("unscored" if bits is None else f"{bits:z.4f}").rjust(SURPRISAL_WIDTH)
        if self._settings.shaded and bits is not None:
            cell = shade(cell, bits)
        return f"{cell}  {name}{'  unknown' if is_unknown else ''}"


def shade(cell: str, bits: float) -> str:
    """Return a cell on a background that is the stronger the more bits there are.

    The colour of the letters is set too, so that they are readable on dark and light terminals.
    """
    step = min(int(bits / SHADE_BITS), len(SHADES))
    if step < 1:
        return cell
    foreground, background = SHADES[step - 1]
    return f"\x1b[38;5;{foreground};48;5;{background}m{cell}\x1b[0m"


def show_token(token: str) -> str:
    """Write white space and control characters as in a Python string; keep any other token."""
    return repr(token) if token.isspace() or not token.isprintable() else token
