"""Surprisal of words between white space, and of other spans of a text, from tokens of any level.

The boundary after a word belongs to the word (Oh & Schuler 2024, arXiv 2406.10851; Pimentel &
Meister 2024, arXiv 2406.14561). The probability of "the" is then that of its letters and of the
white space that ends it: without the white space, "the" would include "then" and "there", and the
probabilities of all words would sum to more than 1.

char, byte   the white space after a word is a token, whose surprisal is added to that of the word
bpe          a token such as " the" begins with the boundary of the word before. It is divided:
             -ln of the probability that any token of this kind comes belongs to the word before,
             the rest to its own word
word         a token is a whole word already. The closing boundary is a word of its own, </s>

So the surprisals of the words of a text sum to that of the text.

Legend: N tokens of a text, F figures of a token (see `FigureChoice`).
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.errors import TextError
from rnnlm_cli.score.predictor import FigureChoice, Figures
from rnnlm_cli.score.score import Mask, Nats, WordScore
from rnnlm_cli.text.tokenizers import BOUNDARY, Ids
from rnnlm_cli.text.vocabulary import BYTE_LEVELS, Vocabulary

WORD = re.compile(r"\S+")
WORD_OR_BOUNDARY = re.compile(r"\n|\S+")
CLOSING = "</s>"  # the name of the closing boundary at word level
Places = NDArray[np.int64]


class Span(NamedTuple):
    """A part of a text, by the places of its characters.

    Args:
        text: its characters.
        line: the number of its line in the text, from 1.
        number: its number in that line, from 1.
        begin: the place of its first character; its first token is the one that holds it.
        owned_begin, owned_end: the tokens that begin between these places are summed.
    """

    text: str
    line: int
    number: int
    begin: int
    owned_begin: int
    owned_end: int


def find_words(vocabulary: Vocabulary, text: str) -> list[Span]:
    """Return the words of a text. Each one owns the white space after it.

    White space before the first word belongs to that word.
    """
    at_word_level = vocabulary.level == "word"
    matches = list((WORD_OR_BOUNDARY if at_word_level else WORD).finditer(text))
    begins = [0, *(match.start() for match in matches[1:]), len(text)]
    spans: list[Span] = []
    line, number, place = 1, 0, 0
    for index, match in enumerate(matches):
        newlines = text.count(BOUNDARY, place, match.start())
        line, number, place = line + newlines, 1 if newlines else number + 1, match.start()
        word = CLOSING if match[0] == BOUNDARY else match[0]
        spans.append(Span(word, line, number, place, begins[index], begins[index + 1]))
    return spans


def choose_figures(vocabulary: Vocabulary) -> FigureChoice:
    """Return the figures that the words of a text need."""
    return FigureChoice(with_distribution=True, token_class=tuple(find_joined_tokens(vocabulary)))


def find_joined_tokens(vocabulary: Vocabulary) -> dict[int, int]:
    """Return the tokens that begin with white space and go on with something else.

    Returns: for the id of each, the number of its characters of white space.
    """
    if vocabulary.level != "bpe":
        return {}
    return {
        id_: len(token) - len(token.lstrip()) for id_, token in enumerate(vocabulary.tokens)
        if id_ != UNKNOWN_ID and 0 < len(token.lstrip()) < len(token)
    }


def sum_spans(
    vocabulary: Vocabulary, text: str, spans: Sequence[Span], tokens_N: Ids, figures_FN: Figures,
    scored_N: Mask,
) -> list[WordScore]:
    """Return the score of each span of a text.

    Args:
        text: the text that the tokens spell, with its closing newline if that is predicted.
        tokens_N, figures_FN: its tokens and their figures; see `choose_figures`.
        scored_N: which of them have a probability.
    Raises: TextError for a span in which no token begins.
    """
    begins_N = find_begins(vocabulary, text)
    places_P, nats_P = _divide_tokens(vocabulary, begins_N, tokens_N, figures_FN, scored_N)
    sums = np.concatenate([[0.0], np.cumsum(np.where(np.isnan(nats_P), 0.0, nats_P))])
    missing = np.concatenate([[0], np.cumsum(np.isnan(nats_P))])
    unknown = np.concatenate([[0], np.cumsum(tokens_N == UNKNOWN_ID)])
    scores = []
    for span in spans:
        owned = span.owned_begin, span.owned_end
        begin, end = np.searchsorted(places_P, owned)
        if begin == end:
            raise TextError(
                f"region {span.owned_begin} to {span.owned_end} of {text!r}: no token begins in "
                "it; a region with a whole token is needed"
            )
        first_token, last_token = np.searchsorted(begins_N, owned)
        token = int(np.searchsorted(begins_N, span.begin, side="right")) - 1
        scores.append(WordScore(
            span.text, span.line, span.number,
            None if missing[end] > missing[begin] else float(sums[end] - sums[begin]),
            float(figures_FN[1, token]), int(figures_FN[2, token]) if scored_N[token] else None,
            bool(unknown[last_token] > unknown[first_token]),
        ))
    return scores


def _divide_tokens(
    vocabulary: Vocabulary, begins_N: Places, tokens_N: Ids, figures_FN: Figures, scored_N: Mask
) -> tuple[Places, Nats]:
    """Divide each token that begins with the boundary of the word before into two pieces.

    Returns: the place of the first character of every piece, in order, and its nats: NaN if the
        token has no probability.
    """
    nats_N = np.where(scored_N, figures_FN[0], np.nan)
    joined = find_joined_tokens(vocabulary)
    if not joined:
        return begins_N, nats_N
    at = np.flatnonzero(np.isin(tokens_N, list(joined)))
    boundary_nats = figures_FN[3, at]
    nats_N[at] -= boundary_nats
    rest_places = begins_N.copy()
    rest_places[at] += [joined[id_] for id_ in tokens_N[at].tolist()]
    return np.insert(rest_places, at, begins_N[at]), np.insert(nats_N, at, boundary_nats)


def find_begins(vocabulary: Vocabulary, text: str) -> Places:
    """Return the place of the first character of every token of a text, (N,).

    A token may begin inside a character that has several bytes; it has the place of that character.
    """
    if vocabulary.level == "word":
        return np.array([match.start() for match in WORD_OR_BOUNDARY.finditer(text)], np.int64)
    if vocabulary.level not in BYTE_LEVELS:
        return np.arange(len(text))
    sizes = [len(token.encode("utf-8", "surrogateescape")) for token in vocabulary.split(text)]
    begins_N = np.cumsum([0, *sizes])[:-1]
    if text.isascii():
        return begins_N
    ends = np.cumsum([len(each.encode("utf-8", "surrogateescape")) for each in text])
    return np.searchsorted(ends, begins_N, side="right").astype(np.int64)
