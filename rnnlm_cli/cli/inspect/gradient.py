"""rnnlm inspect gradient"""

from __future__ import annotations

import json as json_format
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from rnnlm_cli.cli.inspect.inputs import (
    Input,
    ModelsOption,
    PlotOption,
    TextArgument,
    open_inputs,
)
from rnnlm_cli.cli.options import (
    EncodingOption,
    ForceOption,
    decode_argument,
    options_from,
    require_valid,
)
from rnnlm_cli.cli.table import format_row, print_headings
from rnnlm_cli.config import GradientConfig, MachineConfig
from rnnlm_cli.config.option import select_fields
from rnnlm_cli.messages import StderrMessages, escape_controls, replace_surrogates

if TYPE_CHECKING:
    from rnnlm_cli.inspect.gradient import GradientCurve

SHOWN_LAGS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
NORM_WIDTH = 7
SUMMARY_COLUMNS = (("decay", 6), ("half-life", 9), ("below 1 %", 9))


class Row(NamedTuple):
    """A curve and the network that it belongs to."""

    path: Path
    name: str
    is_trained: bool
    curve: GradientCurve


@options_from(GradientConfig, MachineConfig)
def gradient(
    text: TextArgument,
    model: ModelsOption = None,
    out: PlotOption = None,
    force: ForceOption = False,
    encoding: EncodingOption = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON lines.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Measure how far back gradients reach: the norm of d loss_t / d h_{t-k} by the lag k.

    The loss of one token is differentiated with respect to the hidden state h of each layer k
    tokens before, and for the LSTM to the cell c too. A line has the mean norm at some lags, over
    positions spread over TEXT; the factor by which it decays from one lag to the next, fitted to
    all lags from 1 on; the number of tokens after which it has halved; and the first lag at which
    it is below 1 % of that at lag 0. A - means never.

    Each model is measured as it is, and with the weights that its training began with, drawn
    again from its seed. (With --init, training began with other weights.)
    """
    require_valid(GradientConfig, MachineConfig, given=given)
    config = GradientConfig(**select_fields(GradientConfig, given))
    inputs = open_inputs(text, model, given, out=out, force=force, encoding=encoding)
    measured = _measure(inputs, config, decode_argument(text))
    rows = list(_print_rows(measured, [each.name for each in inputs], config, json=json))
    if out is not None:
        _draw(rows, out)


def _measure(inputs: Sequence[Input], config: GradientConfig, subject: str) -> Iterator[Row]:
    """Yield the curves of each model, trained and untrained."""
    from rnnlm_cli.inspect.gradient import measure_gradient
    from rnnlm_cli.inspect.untrained import make_untrained

    for path, name, model, text in inputs:
        tokens_N = model.vocabulary.encode(text)
        for is_trained in (True, False):
            network = model.network if is_trained else make_untrained(model)
            curves = measure_gradient(
                network, tokens_N, sentences=model.sentences, config=config, subject=subject
            )
            yield from (Row(path, name, is_trained, curve) for curve in curves)
        StderrMessages().note(
            f"{name}: differentiated the loss at {curves[0].count_K[0]:,} of {len(tokens_N):,} "
            "tokens"
        )


def _print_rows(
    rows: Iterable[Row], names: Sequence[str], config: GradientConfig, *, json: bool
) -> Iterator[Row]:
    """Print each row and pass it on."""
    lags = [lag for lag in SHOWN_LAGS if lag <= config.max_lag]
    width = max(len("model"), *(len(escape_controls(name)) for name in names))
    columns = (
        ("model", -width), ("weights", -9), ("of", -2),
        *((str(lag), NORM_WIDTH) for lag in lags), *SUMMARY_COLUMNS,
    )
    for number, row in enumerate(rows):
        if number == 0 and not json:
            print_headings(columns)
        shown = json_format.dumps(_describe(row)) if json else format_row(
            list(_list_cells(row, lags)), columns
        )
        print(shown, flush=True)
        yield row


def _list_cells(row: Row, lags: Sequence[int]) -> Iterator[str]:
    """Yield the cells of a line of the table."""
    curve = row.curve
    yield escape_controls(row.name)
    yield "trained" if row.is_trained else "untrained"
    yield f"{curve.part}{curve.layer}"
    for lag in lags:
        yield _format_norm(curve.mean_norm_K[lag])
    yield "-" if curve.decay is None else f"{curve.decay:.4f}"
    yield "-" if curve.half_life is None else f"{curve.half_life:.1f}"
    yield "-" if curve.faint_lag is None else str(curve.faint_lag)


def _format_norm(norm: float) -> str:
    return "-" if math.isnan(norm) else f"{norm:.1e}"


def _describe(row: Row) -> dict[str, Any]:
    """Return a row as JSON writes it; norms that are not numbers are null."""
    curve = row.curve
    return {
        "model": replace_surrogates(decode_argument(str(row.path))),
        "trained": row.is_trained,
        "layer": curve.layer,
        "part": curve.part,
        "decay": curve.decay,
        "half_life": curve.half_life,
        "below_one_percent": curve.faint_lag,
        "norms": [norm if math.isfinite(norm) else None for norm in curve.mean_norm_K.tolist()],
        "counts": curve.count_K.tolist(),
    }


def _draw(rows: Sequence[Row], out: Path) -> None:
    """Write the plot, and say where it is."""
    from rnnlm_cli.plots.gradient import GradientLine, draw_gradients

    draw_gradients([
        GradientLine(
            row.name, row.is_trained, row.curve.layer, row.curve.part, row.curve.mean_norm_K,
            row.curve.half_life,
        )
        for row in rows
    ], out)
    print(f"plot: {out}", file=sys.stderr)
