"""The formats `kaldi` and `kaldi-words`: n-best lists of the speech recogniser Kaldi.

    in            utt-id-N word word ...
    kaldi         utt-id-N cost
    kaldi-words   utt-id-N cost cost ... cost

N is the number of the hypothesis. The cost is -ln p, with 4 decimals: of the hypothesis, or of each
word and then of the end of the sentence. A word without probability costs nothing. Adjacent lines
with the same id in front of the last hyphen are one list.
"""

import re

from rnnlm_cli.config.rescore import NbestName
from rnnlm_cli.score.nbest.hypothesis import (
    BLANKS,
    Hypothesis,
    LineError,
    compute_ln_p,
    quote,
)
from rnnlm_cli.score.score import TextScore

ID = re.compile("(.+)-[0-9]+")


class KaldiFormat:
    """The cost of each hypothesis.

    Args:
        words: whether to give the costs of its words instead.
    """

    def __init__(self, *, words: bool) -> None:
        self.name: NbestName = "kaldi-words" if words else "kaldi"
        self.needs_tokens = words

    def parse(self, line: str) -> Hypothesis:
        """Split a line behind its id."""
        id_, *texts = re.split(f"[{BLANKS}]+", line.strip(BLANKS), maxsplit=1)
        match = ID.fullmatch(id_)
        if match is None:
            raise LineError(
                f"begins with {quote(id_)}; the id of an utterance with a hyphen and the number of "
                "the hypothesis is needed, as in utt-id-1"
            )
        return Hypothesis("".join(texts), (id_,), match[1])

    def measure(self, score: TextScore) -> float:
        """Return ln p."""
        return compute_ln_p(score)

    def render(self, hypothesis: Hypothesis, score: TextScore, weight: float | None) -> str:
        """Return the id and the costs."""
        costs = [score.nats]
        if self.needs_tokens:
            assert score.tokens is not None and score.closing
            costs = [token.nats or 0.0 for token in score.tokens]
        return " ".join([hypothesis.parts[0], *(f"{cost:z.4f}" for cost in costs)])

    def render_best(self, hypothesis: Hypothesis) -> str:
        """Return the id of the utterance and the text."""
        return f"{hypothesis.list_id} {hypothesis.text}".rstrip(" ")
