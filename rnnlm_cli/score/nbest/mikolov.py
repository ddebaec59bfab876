"""The format `mikolov`: one sentence a line in, one log10 p a line out.

The toolkits of Mikolov and of yandex (faster-rnnlm) write such lines. Mikolov's -nbest expects a
number in front of each sentence. There must be none here, because it would be scored as a word. A
file is one list.
"""

from rnnlm_cli.config.rescore import NbestName
from rnnlm_cli.score.nbest.hypothesis import Hypothesis
from rnnlm_cli.score.score import TextScore


class MikolovFormat:
    """Sentences, which may be empty."""

    name: NbestName = "mikolov"
    needs_tokens = False

    def parse(self, line: str) -> Hypothesis:
        """Take the whole line as the text."""
        return Hypothesis(line, ())

    def measure(self, score: TextScore) -> float:
        """Return log10 p."""
        return score.log10_prob

    def render(self, hypothesis: Hypothesis, score: TextScore, weight: float | None) -> str:
        """Return log10 p with 6 decimals."""
        return f"{score.log10_prob:z.6f}"

    def render_best(self, hypothesis: Hypothesis) -> str:
        """Return the text."""
        return hypothesis.text
