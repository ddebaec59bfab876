"""The contents of a page that shows texts with their scores, without a model."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from rnnlm_cli import __version__
from rnnlm_cli.messages import replace_surrogates
from rnnlm_cli.score.score import Score, TextScore
from rnnlm_cli.text.pieces import join_bytes
from rnnlm_cli.text.tokenizers import BOUNDARY

DIGITS = 4  # of the figures of a token after the point


def describe_scores(
    texts: Sequence[TextScore], *, name: str, facts: Iterable[tuple[str, str]],
    spaced: bool, documents: bool,
) -> dict[str, Any]:
    """Return the contents of a page; the keys are those that the script of the page reads.

    Args:
        texts: scores with those of their tokens, entropies and ranks included.
        name: the name of the page.
        facts: lines about the scores: a name and a value.
        spaced: whether white space stands between tokens, as in models of words.
        documents: whether the texts are documents, named by their paths, rather than sentences.
    """
    return {
        "kind": "scores",
        "name": name,
        "version": __version__,
        "facts": [list(fact) for fact in facts],
        "texts": [
            _describe_text(text, _name_text(text, number, documents=documents), spaced=spaced)
            for number, text in enumerate(texts, start=1)
        ],
    }


def list_facts(total: Score, num_texts: int, model_names: Sequence[str]) -> list[tuple[str, str]]:
    """Return what a page says about all its scores together."""
    figures: Mapping[str, float | None] = {
        "perplexity": total.perplexity,
        "bits per character": total.bits_per_character,
        "bits per byte": total.bits_per_byte,
    }
    return [
        ("model" if len(model_names) == 1 else "models", ", ".join(model_names)),
        ("texts", f"{num_texts:,}"),
        ("predicted tokens", f"{total.num_predicted:,}"),
        ("unknown tokens", f"{total.num_unknown:,}"),
        *((name, f"{each:.4g}") for name, each in figures.items() if each is not None),
    ]


def _name_text(text: TextScore, number: int, *, documents: bool) -> str:
    """Return the title of a text: the file name of a document, or the number of a sentence.

    The folder is left out, because a page is given to other people.
    """
    return replace_surrogates(PurePath(text.text).name) if documents else f"sentence {number}"


def _describe_text(text: TextScore, title: str, *, spaced: bool) -> dict[str, Any]:
    """Return a text as the page holds it."""
    assert text.tokens is not None
    tokens = [token.token for token in text.tokens]
    return {
        "title": title,
        "pieces": list(_join_words(tokens)) if spaced else join_bytes(tokens),
        "bits": [_to_bits(token.nats) for token in text.tokens],
        "ranks": [token.rank for token in text.tokens],
        "entropies": [_to_bits(token.entropy) for token in text.tokens],
    }


def _join_words(words: Iterable[str]) -> Iterator[str]:
    """Yield words with the spaces between them. A newline is a word here."""
    follows_word = False
    for word in words:
        is_boundary = word == BOUNDARY
        yield f" {word}" if follows_word and not is_boundary else word
        follows_word = not is_boundary


def _to_bits(nats: float | None) -> float | None:
    """Convert nats to bits, rounded; None for None and infinity."""
    if nats is None or not math.isfinite(nats):
        return None
    return round(nats / math.log(2), DIGITS)
