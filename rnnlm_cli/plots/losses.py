"""Plots of the losses of training runs, as PNG files. N: points of a line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.plots.figure import (
    COLOURS,
    DASHES,
    DOTS_PER_INCH,
    INCHES,
    translate_matplotlib_errors,
    write_figure,
)
from rnnlm_cli.plots.labels import Point, add_legend, add_perplexity_axis, mark_bests

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

By = Literal["seconds", "steps", "tokens"]
Records = Sequence[Mapping[str, Any]]
Nats = NDArray[np.float64]

MIN_SMOOTHED_RECORDS = 100  # the training loss of shorter histories is drawn as it is
MAX_SHOWN_NATS = 3.0  # height above its lowest loss that one run, diverged perhaps, may take


def draw_losses(runs: Mapping[str, Records], path: Path, *, by: By = "seconds") -> None:
    """Write the figure of `make_figure` as a PNG; see `write_figure`."""
    write_figure(lambda: make_figure(runs, by), path)


def make_figure(runs: Mapping[str, Records], by: By = "seconds") -> Figure:
    """Draw the training loss (thin) and the validation loss (bold) of each run, its best marked.

    Args:
        runs: the records of each run by its name, as `read_history` returns them, at least one.
            Losses that are null or not finite are left out.
        by: the quantity on the horizontal axis.
    Raises: RnnlmError if matplotlib is missing or cannot be imported.
    """
    with translate_matplotlib_errors():
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

    key = "step" if by == "steps" else by
    maximum = max(record[key] for records in runs.values() for record in records)
    unit, label = _choose_unit(by, maximum)
    figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot(xlabel=label, ylabel="loss (nats per token)")
    bests = [
        _add_run(axes, records, key, unit, number) for number, records in enumerate(runs.values())
    ]
    # The room on the right is for the values of runs whose last validation is the best.
    axes.set(xlim=(0, maximum / unit * 1.1 or 1), ylim=_find_range(axes))
    ticks = MaxNLocator(9, steps=[1, 2, 5, 10], integer=label in ("steps", "tokens"))
    axes.xaxis.set(major_locator=ticks, major_formatter="{x:,.10g}")
    axes.grid(color="0.9")
    axes.spines["top"].set_visible(False)
    add_perplexity_axis(axes)
    add_legend(axes, list(runs), bests)
    mark_bests(axes, bests)
    return figure


def _choose_unit(by: By, maximum: float) -> tuple[float, str]:
    """Return the unit of the horizontal axis, and its label."""
    if by == "seconds":
        units = ((1, "seconds"), (60, "minutes"), (3600, "hours"))
        size, name = units[(maximum >= 180) + (maximum >= 180 * 60)]
        return size, f"time ({name})"
    return (1e6, "tokens (millions)") if by == "tokens" and maximum >= 1e6 else (1, by)


def _add_run(axes: Axes, records: Records, key: str, unit: float, number: int) -> Point | None:
    """Add the two lines of a run, the second one empty if there is no validation.

    Returns: the point of the lowest validation loss, or None.
    """
    losses, validations = (
        [(record[key] / unit, record[nats]) for record in records
         if record[nats] is not None and math.isfinite(record[nats])]
        for nats in ("loss", "valid_nats")
    )
    colour = COLOURS[number % len(COLOURS)]
    dashes = DASHES[number // len(COLOURS) % len(DASHES)]
    x_N, loss_N = np.reshape(losses, (-1, 2)).T
    smooth = loss_N.size >= MIN_SMOOTHED_RECORDS
    axes.plot(
        x_N, _smooth(loss_N) if smooth else loss_N, color=colour, linewidth=1,
        alpha=0.45 if validations else 0.9, marker="." if loss_N.size == 1 else "",
        label="training, smoothed" if smooth else "training",
    )
    x_N, valid_N = np.reshape(validations, (-1, 2)).T
    axes.plot(x_N, valid_N, dashes, color=colour, linewidth=2, marker=".", label="validation")
    return min(validations, key=lambda point: point[1], default=None)


def _smooth(loss_N: Nats) -> Nats:
    """Return the exponential moving average of the losses, without bias at the beginning."""
    decay = 1 - 2 / (loss_N.size / 50 + 1)
    total, weight, averages = 0.0, 0.0, []
    for loss in loss_N:
        total, weight = decay * total + loss, decay * weight + 1
        averages.append(total / weight)
    return np.array(averages)


def _find_range(axes: Axes) -> tuple[float, float]:
    """Return the bottom and the top of the axes: a start far above the rest of a run is cut."""
    lows, tops = [], []
    for nats_N in (np.asarray(line.get_ydata()) for line in axes.lines):
        if nats_N.size:
            low, usual, high = map(float, np.quantile(nats_N, (0, 0.95, 1)))
            lows.append(low)
            top = high if high - low <= 2 * (usual - low) else usual
            tops.append(min(top, low + MAX_SHOWN_NATS))
    if not lows:
        return 0.0, 1.0
    margin = 0.08 * (max(tops) - min(lows)) or 0.5
    return min(lows) - margin, max(tops) + margin
