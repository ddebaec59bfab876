"""The labels of a plot of losses: the perplexity axis, the legend and the marked minima."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rnnlm_cli.plots.legends import shorten_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]  # x, nats

MAX_LOG_PERPLEXITY = 25.0  # no perplexity axis is drawn if the plot goes beyond it


def add_perplexity_axis(axes: Axes) -> None:
    """Add a second scale on the right: the perplexity of a loss."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    bottom, top = axes.get_ylim()
    if top > MAX_LOG_PERPLEXITY:
        return
    low, high = math.exp(bottom), math.exp(top)
    wide = LogLocator(subs=(1, 2, 3, 5) if top - bottom < 7 else (1,))
    locator = MaxNLocator(7, steps=[1, 2, 5, 10]) if high < 4 * low else wide
    ticks = [tick for tick in locator.tick_values(low, high) if low <= tick <= high]
    right = axes.secondary_yaxis("right")  # also in nats: only its labels are perplexities
    right.set(ylabel="perplexity")
    right.set_yticks(np.log(ticks), [f"{tick:,.6g}" for tick in ticks])


def add_legend(axes: Axes, names: Iterable[str], bests: Sequence[Point | None]) -> None:
    """Add a legend above the axes, so that it covers no line.

    A single run has its name as the title, beside the legend. The axes have two lines for each
    run, the training loss and the validation loss.

    Args:
        names: of the runs.
        bests: the lowest validation loss of each run; None for a run without validation.
    """
    from matplotlib.lines import Line2D

    labels = [
        f"{shorten_name(name)}: {f'best {best[1]:.3f}' if best else 'no validation'}"
        for name, best in zip(names, bests, strict=True)
    ]
    lines, colour = axes.lines[1::2], "0.4"
    if len(labels) == 1:
        axes.set_title(shorten_name(*names), loc="left", parse_math=False)
        lines, labels, colour = [], [], str(axes.lines[0].get_color())
    lines.append(Line2D([], [], color=colour, alpha=0.6, linewidth=1))
    labels.append(max(str(line.get_label()) for line in axes.lines[::2]))
    if any(bests):
        lines.append(Line2D([], [], color=colour, linewidth=2, marker="."))
        labels.append("validation")
    legend = axes.legend(
        lines, [""] * len(lines), fontsize=9, frameon=False, borderaxespad=0.1, loc="lower right",
        bbox_to_anchor=(1, 1), ncols=max(1, min(3, 92 // (5 + max(map(len, labels))))),
    )
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set(text=label, parse_math=False)  # literal: no mathematics, and "_" does not hide it


def mark_bests(axes: Axes, bests: Iterable[Point | None]) -> None:
    """Mark the lowest validation loss of each run with a ring and its value, without overlaps."""
    width, (bottom, top) = axes.get_xlim()[1], axes.get_ylim()
    text_height = 0.045 * (top - bottom)
    lines = zip(bests, axes.lines[1::2], strict=True)
    marks = [(best, line.get_color()) for best, line in lines if best]
    placed: list[Point] = []
    for (x, nats), colour in sorted(marks, key=lambda mark: mark[0][1]):
        axes.plot(x, nats, "o", color=colour, markersize=9, markerfacecolor="white",
                  markeredgewidth=2, clip_on=False, label="best")
        at_end = x > 0.88 * width
        y = nats if at_end else nats + 1.1 * text_height
        for other_x, other_y in placed:  # sorted from the lowest up
            if abs(x - other_x) < 0.08 * width and abs(y - other_y) < text_height:
                y = other_y + text_height
        placed = sorted([*placed, (x, y)], key=lambda point: point[1])
        axes.text(x + 0.012 * width * at_end, y, f"{nats:.3f}", color=colour, weight="bold",
                  ha="center" if 0.05 * width < x < 0.88 * width else "left", va="center",
                  bbox={"color": "white", "alpha": 0.7, "pad": 0.5})

