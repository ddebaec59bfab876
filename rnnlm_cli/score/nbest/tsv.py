"""The format `tsv`: a text and a score, separated by a tab.

    in    text<TAB>score, or the text alone
    out   text<TAB>ln p, or text<TAB>score + weight * ln p if a weight is given

A file is one list.
"""

from rnnlm_cli.config.rescore import NbestName
from rnnlm_cli.score.nbest.hypothesis import (
    BLANKS,
    Hypothesis,
    LineError,
    compute_ln_p,
    format_score,
    parse_number,
)
from rnnlm_cli.score.score import TextScore


class TsvFormat:
    """Texts with a score, or without.

    Args:
        needs_scores: whether every line must have a score.
    """

    name: NbestName = "tsv"
    needs_tokens = False

    def __init__(self, *, needs_scores: bool) -> None:
        self._needs_scores = needs_scores

    def parse(self, line: str) -> Hypothesis:
        """Split a line at its tab."""
        text, *scores = line.split("\t")
        if len(scores) > 1:
            raise LineError(f"has {len(scores)} tabs; a text, a tab and a score are needed")
        if scores:
            return Hypothesis(text, (), base=parse_number(scores[0].strip(BLANKS), "its score"))
        if self._needs_scores:
            raise LineError("has no score to combine with; a text, a tab and a score are needed")
        return Hypothesis(text, ())

    def measure(self, score: TextScore) -> float:
        """Return ln p."""
        return compute_ln_p(score)

    def render(self, hypothesis: Hypothesis, score: TextScore, weight: float | None) -> str:
        """Return the text and its new score."""
        value = self.measure(score)
        if weight is not None and hypothesis.base is not None:
            value = hypothesis.base + weight * value
        return f"{hypothesis.text}\t{format_score(value)}"

    def render_best(self, hypothesis: Hypothesis) -> str:
        """Return the text."""
        return hypothesis.text
