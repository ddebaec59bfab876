"""Scores as lines for people and as JSON for programs."""

import json
import math
from typing import Any

from rnnlm_cli.score.sentences import TextScore, perplexity_of

COLUMNS = (
    ("ln_p", 12), ("log10_p", 11), ("tokens", 7), ("perplexity", 11), ("bits/char", 9),
    ("unknown", 7), ("closing", 7),
)
HEADER = "  ".join([*(name.rjust(width) for name, width in COLUMNS), "text"])


def format_lines(score: TextScore) -> list[str]:
    """One line with the columns of HEADER, then one line a token: surprisal in bits, token.

    "-" stands where there is no value; "*" marks bits per character that hide the spelling of
    unknown tokens.
    """
    bits = score.bits_per_character
    values = (
        f"{0.0 - score.nats:.4f}",
        f"{0.0 + score.log10_prob:.4f}",
        f"{score.predicted_tokens}",
        _number(score.perplexity),
        _number(bits) + ("*" if score.oov else ""),
        f"{score.oov}",
        "yes" if score.closing else "no",
    )
    cells = [value.rjust(width) for value, (_, width) in zip(values, COLUMNS, strict=True)]
    lines = ["  ".join([*cells, score.text])]
    for token in score.tokens or ():
        surprisal = "unscored" if token.nats is None else f"{token.nats / math.log(2):.4f}"
        note = "  unknown" if token.oov else ""
        lines.append(f"{surprisal:>12}  {_visible(token.token)}{note}")
    return lines


class Total:
    """Sums over many scores, for one closing line."""

    def __init__(self) -> None:
        self.num_texts = self.num_tokens = self.oov = self.scored_oov = 0
        self.nats = self.oov_nats = 0.0

    def add(self, score: TextScore) -> None:
        """Count one more."""
        self.num_texts += 1
        self.num_tokens += score.predicted_tokens
        self.nats += score.nats
        self.oov += score.oov
        self.scored_oov += score.oov - score.unscored
        self.oov_nats += score.oov_nats

    def line(self) -> str:
        """How many, and the perplexity over all of them, with and without unknown tokens."""
        line = (
            f"total: {self.num_texts} text{'s' if self.num_texts != 1 else ''}, "
            f"{self.num_tokens} predicted tokens, ln p {0.0 - self.nats:.4f}, "
            f"perplexity {_number(perplexity_of(self.nats, self.num_tokens))}"
        )
        if self.oov:
            known = perplexity_of(self.nats - self.oov_nats, self.num_tokens - self.scored_oov)
            line += f" ({_number(known)} without the {self.oov} unknown tokens)"
        return line


def format_json(score: TextScore, *, document: bool) -> str:
    """One JSON object.

    Keys: text (file for a document), nats (-ln p), log10_prob, predicted_tokens, perplexity
    (null where nothing was predicted, or beyond a float), bits_per_char (null where nothing was
    predicted; too low where oov is above 0), oov, unscored, closing; with tokens: tokens
    [{token, nats, oov}], nats null for an unscored one.
    """
    data: dict[str, Any] = {
        "file" if document else "text": score.text,
        "nats": score.nats,
        "log10_prob": score.log10_prob,
        "predicted_tokens": score.predicted_tokens,
        "perplexity": None if score.perplexity == math.inf else score.perplexity,
        "bits_per_char": score.bits_per_character,
        "oov": score.oov,
        "unscored": score.unscored,
        "closing": score.closing,
    }
    if score.tokens is not None:
        data["tokens"] = [
            {"token": token.token, "nats": token.nats, "oov": token.oov} for token in score.tokens
        ]
    return json.dumps(data, allow_nan=False)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}" if value < 1e6 else f"{value:.3e}"


def _visible(token: str) -> str:
    """White space would not show: it is written as in a Python string; the rest stands as it is."""
    return repr(token) if token.isspace() or not token.isprintable() else token
