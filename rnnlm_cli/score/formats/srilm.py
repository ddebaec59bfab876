r"""The format `srilm`: what `ngram -ppl -debug 2` of SRILM prints, for models of words.

    i am here
    \tp( i | <s> ) \t= [RNN] 0.0012054 [ -2.918869 ]
    \tp( am | i ...) \t= [RNN] 0.55 [ -0.2596373 ]
    \tp( <unk> | am ...) \t= [OOV] 0 [ -inf ]
    \tp( </s> | <unk> ...) \t= [RNN] 0.0784572 [ -1.105367 ]
    1 sentences, 3 words, 1 OOVs
    0 zeroprobs, logprob= -4.283873 ppl= 26.78908 ppl1= 138.6554

    file NAME: 1 sentences, 3 words, 1 OOVs
    0 zeroprobs, logprob= -4.283873 ppl= 26.78908 ppl1= 138.6554

A line for each word has its probability and the log10 of it. SRILM's scripts read the latter as
the 10th field, so a word in brackets must stand where SRILM has the order of the n-gram.

words     number of words without </s>
OOVs      number of words without probability. They print as <unk>. An unknown word that does have
          a probability prints as <unk> too, and is not counted
logprob   sum of the log10 probabilities
ppl       10^(-logprob / (words - OOVs + sentences)); "undefined" if nothing is divided by
ppl1      10^(-logprob / (words - OOVs))

SRILM skips empty lines, so texts without words are left out here too: files can be mixed only if
they have the same number of words and sentences. Control characters are printed as escapes.
"""

import math
from collections.abc import Iterator

from rnnlm_cli.messages import escape_controls
from rnnlm_cli.score.formats.format import FormatSettings, Output
from rnnlm_cli.score.formats.summary import format_count
from rnnlm_cli.score.score import Score, TextScore, TokenScore, compute_perplexity
from rnnlm_cli.text.tokenizers import BOUNDARY
from rnnlm_cli.text.vocabulary import UNKNOWN

BEGIN, END = "<s>", "</s>"


class SrilmFormat:
    """SRILM's lines. The texts must have their tokens, and the closing boundary."""

    def __init__(self, settings: FormatSettings) -> None:
        self._settings = settings
        self._total = Score()
        self._num_sentences = 0

    def begin(self) -> Output:
        """Return nothing."""
        return Output([], [])

    def one(self, text: TextScore) -> Output:
        """Return the words of a sentence, a line for each of them, and the sums of the sentence."""
        assert text.tokens is not None and text.closing
        *words, closing = text.tokens
        assert closing.token == BOUNDARY
        if not words:
            return Output([], [])
        self._total += text.score
        self._num_sentences += 1
        return Output([
            " ".join(escape_controls(word.token) for word in words),
            *_format_tokens(text), *_format_sums(text.score, 1), "",
        ], [])

    def end(self, total: Score, num_texts: int, adapted: Score | None = None) -> Output:
        """Return the sums of the file, and a note if empty lines were left out."""
        first, *rest = _format_sums(self._total, self._num_sentences)
        num_empty = num_texts - self._num_sentences
        lines = format_count(num_empty, "line")
        note = f"rnnlm: note: left out {lines} without words, as SRILM does"
        data = [f"file {escape_controls(self._settings.name)}: {first}", *rest]
        return Output(data, [note] if num_empty else [])


def _format_tokens(text: TextScore) -> Iterator[str]:
    """Yield a line for each word and the closing boundary."""
    given = text.given.split()
    context = f"{escape_controls(given[-1])} ..." if given else f"{BEGIN} "
    for token in text.tokens or ():
        name = _name_token(token)
        if token.nats is None:
            figures = "[OOV] 0 [ -inf ]"
        else:
            log10_prob = -token.nats / math.log(10)
            figures = f"[RNN] {math.exp(-token.nats):.7g} [ {log10_prob:z.7g} ]"
        yield f"\tp( {name} | {context}) \t= {figures}"
        context = f"{name} ..."


def _name_token(token: TokenScore) -> str:
    """Return a token as the vocabulary spells it."""
    if token.is_unknown:
        return UNKNOWN
    return END if token.token == BOUNDARY else escape_controls(token.token)


def _format_sums(score: Score, num_sentences: int) -> list[str]:
    """Return the two lines of sums. Without any word or sentence, SRILM prints the first alone."""
    num_words = score.num_read - num_sentences
    lines = [f"{num_sentences} sentences, {num_words} words, {score.num_unscored} OOVs"]
    if score.num_read:
        lines.append(
            f"0 zeroprobs, logprob= {score.log10_prob:.7g} "
            f"ppl= {_format_perplexity(score.nats, score.num_predicted)} "
            f"ppl1= {_format_perplexity(score.nats, score.num_predicted - num_sentences)}"
        )
    return lines


def _format_perplexity(nats: float, num_tokens: int) -> str:
    return f"{compute_perplexity(nats / num_tokens):.7g}" if num_tokens else "undefined"
