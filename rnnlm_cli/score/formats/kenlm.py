r"""The format `kenlm`: what `query` of KenLM prints, for models of words.

    i=4 1 -2.9188688\tam=7 2 -0.2596373\t</s>=1 3 -1.1053672\tTotal: -4.2838733 OOV: 0
    Perplexity including OOVs:\t26.789078375674833
    Perplexity excluding OOVs:\t26.789078375674833
    OOVs:\t0
    Tokens:\t3

A line for each sentence has WORD=ID LENGTH LOG10 and a tab for each word and for </s>, the sum of
the log10 probabilities, and the number of unknown words, whose id is 0. LENGTH is the order of the
n-gram in KenLM. A recurrent model has none, so it is the number of tokens of context, 1 for <s>
alone. Tokens counts all words, and </s> in each sentence.

A word without probability has -inf, its sentence too, and the perplexity including OOVs is then
infinite. Each number is the shortest decimal that restores the float32, or in the summary the
float64. Control characters are printed as escapes.
"""

import math
from typing import Any

import numpy as np

from rnnlm_cli.messages import escape_controls
from rnnlm_cli.score.formats.format import FormatSettings, Output
from rnnlm_cli.score.score import Score, TextScore
from rnnlm_cli.text.tokenizers import BOUNDARY

END = "</s>"


class KenlmFormat:
    """KenLM's lines. The texts must have their tokens, and the closing boundary."""

    def __init__(self, settings: FormatSettings) -> None:
        self._settings = settings

    def begin(self) -> Output:
        """Return nothing."""
        return Output([], [])

    def one(self, text: TextScore) -> Output:
        """Return the line of a sentence."""
        assert text.tokens is not None and text.closing
        assert text.tokens[-1].token == BOUNDARY
        num_context = 1 + len(text.given.split()) + text.given.count(BOUNDARY)
        cells = []
        for length, token in enumerate(text.tokens, num_context):
            name = END if token.token == BOUNDARY else escape_controls(token.token)
            log10_prob = -math.inf if token.nats is None else -token.nats / math.log(10)
            cells.append(f"{name}={token.id} {length} {_format(np.float32(log10_prob))}\t")
        total = -math.inf if text.score.num_unscored else text.score.log10_prob
        summary = f"Total: {_format(np.float32(total))} OOV: {text.score.num_unknown}"
        return Output(["".join([*cells, summary])], [])

    def end(self, total: Score, num_texts: int, adapted: Score | None = None) -> Output:
        """Return the four lines of the summary."""
        including = math.inf if total.num_unscored else total.perplexity
        excluding = total.perplexity_without_unknown
        return Output([
            f"Perplexity including OOVs:\t{_format_perplexity(including)}",
            f"Perplexity excluding OOVs:\t{_format_perplexity(excluding)}",
            f"OOVs:\t{total.num_unknown}",
            f"Tokens:\t{total.num_read}",
        ], [])


def _format_perplexity(value: float | None) -> str:
    return _format(np.float64(math.nan if value is None else value))


def _format(value: np.floating[Any]) -> str:
    """Return the shortest decimal that restores a float, in the notation of KenLM.

    KenLM writes an exponent below 1e-6 and from 1e21 on, without zeros and without a plus sign.
    """
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "inf" if value > 0 else "-inf"
    value = value + 0  # never -0
    short = np.format_float_scientific(value, unique=True, trim="-", exp_digits=1)
    if -6 <= int(short.partition("e")[2]) < 21:
        return np.format_float_positional(value, unique=True, trim="-")
    return short.replace("e+", "e")
