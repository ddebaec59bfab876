"""rnnlm plot"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from rnnlm_cli.errors import FileError
from rnnlm_cli.files.run_files import HISTORY, PICTURE, companion, is_ours_or_free


def plot(
    runs: Annotated[list[Path], typer.Argument(
        metavar="RUN", help="Model files, or the histories (.jsonl) beside them.",
        show_default=False)],
    out: Annotated[Path | None, typer.Option(
        "-o", "--out", help="The PNG to write.",
        show_default="RUN.png for one run, runs.png for several")] = None,
    by: Annotated[Literal["seconds", "steps", "tokens"], typer.Option(
        help="What runs along the bottom.")] = "seconds",
) -> None:
    """Draw how the losses of training runs fell, over each other.

    Thin lines are the training, strong ones the validation, whose best is marked.
    """
    from rnnlm_cli.plots.losses import draw, read_history

    once: dict[str, Path] = {}  # even where a model and its history are both named
    for run in runs:
        path = run if run.name.endswith(HISTORY) else companion(run, HISTORY)
        once.setdefault(os.path.abspath(path), path)
    paths = list(once.values())
    if out is None:
        out = paths[0].with_suffix(PICTURE) if len(paths) == 1 else Path(f"runs{PICTURE}")
    if not is_ours_or_free(out, PICTURE):
        raise FileError(
            f"{out}: exists and is not a PNG, so it is not overwritten. Choose another --out"
        )
    histories = [read_history(path) for path in paths]
    draw(dict(zip(shortest_names(paths), histories, strict=True)), out, by=by)
    print(f"picture: {out}", file=sys.stderr)


def shortest_names(paths: Sequence[Path]) -> list[str]:
    """File names without .rnnlm and .jsonl, under as many folders as tell them apart."""
    whole = [Path(os.path.abspath(path)) for path in paths]

    def ends(path: Path) -> list[str]:
        *folders, name = path.parts
        stem = name.removesuffix(HISTORY).removesuffix(".rnnlm") or name
        longer = ["/".join([*folders[-depth:], stem]) for depth in range(1, len(folders))]
        return [stem, *longer, str(path)]

    taken = [each for path in whole for each in set(ends(path))]
    return [next(each for each in ends(path) if taken.count(each) == 1) for path in whole]
