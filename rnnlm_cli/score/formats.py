"""Output formats of scores: columns for reading, and JSON for programs."""

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
    """Return a line with the columns of HEADER, then for each token its surprisal in bits.

    "-" means that there is no value. "*" marks bits per character that are too low because of
    unknown tokens.
    """
    bits = score.bits_per_character
    values = (
        f"{0.0 - score.nats:.4f}",
        f"{0.0 + score.log10_prob:.4f}",
        f"{score.predicted_tokens}",
        _format_number(score.perplexity),
        _format_number(bits) + ("*" if score.oov else ""),
        f"{score.oov}",
        "yes" if score.closing else "no",
    )
    cells = [value.rjust(width) for value, (_, width) in zip(values, COLUMNS, strict=True)]
    lines = ["  ".join([*cells, score.text])]
    for token in score.tokens or ():
        surprisal = "unscored" if token.nats is None else f"{token.nats / math.log(2):.4f}"
        note = "  unknown" if token.oov else ""
        lines.append(f"{surprisal:>12}  {_show_white_space(token.token)}{note}")
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
            f"perplexity {_format_number(perplexity_of(self.nats, self.num_tokens))}"
        )
        if self.oov:
            known = perplexity_of(self.nats - self.oov_nats, self.num_tokens - self.scored_oov)
            line += f" ({_format_number(known)} without the {self.oov} unknown tokens)"
        return line


def format_json(score: TextScore, *, document: bool) -> str:
    """Return one JSON object.

    Keys:
        text: the sentence. A document has `file`, its path, instead.
        nats: -ln p, summed over the predicted tokens.
        log10_prob: log10 p.
        predicted_tokens: number of tokens in that sum.
        perplexity: null if nothing was predicted, or if a float cannot hold it.
        bits_per_char: null if nothing was predicted; too low if oov is above 0.
        oov: number of unknown tokens.
        unscored: number of those without probability.
        closing: whether the closing boundary was predicted.
        tokens, if the score has them: [{token, nats, oov}], nats null for an unscored token.
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


def _format_number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}" if value < 1e6 else f"{value:.3e}"


def _show_white_space(token: str) -> str:
    """Write white space and control characters as in a Python string; keep any other token."""
    return repr(token) if token.isspace() or not token.isprintable() else token
