"""The format `srilm`: the third format of n-best lists of SRILM.

    ascore lscore nwords w1 w2 ...

The scores are log10 p of the acoustic model and of the language model. The latter is replaced by
log10 p of this model, or becomes lscore + weight * log10 p if a weight is given. A file is one
list.

The tags <s> and </s> around a hypothesis are not scored, and nwords may count them or not.
"""

import re

from rnnlm_cli.config.rescore import NbestName
from rnnlm_cli.score.nbest.hypothesis import BLANKS, Hypothesis, LineError, parse_number, quote
from rnnlm_cli.score.score import TextScore

FIELDS = re.compile(r"([^ \t]+[ \t]+)([^ \t]+)([ \t]+([^ \t]+)(?:[ \t]+(.*))?)", re.DOTALL)
BEGIN_TAG = re.compile(rf"<s>([{BLANKS}]|$)")
END_TAG = re.compile(rf"(^|[{BLANKS}])</s>$")
HEADER = re.compile(r"NBestList[0-9.]+")


class SrilmFormat:
    """Lines of two scores, a number of words and the words."""

    name: NbestName = "srilm"
    needs_tokens = False

    def parse(self, line: str) -> Hypothesis:
        """Split a line around the score of the language model."""
        if header := HEADER.fullmatch(line.strip(BLANKS)):
            raise LineError(
                f"is {header[0]}, the header of a Decipher list; a list in SRILM's third format is "
                "needed",
                "SRILM's 'nbest-lattice -nbest FILE -write-nbest NEW' writes one",
            )
        indent = len(line) - len(line.lstrip(BLANKS))
        fields = FIELDS.fullmatch(line, indent)
        if fields is None:
            raise LineError(
                f"has {len(line.split())} fields; an acoustic score, a language model score, the "
                "number of words and the words are needed"
            )
        acoustic = parse_number(fields[1].strip(BLANKS), "its acoustic score")
        language = parse_number(fields[2], "its language model score")
        tagged = (fields[5] or "").rstrip(BLANKS)
        text = _remove_tags(tagged)
        _require_num_words(fields[4], tagged, text)
        parts = line[: fields.start(2)], fields[2], fields[3]
        return Hypothesis(text, parts, base=acoustic + language)

    def measure(self, score: TextScore) -> float:
        """Return log10 p."""
        return score.log10_prob

    def render(self, hypothesis: Hypothesis, score: TextScore, weight: float | None) -> str:
        """Return the line with another score of the language model."""
        before, language, after = hypothesis.parts
        new = score.log10_prob
        if weight is not None:
            new = float(language) + weight * new
        return f"{before}{new:z.7g}{after}"

    def render_best(self, hypothesis: Hypothesis) -> str:
        """Return the text."""
        return hypothesis.text


def _remove_tags(text: str) -> str:
    """Return a text without <s> at its beginning and </s> at its end."""
    if BEGIN_TAG.match(text):
        text = text.removeprefix("<s>")
    if END_TAG.search(text):
        text = text.removesuffix("</s>")
    return text.strip(BLANKS)


def _require_num_words(field: str, *texts: str) -> None:
    """Raise LineError if a field is not the number of words of one of some texts."""
    counts = [_count_words(text) for text in texts]
    if not re.fullmatch("[0-9]{1,18}", field) or int(field) not in counts:
        raise LineError(
            f"has {quote(field)} as its number of words; {counts[0]}, the number of words that "
            "follow, is needed"
        )


def _count_words(text: str) -> int:
    return len(re.findall(f"[^{BLANKS}]+", text))
