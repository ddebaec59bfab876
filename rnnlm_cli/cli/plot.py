"""rnnlm plot"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from rnnlm_cli.cli.options import ForceOption, with_default
from rnnlm_cli.files.overwrite import require_no_input, require_replaceable
from rnnlm_cli.files.run_files import HISTORY, MODEL_SUFFIX, PLOT, RunFileKind, companion


def plot(
    runs: Annotated[list[Path], typer.Argument(
        metavar="RUN", help="Model files, or the histories (.jsonl) beside them.",
        show_default=False)],
    out: Annotated[Path | None, typer.Option(
        "-o", "--out", help=with_default(
            "PNG file to write.", "RUN.png for one run, runs.png for several"
        ), show_default=False)] = None,
    by: Annotated[Literal["seconds", "steps", "tokens"], typer.Option(
        help="Quantity on the horizontal axis.")] = "seconds",
    force: ForceOption = False,
) -> None:
    """Draw the losses of training runs in one plot.

    Thin: training loss. Bold: validation loss, with the minimum marked.
    """
    from rnnlm_cli.plots.losses import draw_losses
    from rnnlm_cli.runs.history import read_history

    once: dict[str, Path] = {}  # each history once, also if its model is named too
    for run in runs:
        path = run if run.name.endswith(HISTORY) else companion(run, HISTORY)
        once.setdefault(os.path.abspath(path), path)
    paths = list(once.values())
    if out is None:
        out = paths[0].with_suffix(PLOT) if len(paths) == 1 else Path(f"runs{PLOT}")
    require_replaceable(out, RunFileKind.PLOT, option="-o", force=force)
    require_no_input([out], paths, option="-o")
    histories = [read_history(path) for path in paths]
    draw_losses(dict(zip(find_shortest_names(paths), histories, strict=True)), out, by=by)
    print(f"plot: {out}", file=sys.stderr)


def find_shortest_names(paths: Sequence[Path]) -> list[str]:
    """Return file names without .rnnlm and .jsonl, with the folders needed to tell them apart."""
    absolute = [Path(os.path.abspath(path)) for path in paths]

    def list_names(path: Path) -> list[str]:
        *folders, name = path.parts
        stem = name.removesuffix(HISTORY).removesuffix(MODEL_SUFFIX) or name
        longer = ["/".join([*folders[-depth:], stem]) for depth in range(1, len(folders))]
        return [stem, *longer, str(path)]

    names = [name for path in absolute for name in set(list_names(path))]
    return [
        next(name for name in list_names(path) if names.count(name) == 1) for path in absolute
    ]
