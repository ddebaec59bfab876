"""The format `moses`: n-best lists of the translation system Moses, and of others like it.

    0 ||| hypothesis words ||| Feat0= -1.75 Feat1= -1.38 -2.19 ||| -4.42

The fields are the number of the list, the hypothesis, the features and the total score. Further
fields may follow. The feature `NAME= ln p` is added behind the others. The total becomes
total + weight * ln p if a weight is given. Adjacent lines with the same number are one list.
"""

import re

from rnnlm_cli.config.rescore import NbestName
from rnnlm_cli.score.formats.summary import format_count
from rnnlm_cli.score.nbest.hypothesis import (
    BLANKS,
    Hypothesis,
    LineError,
    compute_ln_p,
    format_score,
    parse_number,
    quote,
)
from rnnlm_cli.score.score import TextScore

SEPARATOR = re.compile(rf"(?<![^{BLANKS}])\|\|\|(?![^{BLANKS}])")
MIN_FIELDS = 4
LIST_NUMBER = re.compile("[0-9]{1,18}")


class MosesFormat:
    """Lines of four or more fields, separated by |||.

    Args:
        feature: the name of the feature that is added.
    """

    name: NbestName = "moses"
    needs_tokens = False

    def __init__(self, feature: str) -> None:
        self._feature = feature

    def parse(self, line: str) -> Hypothesis:
        """Split a line behind its features and around its total."""
        separators = list(SEPARATOR.finditer(line))
        num_fields = len(separators) + 1
        if num_fields < MIN_FIELDS:
            raise LineError(
                f"has {format_count(num_fields, 'field')} separated by |||; {MIN_FIELDS} or more "
                "are needed"
            )
        begins = [0, *(each.end() for each in separators)]
        ends = [*(each.start() for each in separators), len(line)]
        number, text, features, total = (
            line[begin:end].strip(BLANKS) for begin, end in zip(begins[:4], ends[:4], strict=True)
        )
        if not LIST_NUMBER.fullmatch(number):
            raise LineError(
                f"has {quote(number)} as the number of its list; a whole number is needed"
            )
        if f"{self._feature}=" in features.split():
            raise LineError(
                f"has a feature {self._feature!r} already; a new name is needed",
                "Give one with --name",
            )
        insert = begins[2] + len(line[begins[2] : ends[2]].rstrip(BLANKS))
        begin = ends[3] - len(line[begins[3] : ends[3]].lstrip(BLANKS))
        parts = line[:insert], line[insert:begin], total, line[begin + len(total) :]
        return Hypothesis(text, parts, number, parse_number(total, "its total score"))

    def measure(self, score: TextScore) -> float:
        """Return ln p."""
        return compute_ln_p(score)

    def render(self, hypothesis: Hypothesis, score: TextScore, weight: float | None) -> str:
        """Return the line with one feature more."""
        ln_p, base = self.measure(score), hypothesis.base
        before, between, total, rest = hypothesis.parts
        if weight is not None and base is not None:
            total = format_score(base + weight * ln_p)
        return f"{before} {self._feature}= {format_score(ln_p)}{between}{total}{rest}"

    def render_best(self, hypothesis: Hypothesis) -> str:
        """Return the text."""
        return hypothesis.text
