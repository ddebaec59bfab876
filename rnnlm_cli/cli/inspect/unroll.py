"""rnnlm inspect unroll"""

from __future__ import annotations

import json as json_format
import math
import os
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnlm_cli.cli.options import (
    ModelOption,
    decode_argument,
    open_model,
    options_from,
    require_valid,
)
from rnnlm_cli.config import MachineConfig
from rnnlm_cli.config.option import select_fields
from rnnlm_cli.files.run_files import DEFAULT_MODEL
from rnnlm_cli.messages import escape_controls, replace_surrogates

if TYPE_CHECKING:
    from rnnlm_cli.inspect.unrolled import Step

MAX_TOKEN_WIDTH = 16  # of a token in the table; longer ones stand out of line
BOLD, PLAIN = "\x1b[1m", "\x1b[0m"


@options_from(MachineConfig)
def unroll(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Text to read.")],
    model: ModelOption = DEFAULT_MODEL,
    json: Annotated[bool, typer.Option("--json", help="Write JSON lines.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Show the network unrolled over a text, one line for each step.

    A line has the token that is read; the norm of each layer's hidden state after it; the token
    that came next, with its surprisal in bits; and the five likeliest next tokens with their
    probabilities. The first step reads the boundary token from the zero state.

    On a terminal, surprisals are shaded, and the token that came is bold among the likeliest.
    """
    require_valid(MachineConfig, given=given)
    language_model = open_model(model, MachineConfig(**select_fields(MachineConfig, given)))

    from rnnlm_cli.inspect.unrolled import unroll as unroll_text

    steps = unroll_text(
        language_model.network, language_model.vocabulary, decode_argument(text),
        sentences=language_model.sentences,
    )
    if json:
        for step in steps:
            print(json_format.dumps(_describe(step)))
        return
    shaded = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for line in _list_lines(list(steps), shaded=shaded):
        print(line, flush=True)


def _describe(step: Step) -> dict[str, Any]:
    """Return a step as JSON writes it."""
    return {
        "token": replace_surrogates(step.token),
        "reset": step.is_reset,
        "norms": list(step.norms),
        "next": [
            {"token": replace_surrogates(guess.token), "probability": guess.probability}
            for guess in step.guesses
        ],
        "target": None if step.target is None else replace_surrogates(step.target),
        "nats": step.nats,
    }


def _list_lines(steps: Sequence[Step], *, shaded: bool) -> Iterator[str]:
    """Yield the lines of the table; the headings go to stderr."""
    token_width = _find_width(["token", *(_show(step.token) for step in steps)])
    target_width = _find_width(["came", *(_show(step.target) for step in steps)])
    guess_width = _find_width([_show(each.token) for step in steps for each in step.guesses])
    norms = [f"norm {number}".rjust(7) for number in range(1, len(steps[0].norms) + 1)]
    headings = [
        "token".ljust(token_width), *norms, "came".ljust(target_width), "bits".rjust(7),
        "likeliest next tokens",
    ]
    print("  ".join(headings), file=sys.stderr, flush=True)
    for step in steps:
        yield "  ".join([
            _pad(_show(step.token), token_width), *(f"{norm:7.3f}" for norm in step.norms),
            _pad(_show(step.target), target_width), _format_surprisal(step.nats, shaded=shaded),
            *_format_guesses(step, guess_width, shaded=shaded),
        ])


def _format_surprisal(nats: float | None, *, shaded: bool) -> str:
    """Return a surprisal in bits, shaded on a terminal."""
    from rnnlm_cli.score.formats.text import shade

    if nats is None:
        return "-".rjust(7)
    bits = nats / math.log(2)
    cell = f"{bits:z.3f}".rjust(7)
    return shade(cell, bits) if shaded else cell


def _format_guesses(step: Step, width: int, *, shaded: bool) -> Iterator[str]:
    """Yield the likeliest next tokens with their probabilities."""
    for guess in step.guesses:
        cell = _pad(_show(guess.token), width)
        if shaded and guess.token == step.target:
            cell = f"{BOLD}{cell}{PLAIN}"
        yield f"{cell} {guess.probability:.3f}"


def _show(token: str | None) -> str:
    """Return a token as the table shows it; "-" for none."""
    from rnnlm_cli.score.formats.text import show_token

    return "-" if token is None else escape_controls(show_token(token))


def _find_width(cells: Sequence[str]) -> int:
    """Return the width of a column."""
    return min(MAX_TOKEN_WIDTH, max(map(_measure_width, cells)))


def _pad(cell: str, width: int) -> str:
    """Fill a cell with spaces up to a width on the terminal."""
    return cell + " " * (width - _measure_width(cell))


def _measure_width(text: str) -> int:
    """Return the number of columns that a terminal needs for a text."""
    return sum(
        0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF")
        for each in text
    )
