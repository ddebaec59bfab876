r"""The format `tsv`: a header line and tab-separated rows, for R and pandas.

A row for each text:
    sentence: number of the text, from 1.
    ln_p, log10_p: ln p and log10 p, summed over the predicted tokens.
    normalized: the normalised score, if one is asked for.
    tokens: number of predicted tokens.
    perplexity: exp(-ln_p / tokens).
    bits_per_char, bits_per_byte: too low if unknown is above 0.
    unknown, unscored: number of unknown tokens, and of those without probability.
    closing: whether the closing boundary was predicted, true or false.
    adapted_ln_p, adapted_perplexity: of the adapted model, if documents are adapted to.
    text: the sentence, or the path of a document.

A row for each word or token, if these are asked for:
    sentence: number of the text, from 1; in a document the number of its line.
    word_number or token_number: from 1 in each sentence or line.
    word or token: as the text spells it. A token of white space is a Python escape: \x20, \n.
    surprisal_bits: its surprisal.
    entropy_bits: the entropy of the prediction of its first token.
    rank: the rank of its first token in that prediction, 1 for the most likely.
    length: its number of characters.

NA means that there is no value. Nothing is quoted: control characters become escapes, so that each
row is one line with the same number of fields. Readers must not interpret quotes (R: quote="";
pandas: quoting=3).
"""

import math
from collections.abc import Iterator, Sequence

from rnnlm_cli.messages import escape_controls
from rnnlm_cli.score.formats.format import FormatSettings, Output
from rnnlm_cli.score.formats.summary import summarize
from rnnlm_cli.score.score import Score, TextScore, TokenScore
from rnnlm_cli.text.tokenizers import BOUNDARY

MISSING = "NA"
PART_COLUMNS = ("surprisal_bits", "entropy_bits", "rank", "length")


class TsvFormat:
    """Tab-separated rows, with the total on stderr."""

    def __init__(self, settings: FormatSettings) -> None:
        self._settings = settings
        self._num_texts = 0

    def begin(self) -> Output:
        """Return the header line."""
        if self._settings.unit == "words":
            return Output([_join("sentence", "word_number", "word", *PART_COLUMNS)], [])
        if self._settings.unit == "tokens":
            return Output([_join("sentence", "token_number", "token", *PART_COLUMNS)], [])
        normalized = [] if self._settings.normalize == "none" else ["normalized"]
        adapted = ["adapted_ln_p", "adapted_perplexity"] if self._settings.adapted else []
        return Output([_join(
            "sentence", "ln_p", "log10_p", *normalized, "tokens", "perplexity", "bits_per_char",
            "bits_per_byte", "unknown", "unscored", "closing", *adapted, "text",
        )], [])

    def one(self, text: TextScore) -> Output:
        """Return the row of a text, or the rows of its words or tokens."""
        self._num_texts += 1
        if self._settings.unit == "words":
            return Output([*self._format_words(text)], [])
        if self._settings.unit == "tokens":
            return Output([*self._format_tokens(text)], [])
        return Output([self._format_text(text)], [])

    def end(self, total: Score, num_texts: int, adapted: Score | None = None) -> Output:
        """Return the total as a message."""
        return Output([], summarize(total, num_texts, adapted))

    def _format_text(self, text: TextScore) -> str:
        score, how, adapted = text.score, self._settings.normalize, text.adapted
        normalized = [] if how == "none" else [_format(score.normalize(how))]
        adapted_figures = [
            _format(None if adapted is None else -adapted.nats),
            _format(None if adapted is None else adapted.perplexity),
        ]
        return _join(
            str(self._num_texts), _format(-score.nats), _format(score.log10_prob), *normalized,
            str(score.num_predicted), _format(score.perplexity),
            _format(score.bits_per_character), _format(score.bits_per_byte),
            str(score.num_unknown), str(score.num_unscored), "true" if text.closing else "false",
            *(adapted_figures if self._settings.adapted else []), escape_controls(text.text),
        )

    def _format_words(self, text: TextScore) -> Iterator[str]:
        assert text.words is not None
        for word in text.words:
            sentence = word.line if self._settings.document else self._num_texts
            yield _join(
                str(sentence), str(word.number), escape_controls(word.word),
                *_format_part(word.nats, word.entropy, word.rank), str(len(word.word)),
            )

    def _format_tokens(self, text: TextScore) -> Iterator[str]:
        assert text.tokens is not None
        for line, number, token in _number_tokens(text.tokens):
            sentence = line if self._settings.document else self._num_texts
            yield _join(
                str(sentence), str(number), _show_token(token.token),
                *_format_part(token.nats, token.entropy, token.rank), str(len(token.token)),
            )


def _number_tokens(tokens: Sequence[TokenScore]) -> Iterator[tuple[int, int, TokenScore]]:
    """Yield each token with the number of its line and its number there, both from 1.

    A newline belongs to the line that it ends.
    """
    line, number = 1, 0
    for token in tokens:
        number += 1
        yield line, number, token
        if BOUNDARY in token.token:
            line, number = line + token.token.count(BOUNDARY), 0


def _format_part(nats: float | None, entropy: float | None, rank: int | None) -> list[str]:
    """Return the surprisal, the entropy and the rank of a word or token."""
    bits = (None if each is None else each / math.log(2) for each in (nats, entropy))
    return [*map(_format, bits), MISSING if rank is None else str(rank)]


def _format(value: float | None) -> str:
    """Return a figure with 9 digits, which are enough to restore a float32."""
    return MISSING if value is None else f"{value:z.9g}"


def _show_token(token: str) -> str:
    """Return a token with escapes for control characters, and for white space if it is nothing
    else."""
    if token.isspace():
        return token.encode("unicode_escape").decode("ascii").replace(" ", r"\x20")
    return escape_controls(token)


def _join(*fields: str) -> str:
    return "\t".join(fields)
