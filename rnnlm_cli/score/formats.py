"""Output formats of scores: columns for reading, and JSON for programs."""

import json
import math
from typing import Any

from rnnlm_cli.config import Precision
from rnnlm_cli.messages import escape_controls, replace_surrogates
from rnnlm_cli.score.score import Score, TextScore, TokenScore

COLUMNS = (
    ("ln_p", 12), ("log10_p", 11), ("tokens", 7), ("perplexity", 11), ("bits/char", 9),
    ("unknown", 7), ("closing", 7),
)
HEADER = "  ".join([*(name.rjust(width) for name, width in COLUMNS), "text"])


def format_lines(text: TextScore) -> list[str]:
    """Return a line with the columns of HEADER, then for each token its surprisal in bits.

    "-" means that there is no value. "*" marks bits per character that are too low because of
    unknown tokens. Control characters of the text are shown as escapes.
    """
    score = text.score
    values = (
        f"{0.0 - score.nats:.4f}",
        f"{0.0 + score.log10_prob:.4f}",
        f"{score.num_predicted}",
        _format_number(score.perplexity),
        _format_number(score.bits_per_character) + ("*" if score.num_unknown else ""),
        f"{score.num_unknown}",
        "yes" if text.closing else "no",
    )
    cells = [value.rjust(width) for value, (_, width) in zip(values, COLUMNS, strict=True)]
    lines = ["  ".join([*cells, escape_controls(text.text)])]
    for token in text.tokens or ():
        surprisal = "unscored" if token.nats is None else f"{token.nats / math.log(2):.4f}"
        note = "  unknown" if token.is_unknown else ""
        lines.append(f"{surprisal:>12}  {_show_white_space(token.token)}{note}")
    return lines


def format_total(total: Score, num_texts: int) -> str:
    """Return the last line of the columns: the sums and the perplexity over all texts.

    With unknown tokens, the perplexity over the known ones follows.
    """
    line = (
        f"total: {num_texts} text{'s' if num_texts != 1 else ''}, "
        f"{total.num_predicted} predicted tokens, ln p {0.0 - total.nats:.4f}, "
        f"perplexity {_format_number(total.perplexity)}"
    )
    if total.num_unknown:
        known = _format_number(total.perplexity_without_unknown)
        line += f" ({known} without the {total.num_unknown} unknown tokens)"
    return line


def format_json(
    text: TextScore, *, document: bool, precision: Precision = "float32"
) -> str:
    """Return one JSON object.

    A byte that is not UTF-8 becomes U+FFFD, because strict readers refuse lone surrogates.

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
        precision, if it is not float32: that of the matrix products; the score is approximate.
        tokens, if the score has them: [{token, nats, oov}], nats null for an unscored token. A
            token that is not UTF-8, such as one byte of a longer character, also has `bytes`,
            the list of its bytes.
    """
    score = text.score
    data: dict[str, Any] = {
        "file" if document else "text": replace_surrogates(text.text),
        "nats": score.nats,
        "log10_prob": score.log10_prob,
        "predicted_tokens": score.num_predicted,
        "perplexity": None if score.perplexity == math.inf else score.perplexity,
        "bits_per_char": score.bits_per_character,
        "oov": score.num_unknown,
        "unscored": score.num_unscored,
        "closing": text.closing,
    }
    if precision != "float32":
        data["precision"] = precision
    if text.tokens is not None:
        data["tokens"] = [_describe_token(token) for token in text.tokens]
    return json.dumps(data, allow_nan=False)


def _describe_token(token: TokenScore) -> dict[str, Any]:
    """Return the JSON object of a token; see `format_json`."""
    shown = replace_surrogates(token.token)
    data: dict[str, Any] = {"token": shown, "nats": token.nats, "oov": token.is_unknown}
    if shown != token.token:
        data["bytes"] = [*token.token.encode("utf-8", "surrogateescape")]
    return data


def _format_number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}" if value < 1e6 else f"{value:.3e}"


def _show_white_space(token: str) -> str:
    """Write white space and control characters as in a Python string; keep any other token."""
    return repr(token) if token.isspace() or not token.isprintable() else token
