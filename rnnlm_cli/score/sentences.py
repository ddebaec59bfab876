"""Scores of texts: encode them, evaluate their tokens, sum the result of each text.

Legend: N tokens of a text.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.errors import TextError
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.score.evaluate import (
    Nats,
    compute_document_nats,
    compute_sentence_nats,
    has_probability,
    perplexity,
)
from rnnlm_cli.text.tokenizers import BOUNDARY, Ids
from rnnlm_cli.text.vocabulary import Vocabulary

MAX_BATCH_CHARACTERS = 1 << 18  # characters of text scored together, which bounds the memory
MAX_BATCH_SENTENCES = 4096


@dataclass(frozen=True)
class TokenScore:
    """A token and its surprisal, -ln p. `nats` is None if it has no probability (unscored)."""

    token: str
    nats: float | None
    oov: bool


@dataclass(frozen=True)
class TextScore:
    """The score of a sentence, or of a document.

    Args:
        text: the sentence, or the path of the document.
        nats: -ln p, summed over the predicted tokens.
        predicted_tokens: how many tokens that sum has; the closing boundary is one if it counts.
        num_characters: of the original text, the closing newline included if it counts.
        oov: unknown tokens, scored as <unk> where the model has learned a probability for it.
        unscored: unknown tokens that have none: left out of `nats` and `predicted_tokens`.
        closing: whether the closing boundary counts.
        oov_nats: the part of `nats` that is due to unknown tokens.
        tokens: every token; None where they were not asked for.
    """

    text: str
    nats: float
    predicted_tokens: int
    num_characters: int
    oov: int
    unscored: int
    closing: bool
    oov_nats: float
    tokens: Sequence[TokenScore] | None = None

    @property
    def log10_prob(self) -> float:
        """log10 p."""
        return 0.0 - self.nats / math.log(10)  # never -0.0

    @property
    def perplexity(self) -> float | None:
        """exp(nats / predicted tokens); None where nothing was predicted."""
        return perplexity_of(self.nats, self.predicted_tokens)

    @property
    def bits_per_character(self) -> float | None:
        """Bits per character of the original text; None where nothing was predicted.

        Unknown tokens hide the cost of spelling them: with oov above 0 it is too low.
        """
        return self.nats / math.log(2) / self.num_characters if self.predicted_tokens else None


def perplexity_of(nats: float, num_tokens: int) -> float | None:
    """exp(nats / tokens); None where there are none."""
    return perplexity(nats / num_tokens) if num_tokens else None


def score_sentences(
    network: RecurrentNetwork, vocabulary: Vocabulary, texts: Iterable[str], *,
    closing: bool, with_tokens: bool = False, batch_tokens: int | None = None,
) -> Iterator[TextScore]:
    """Score sentences in order, each from a reset. Batches bound the memory.

    Args:
        texts: the sentences.
        closing: whether to predict the closing boundary too.
        with_tokens: whether to return the score of every token.
        batch_tokens: maximum number of tokens in one pass through the network; None means the
            default.
    Raises: TextError if a text contains a newline.
    """
    ending = BOUNDARY if closing else ""
    for batch in _split_batches(texts):
        for text in batch:
            if BOUNDARY in text:
                raise TextError(f"{text!r}: contains a newline; one sentence is needed")
        wholes = [text + ending for text in batch]
        ids = [vocabulary.encode(whole) for whole in wholes]
        all_nats = compute_sentence_nats(network, ids, batch_tokens=batch_tokens)
        for text, whole, tokens_N, nats_N in zip(batch, wholes, ids, all_nats, strict=True):
            tokens = vocabulary.split(whole) if with_tokens else None
            scored_N = has_probability(network, tokens_N)
            yield _make_text_score(text, len(whole), tokens_N, nats_N, scored_N, closing, tokens)


def score_document(
    network: RecurrentNetwork, vocabulary: Vocabulary, name: str, text: str, *,
    num_rows: int = 1, reset_every: int | None = None, with_tokens: bool = False,
    batch_tokens: int | None = None,
) -> TextScore:
    """Score a running text. Every token is predicted; see `compute_document_nats`.

    Args:
        name: the name of the text in its score.
    """
    tokens_N = vocabulary.encode(text)
    nats_N = np.empty(0)
    if len(tokens_N):
        nats_N = compute_document_nats(
            network, tokens_N, num_rows=num_rows, reset_every=reset_every,
            batch_tokens=batch_tokens,
        )
    tokens = vocabulary.split(text) if with_tokens else None
    scored_N = has_probability(network, tokens_N)
    return _make_text_score(name, len(text), tokens_N, nats_N, scored_N, False, tokens)


def _make_text_score(
    text: str, num_characters: int, tokens_N: Ids, nats_N: Nats, scored_N: NDArray[np.bool_],
    closing: bool, tokens: list[str] | None,
) -> TextScore:
    unknown_N = tokens_N == UNKNOWN_ID
    return TextScore(
        text=text,
        nats=float(nats_N[scored_N].sum()),
        predicted_tokens=int(scored_N.sum()),
        num_characters=num_characters,
        oov=int(unknown_N.sum()),
        unscored=int((~scored_N).sum()),
        closing=closing,
        oov_nats=float(nats_N[scored_N & unknown_N].sum()),
        tokens=None if tokens is None else [
            TokenScore(token, float(nats) if scored else None, bool(oov))
            for token, nats, scored, oov in zip(tokens, nats_N, scored_N, unknown_N, strict=True)
        ],
    )


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
