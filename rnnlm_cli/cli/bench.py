"""rnnlm bench"""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnlm_cli.cli.options import DeviceOption, ThreadsOption, open_model

if TYPE_CHECKING:
    from rnnlm_cli.bench.comparisons import Bench, Comparison
    from rnnlm_cli.bench.timing import Timing

SECONDS = 6.0  # a line
QUICK_SECONDS = 0.25


def bench(
    model: Annotated[Path | None, typer.Option(
        "-m", "--model", help="Measure this model: its layer, training step and generation.",
        show_default=False)] = None,
    quick: Annotated[bool, typer.Option(
        "--quick", help="Small sizes only, in less than 20 seconds.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
) -> None:
    """Time the hand-written cells beside torch.nn and beside the bare matrix products.

    Layers in milliseconds a window, training steps in milliseconds, generation in tokens per
    second, each the median of alternating runs, with the interquartile range in percent. A ratio
    above 1 means that ours is the faster. "products" are the matrix products alone.
    """
    loaded = None if model is None else open_model(model, device=device, threads=threads)

    from rnnlm_cli.bench.comparisons import Bench
    from rnnlm_cli.machine import prepare_machine

    if loaded is None:
        where = prepare_machine(device=device, threads=threads)
    else:
        where = loaded.network.device
    measure = Bench(where, seconds=QUICK_SECONDS if quick else SECONDS, small=quick)
    if loaded is None:
        rows = _all(measure)
    else:
        rows = measure.compare_model(loaded.network, dict(loaded.training))
    if not json:
        print(_machine(), file=sys.stderr)
    lines = (json_format.dumps(_record(row)) for row in rows) if json else _table(rows)
    for line in lines:
        print(line, flush=True)


def _all(measure: Bench) -> Iterator[Comparison]:
    yield from measure.compare_layers()
    yield from measure.compare_generation()
    yield from measure.compare_output_layers()


def _machine() -> str:
    import platform

    import torch

    return (
        f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"{torch.backends.cpu.get_cpu_capability()}, {platform.system()} {platform.machine()}"
    )


def _record(row: Comparison) -> dict[str, Any]:
    timings = {
        name: {"seconds": each.median, "spread_percent": each.spread}
        for name, each in row.timings.items()
    }
    return asdict(row) | {"timings": timings}


def _table(rows: Iterator[Comparison]) -> Iterator[str]:
    """Lines under each other, with a heading wherever the columns change."""
    headed: list[str] = []
    for row in rows:
        heading = [*row.timings, *row.ratios]
        if heading != headed:
            yield f"{'':52}" + "".join(f"{name:>17}" for name in heading)
            headed = heading
        figures = [f"{_figure(row, each)} +-{each.spread:2.0f}%" for each in row.timings.values()]
        figures += [f"{ratio:.2f}" for ratio in row.ratios.values()]
        yield f"{row.what:<28}{row.shape:<24}" + "".join(f"{figure:>17}" for figure in figures)


def _figure(row: Comparison, timing: Timing) -> str:
    if "generation" in row.what:
        return f"{row.tokens / timing.median:,.0f}/s"
    return f"{1000 * timing.median:.2f} ms"
