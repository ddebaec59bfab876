"""Scores of texts: encode them, evaluate their tokens, sum the result of each text.

Legend: N tokens of a text, V vocabulary size, F figures of a token (see `FigureChoice`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.errors import TextError
from rnnlm_cli.score.evaluate import (
    NATS,
    compute_document_figures,
    compute_sentence_figures,
    has_probability,
)
from rnnlm_cli.score.predictor import FigureChoice, Figures, Predictor
from rnnlm_cli.score.score import Mask, Nats, Score, TextScore, TokenScore
from rnnlm_cli.score.words import Span, choose_figures, sum_spans
from rnnlm_cli.text.tokenizers import BOUNDARY, Ids
from rnnlm_cli.text.vocabulary import Vocabulary

MAX_BATCH_CHARACTERS = 1 << 18  # characters of text scored together, which bounds the memory
MAX_BATCH_SENTENCES = 4096

FindSpans = Callable[[int, str], Sequence[Span]]  # from the number of a text, from 0, and the text


@dataclass(frozen=True)
class Details:
    """The details that a text's score has beside its sums.

    Args:
        tokens: whether to give the score of every token.
        distribution: whether the score of a token has the entropy of its prediction, and its rank.
        find_spans: finds the words or other spans to score; None for none.
    """

    tokens: bool = False
    distribution: bool = False
    find_spans: FindSpans | None = None

    def choose_figures(self, vocabulary: Vocabulary) -> FigureChoice:
        """Return the figures that these details need."""
        if self.find_spans is not None:
            return choose_figures(vocabulary)
        return FigureChoice(with_distribution=True) if self.distribution else NATS


@dataclass(frozen=True)
class TextEvaluator:
    """Scores texts with a predictor.

    Args:
        unigram_nats_V: -ln p of every token by its frequency in the training text alone; None if
            it is not known.
        batch_tokens: maximum number of tokens in one pass through the network; None means the
            default.
    """

    predictor: Predictor
    vocabulary: Vocabulary
    unigram_nats_V: Nats | None = None
    batch_tokens: int | None = None

    def score_sentences(
        self, texts: Iterable[str], *, closing: bool, given: str = "", details: Details = Details(),
        first_number: int = 0,
    ) -> Iterator[TextScore]:
        """Score sentences in order, each from a reset. Batches bound the memory.

        Args:
            texts: the sentences.
            closing: whether to predict the closing boundary too.
            given: a text that is read before each sentence and not scored.
            first_number: the number of the first text, from 0.
        Raises: TextError if a text contains a newline.
        """
        ending, given_N = BOUNDARY if closing else "", self.vocabulary.encode(given)
        choice, number = details.choose_figures(self.vocabulary), first_number
        for batch in _split_batches(texts):
            for text in batch:
                if BOUNDARY in text:
                    raise TextError(f"{text!r}: contains a newline; one sentence is needed")
            ids = [self.vocabulary.encode(text + ending) for text in batch]
            figures = compute_sentence_figures(
                self.predictor,
                [np.concatenate([given_N, tokens_N]) for tokens_N in ids] if given else ids,
                batch_tokens=self.batch_tokens, choice=choice,
            )
            for text, tokens_N, figures_FN in zip(batch, ids, figures, strict=True):
                yield self._sum(
                    number, text, text + ending, tokens_N, figures_FN[:, len(given_N) :],
                    details, closing=closing, given=given,
                )
                number += 1

    def score_document(
        self, name: str, text: str, *, number: int = 0, num_rows: int = 1,
        reset_every: int | None = None, details: Details = Details(),
    ) -> TextScore:
        """Score a running text. Every token is predicted; see `compute_document_figures`.

        Args:
            name: the name of the text in its score.
            number: the number of the text, from 0.
        """
        tokens_N, choice = self.vocabulary.encode(text), details.choose_figures(self.vocabulary)
        figures_FN = np.empty((choice.size, 0))
        if len(tokens_N):
            figures_FN = compute_document_figures(
                self.predictor, tokens_N, num_rows=num_rows, reset_every=reset_every,
                batch_tokens=self.batch_tokens, choice=choice,
            )
        return self._sum(number, name, text, tokens_N, figures_FN, details)

    def _sum(
        self, number: int, name: str, text: str, tokens_N: Ids, figures_FN: Figures,
        details: Details, *, closing: bool = False, given: str = "",
    ) -> TextScore:
        """Return the score of a text whose tokens are evaluated.

        Args:
            text: the text that the tokens spell.
        """
        scored_N, words = has_probability(self.predictor, tokens_N), None
        score = Score.from_tokens(
            figures_FN[0], tokens_N, scored_N, text=text, unigram_nats_V=self.unigram_nats_V
        )
        if details.find_spans is not None:
            spans = details.find_spans(number, text)
            words = sum_spans(self.vocabulary, text, spans, tokens_N, figures_FN, scored_N)
        tokens = None
        if details.tokens:
            tokens = _list_tokens(self.vocabulary.split(text), tokens_N, figures_FN, scored_N)
        return TextScore(name, score, closing, tokens, words, given)


def _list_tokens(
    tokens: Sequence[str], tokens_N: Ids, figures_FN: Figures, scored_N: Mask
) -> list[TokenScore]:
    """Return the score of each token, with its entropy and its rank if they were computed."""
    with_distribution = len(figures_FN) > 1
    return [
        TokenScore(
            token, float(figures[0]) if is_scored else None, bool(id_ == UNKNOWN_ID), int(id_),
            float(figures[1]) if with_distribution else None,
            int(figures[2]) if with_distribution and is_scored else None,
        )
        for token, id_, figures, is_scored in zip(
            tokens, tokens_N, figures_FN.T, scored_N, strict=True
        )
    ]


def _split_batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Split texts into lists of bounded number and size.

    The size is counted in characters; one text that is longer than the bound stays whole.
    """
    iterator, batch, size = iter(texts), [], 0
    for text in iterator:
        batch.append(text)
        size += len(text) + 1
        if size >= MAX_BATCH_CHARACTERS or len(batch) == MAX_BATCH_SENTENCES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
