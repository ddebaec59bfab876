"""rnnlm inspect context"""

from __future__ import annotations

import json as json_format
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

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
from rnnlm_cli.config import ContextConfig, MachineConfig
from rnnlm_cli.config.option import select_fields
from rnnlm_cli.messages import StderrMessages, escape_controls, replace_surrogates

if TYPE_CHECKING:
    from pathlib import Path

    from rnnlm_cli.inspect.context import ContextLoss, ContextResult, Watch

COLUMNS = (
    ("n", 5), ("nats", 7), ("to all", 8), ("+-", 6), ("bits", 7), ("shuffled", 8), ("to all", 8),
    ("+-", 6),
)


@options_from(ContextConfig, MachineConfig)
def context(
    text: TextArgument,
    model: ModelsOption = None,
    out: PlotOption = None,
    force: ForceOption = False,
    encoding: EncodingOption = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON lines.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Measure how much context a model uses: the loss when only the last n tokens are visible.

    A line has n; the loss in nats; its difference to the loss with all of the context, with the
    standard error; the loss in bits; and the loss with a shuffled context, where the 250 tokens
    before the last n are read in a random order. The positions are the same for all n, so the
    losses can be compared. At most 100,000 tokens of TEXT are read.

    The last line has the effective context: the smallest n from which on the loss is at most 1 %
    above that with all of the context. (Khandelwal et al. 2018.)
    """
    require_valid(ContextConfig, MachineConfig, given=given)
    config = ContextConfig(**select_fields(ContextConfig, given))
    inputs = open_inputs(text, model, given, out=out, force=force, encoding=encoding)
    width = max(len("model"), *(len(escape_controls(each.name)) for each in inputs))
    results: list[ContextResult] = []
    for each in inputs:
        result = _measure(each, config, decode_argument(text))
        if json:
            print(json_format.dumps(_describe(each.path, result)), flush=True)
        else:
            _print_table(each.name, result, width, with_headings=not results)
        results.append(result)
    if out is not None:
        _draw([each.name for each in inputs], results, out)


def _measure(source: Input, config: ContextConfig, subject: str) -> ContextResult:
    """Measure a model, with a bar on a terminal, and say what was read."""
    from rnnlm_cli.inspect.context import measure_context

    tokens_N = source.model.vocabulary.encode(source.text)
    with _show_bar() as watch:
        result = measure_context(
            source.model.network, tokens_N, sentences=source.model.sentences, config=config,
            watch=watch, subject=subject,
        )
    cut = "" if result.num_tokens == len(tokens_N) else f"the first {result.num_tokens:,} of "
    StderrMessages().note(
        f"{source.name}: read {cut}{len(tokens_N):,} tokens; predicted {result.num_positions:,} "
        "of them with each n"
    )
    return result


@contextmanager
def _show_bar() -> Iterator[Watch]:
    """Show a bar of the tokens read on stderr, if that is a terminal. Yields what feeds it."""
    from tqdm import tqdm

    with tqdm(
        unit="token", unit_scale=True, leave=False, disable=not sys.stderr.isatty()
    ) as bar:

        def watch(num_read: int, num_planned: int) -> None:
            bar.total = num_planned
            bar.update(num_read - bar.n)

        yield watch


def _print_table(name: str, result: ContextResult, width: int, *, with_headings: bool) -> None:
    """Print the lines of a model."""
    columns = (("model", -width), *COLUMNS)
    if with_headings:
        print_headings(columns)
    for size, cells, note in _list_lines(result):
        print(format_row([escape_controls(name), size, *cells], columns) + note, flush=True)


def _list_lines(result: ContextResult) -> Iterator[tuple[str, list[str], str]]:
    """Yield the lines of a model: n, the cells after it, and what stands behind them."""
    for visible, shuffled in zip(result.visible, result.shuffled, strict=True):
        cells = [*_show_loss(visible), *_show_difference(shuffled)]
        yield str(visible.size), cells, ""
    bits = f"{result.whole_nats / math.log(2):.4f}"
    yield "all", [f"{result.whole_nats:.4f}", "-", "-", bits, *["-"] * 3], ""
    if result.effective is None:
        size, cells = f">{result.visible[-1].size}", ["-"] * 4
    else:
        size, cells = str(result.effective.size), _show_loss(result.effective)
    yield size, [*cells, *["-"] * 3], "  effective context"


def _show_loss(loss: ContextLoss) -> list[str]:
    """Return the cells of nats, the difference, its standard error, and bits."""
    return [*_show_difference(loss), f"{loss.nats / math.log(2):.4f}"]


def _show_difference(loss: ContextLoss) -> list[str]:
    """Return the cells of nats, the difference and its standard error."""
    error = "-" if math.isnan(loss.standard_error) else f"{loss.standard_error:.4f}"
    return [f"{loss.nats:.4f}", f"{loss.difference:+z.4f}", error]


def _describe(path: Path, result: ContextResult) -> dict[str, Any]:
    """Return a result as JSON writes it; a number that is none is null."""
    return {
        "model": replace_surrogates(decode_argument(str(path))),
        "tokens": result.num_tokens,
        "positions": result.num_positions,
        "nats": result.whole_nats,
        "effective": None if result.effective is None else _describe_loss(result.effective),
        "visible": [_describe_loss(loss) for loss in result.visible],
        "shuffled": [_describe_loss(loss) for loss in result.shuffled],
    }


def _describe_loss(loss: ContextLoss) -> dict[str, Any]:
    """Return a loss as JSON writes it."""
    return {
        "context": loss.size,
        "nats": loss.nats,
        "difference": loss.difference,
        "standard_error": None if math.isnan(loss.standard_error) else loss.standard_error,
    }


def _draw(names: Sequence[str], results: Sequence[ContextResult], out: Path) -> None:
    """Write the plot, and say where it is."""
    from rnnlm_cli.plots.context import ContextLine, draw_contexts

    draw_contexts([
        ContextLine(
            name=name,
            whole_nats=result.whole_nats,
            visible=[(loss.size, loss.nats) for loss in result.visible],
            shuffled=[(loss.size, loss.nats) for loss in result.shuffled],
            effective=(
                None if result.effective is None
                else (result.effective.size, result.effective.nats)
            ),
        )
        for name, result in zip(names, results, strict=True)
    ], out)
    print(f"plot: {out}", file=sys.stderr)
