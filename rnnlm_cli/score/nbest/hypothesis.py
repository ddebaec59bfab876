"""The interface of a format of n-best lists, and what the formats share.

A format splits a line around the places of its scores, and joins the parts again. So all other
characters of the line stay as they are.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rnnlm_cli.config.rescore import NbestName
from rnnlm_cli.score.score import TextScore

BLANKS = " \t"  # what separates fields. Other white space can belong to a word
MAX_QUOTED = 40
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class LineError(Exception):
    """A line that does not fit its format.

    Args:
        problem: WHAT IS SO; WHAT IS NEEDED.
        remedy: NEXT STEP; None if the format is perhaps another one.
    """

    def __init__(self, problem: str, remedy: str | None = None) -> None:
        super().__init__(problem)
        self.remedy = remedy


@dataclass(frozen=True)
class Hypothesis:
    """A line of an n-best list.

    Args:
        text: the sentence to score.
        parts: the line, split around the scores that may be replaced.
        list_id: the name of its list; empty if the whole file is one list.
        base: the score that the line has; None if there is none.
    """

    text: str
    parts: Sequence[str]
    list_id: str = ""
    base: float | None = None


class NbestFormat(Protocol):
    """A format of n-best lists.

    Attributes:
        name: its name on the command line.
        needs_tokens: whether `render` needs the scores of tokens.
    """

    @property
    def name(self) -> NbestName: ...
    @property
    def needs_tokens(self) -> bool: ...

    def parse(self, line: str) -> Hypothesis:
        """Parse a line without its newline. Raises: LineError."""

    def measure(self, score: TextScore) -> float:
        """Return the log probability of a hypothesis, to the base of the scores in the list."""

    def render(self, hypothesis: Hypothesis, score: TextScore, weight: float | None) -> str:
        """Return the line with its new score.

        Args:
            weight: of the model's score, which is added to the one in the list; None if it is not.
        """

    def render_best(self, hypothesis: Hypothesis) -> str:
        """Return the line for a hypothesis that is the best of its list."""


def parse_number(field: str, subject: str) -> float:
    """Return the value of a field. Raises: LineError if it is not a finite number."""
    value = float(field) if NUMBER.fullmatch(field) else math.nan
    if not math.isfinite(value):
        raise LineError(f"has {quote(field)} as {subject}; a finite number is needed")
    return value


def quote(field: str) -> str:
    """Return a field in quotes, cut if it is long."""
    return repr(field if len(field) <= MAX_QUOTED else f"{field[:MAX_QUOTED]}...")


def format_score(value: float) -> str:
    """Return a score with 9 digits, which are enough to restore a float32."""
    return f"{value:z.9g}"


def compute_ln_p(score: TextScore) -> float:
    """Return the natural log probability."""
    return -score.nats
