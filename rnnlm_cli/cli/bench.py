"""rnnlm bench"""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnlm_cli.cli.options import open_model, options_from
from rnnlm_cli.config import MachineConfig

if TYPE_CHECKING:
    import torch

    from rnnlm_cli.bench.comparison import Comparison
    from rnnlm_cli.bench.comparisons import Bench
    from rnnlm_cli.bench.timing import Timing

SECONDS = 6.0  # for each line
QUICK_SECONDS = 0.25


@options_from(MachineConfig)
def bench(
    model: Annotated[Path | None, typer.Option(
        "-m", "--model", help="Measure this model: its layer, training step and generation.",
        show_default=False)] = None,
    quick: Annotated[bool, typer.Option(
        "--quick", help="Measure small sizes only, in about 20 seconds.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object per line.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Time the hand-written cells beside torch.nn and beside the bare matrix products.

    Layers are timed in milliseconds per window, training steps in milliseconds, and generation in
    tokens per second. Each figure is the median of alternating runs, with the interquartile range
    in percent. A ratio above 1 means that the hand-written code is faster. "products" are the
    matrix products alone, each by the library that is fastest for it here.

    The hand-written layers run as in training: each thread takes some rows of the batch. Their
    products are computed by oneDNN on AMD processors, except for small ones, and by MKL on others;
    their pointwise operations by numba if it is installed (the extra "fast"). The first line says
    what was chosen on this machine.
    """
    machine = MachineConfig(**given)
    loaded = None if model is None else open_model(model, machine)

    from rnnlm_cli.bench.comparisons import Bench
    from rnnlm_cli.machine import prepare_machine

    device = prepare_machine(machine) if loaded is None else loaded.network.device
    measure = Bench(device, seconds=QUICK_SECONDS if quick else SECONDS, small=quick)
    rows = _measure_all(measure) if loaded is None else measure.compare_model(
        loaded.network, dict(loaded.training)
    )
    if not json:
        print(_describe_machine(device), file=sys.stderr)
    lines = (json_format.dumps(_to_dict(row)) for row in rows) if json else _format_table(rows)
    for line in lines:
        print(line, flush=True)


def _measure_all(measure: Bench) -> Iterator[Comparison]:
    yield from measure.compare_layers()
    yield from measure.compare_generation()
    yield from measure.compare_output_layers()
    yield from measure.compare_precisions()


def _describe_machine(device: torch.device) -> str:
    import platform

    import torch

    from rnnlm_cli.nn.choice import describe_kernels

    kernels = describe_kernels(device)
    return (
        f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"{torch.backends.cpu.get_cpu_capability()}, {platform.system()} {platform.machine()}; "
        f"products: {kernels['products']}; pointwise operations: {kernels['pointwise']}"
    )


def _to_dict(row: Comparison) -> dict[str, Any]:
    timings = {
        name: {"seconds": each.median, "spread_percent": each.spread}
        for name, each in row.timings.items()
    }
    return asdict(row) | {"timings": timings}


def _format_table(rows: Iterator[Comparison]) -> Iterator[str]:
    """Yield the lines of a table, with a heading whenever the columns change."""
    headed: list[str] = []
    for row in rows:
        heading = [*row.timings, *row.ratios]
        widths = [max(17, len(name) + 1) for name in heading]
        if heading != headed:
            yield f"{'':52}" + "".join(map(str.rjust, heading, widths))
            headed = heading
        figures = [
            f"{_format_timing(row, each)} +-{each.spread:2.0f}%" for each in row.timings.values()
        ]
        figures += [f"{ratio:.2f}" for ratio in row.ratios.values()]
        yield f"{row.what:<28}{row.shape:<24}" + "".join(map(str.rjust, figures, widths))


def _format_timing(row: Comparison, timing: Timing) -> str:
    if "generation" in row.what:
        return f"{row.tokens / timing.median:,.0f}/s"
    return f"{1000 * timing.median:.2f} ms"
