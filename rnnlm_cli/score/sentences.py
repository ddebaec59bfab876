"""Scores of texts: encode them, evaluate their tokens, sum the result of each text.

Legend: N tokens of a text.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.errors import TextError
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.score.evaluate import (
    compute_document_nats,
    compute_sentence_nats,
    has_probability,
)
from rnnlm_cli.score.score import Nats, Score, TextScore, TokenScore
from rnnlm_cli.text.tokenizers import BOUNDARY, Ids
from rnnlm_cli.text.vocabulary import Vocabulary

MAX_BATCH_CHARACTERS = 1 << 18  # characters of text scored together, which bounds the memory
MAX_BATCH_SENTENCES = 4096


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
        predicted = [text + ending for text in batch]
        ids = [vocabulary.encode(text) for text in predicted]
        all_nats = compute_sentence_nats(network, ids, batch_tokens=batch_tokens)
        for name, text, tokens_N, nats_N in zip(batch, predicted, ids, all_nats, strict=True):
            tokens = vocabulary.split(text) if with_tokens else None
            score, token_scores = _sum_tokens(network, text, tokens_N, nats_N, tokens)
            yield TextScore(name, score, closing, token_scores)


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
    score, token_scores = _sum_tokens(network, text, tokens_N, nats_N, tokens)
    return TextScore(name, score, False, token_scores)


def _sum_tokens(
    network: RecurrentNetwork, text: str, tokens_N: Ids, nats_N: Nats,
    tokens: list[str] | None,
) -> tuple[Score, list[TokenScore] | None]:
    """Return the score of a text, and the score of each token if the `tokens` are given."""
    scored_N = has_probability(network, tokens_N)
    score = Score.from_tokens(nats_N, tokens_N, scored_N, text=text)
    if tokens is None:
        return score, None
    columns = zip(tokens, tokens_N, nats_N, scored_N, strict=True)
    return score, [
        TokenScore(
            token, float(nats) if scored else None, bool(token_id == UNKNOWN_ID), int(token_id)
        )
        for token, token_id, nats, scored in columns
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
