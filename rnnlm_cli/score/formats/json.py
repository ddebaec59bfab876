"""The format `json`: one JSON object a line, for programs.

text: the sentence. A document has `file`, its path, instead.
nats: -ln p, summed over the predicted tokens.
log10_prob: log10 p.
predicted_tokens: number of tokens in that sum.
perplexity: null if nothing was predicted, or if a float cannot hold it.
perplexity_excluding_oov: the same over the known tokens alone.
bits_per_char: null if nothing was predicted; too low if oov is above 0.
bits_per_byte: the same per byte of UTF-8.
oov: number of unknown tokens.
unscored: number of those without probability.
closing: whether the closing boundary was predicted.
precision, if it is not float32: that of the matrix products; the score is approximate.
normalize, score, if a normalised score is asked for: its kind and its value, which is null if the
    length is 0.
given, if there is one: the text before, which was read and not scored.
tokens, if the score has them: [{token, nats, oov}], nats null for an unscored token. A token also
    has `entropy` in nats and `rank` if they are known. A token that is not UTF-8, such as one byte
    of a longer character, also has `bytes`, the list of its bytes.
words, if the score has them: [{word, line, number, nats, entropy, rank, oov, length}], length in
    characters, nats and rank null if there are none.
adapted, if a model adapts to the document: {nats, perplexity, bits_per_char, bits_per_byte}.
"""

import json
import math
from typing import Any

from rnnlm_cli.messages import replace_surrogates
from rnnlm_cli.score.formats.format import FormatSettings, Output
from rnnlm_cli.score.formats.summary import summarize
from rnnlm_cli.score.score import Score, TextScore, TokenScore, WordScore


class JsonFormat:
    """JSON lines, with the total on stderr.

    A byte that is not UTF-8 becomes U+FFFD, because strict readers refuse lone surrogates.
    """

    def __init__(self, settings: FormatSettings) -> None:
        self._settings = settings

    def begin(self) -> Output:
        """Return nothing."""
        return Output([], [])

    def one(self, text: TextScore) -> Output:
        """Return one JSON object."""
        score, how = text.score, self._settings.normalize
        data: dict[str, Any] = {
            "file" if self._settings.document else "text": replace_surrogates(text.text),
            "nats": score.nats,
            "log10_prob": score.log10_prob,
            "predicted_tokens": score.num_predicted,
            "perplexity": _finite(score.perplexity),
            "perplexity_excluding_oov": _finite(score.perplexity_without_unknown),
            "bits_per_char": score.bits_per_character,
            "bits_per_byte": score.bits_per_byte,
            "oov": score.num_unknown,
            "unscored": score.num_unscored,
            "closing": text.closing,
        }
        if self._settings.precision != "float32":
            data["precision"] = self._settings.precision
        if how != "none":
            data |= {"normalize": how, "score": score.normalize(how)}
        if text.given:
            data["given"] = replace_surrogates(text.given)
        if text.tokens is not None:
            data["tokens"] = [_describe_token(token) for token in text.tokens]
        if text.words is not None:
            data["words"] = [_describe_word(word) for word in text.words]
        if text.adapted is not None:
            data["adapted"] = _describe_adapted(text.adapted)
        return Output([json.dumps(data, allow_nan=False)], [])

    def end(self, total: Score, num_texts: int, adapted: Score | None = None) -> Output:
        """Return the total as a message."""
        return Output([], summarize(total, num_texts, adapted))


def _describe_token(token: TokenScore) -> dict[str, Any]:
    """Return the JSON object of a token."""
    shown = replace_surrogates(token.token)
    data: dict[str, Any] = {"token": shown, "nats": token.nats, "oov": token.is_unknown}
    if token.entropy is not None:
        data["entropy"] = token.entropy
    if token.rank is not None:
        data["rank"] = token.rank
    if shown != token.token:
        data["bytes"] = [*token.token.encode("utf-8", "surrogateescape")]
    return data


def _describe_word(word: WordScore) -> dict[str, Any]:
    """Return the JSON object of a word."""
    return {
        "word": replace_surrogates(word.word),
        "line": word.line,
        "number": word.number,
        "nats": word.nats,
        "entropy": word.entropy,
        "rank": word.rank,
        "oov": word.has_unknown,
        "length": len(word.word),
    }


def _describe_adapted(score: Score) -> dict[str, Any]:
    """Return the JSON object of the score by a model that adapts to the document."""
    return {
        "nats": score.nats,
        "perplexity": _finite(score.perplexity),
        "bits_per_char": score.bits_per_character,
        "bits_per_byte": score.bits_per_byte,
    }


def _finite(value: float | None) -> float | None:
    """Return None for infinity, which JSON does not have."""
    return None if value == math.inf else value
