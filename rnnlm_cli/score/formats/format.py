"""The interface of an output format, and the settings that all formats share."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from rnnlm_cli.config import Normalization, Precision
from rnnlm_cli.score.score import Score, TextScore

Unit = Literal["tokens", "words"]


class Output(NamedTuple):
    """Lines to print.

    Args:
        data: lines for stdout.
        messages: lines for stderr.
    """

    data: list[str]
    messages: list[str]


class Format(Protocol):
    """An output format of scores: `begin` once, `one` for each text in order, `end` once."""

    def begin(self) -> Output:
        """Return what comes before the first text."""

    def one(self, text: TextScore) -> Output:
        """Return the lines of one text."""

    def end(self, total: Score, num_texts: int, adapted: Score | None = None) -> Output:
        """Return what comes after the last text.

        Args:
            total: the sums of all texts.
            num_texts: their number.
            adapted: the sums by a model that adapts to each document; None if there is none.
        """


@dataclass(frozen=True, kw_only=True)
class FormatSettings:
    """The settings of an output format. Each format uses those that it has a place for.

    Args:
        document: whether the texts are documents, named by their paths.
        precision: of the matrix products.
        normalize: how to normalise the score of a text; see `Score.normalize`.
        shaded: whether stdout is a terminal that shows colours.
        name: the name of the input, for SRILM's summary.
        unit: whether to print a line for every token, or for every word; None for neither.
        adapted: whether documents are scored by a model that adapts to them, too.
    """

    document: bool = False
    precision: Precision = "float32"
    normalize: Normalization = "none"
    shaded: bool = False
    name: str = "-"
    unit: Unit | None = None
    adapted: bool = False
