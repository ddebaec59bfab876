"""Plots of the loss by the context that is visible, as PNG files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rnnlm_cli.plots.figure import (
    COLOURS,
    DOTS_PER_INCH,
    INCHES,
    translate_matplotlib_errors,
    write_figure,
)
from rnnlm_cli.plots.legends import Entry, add_legends, shorten_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Point = tuple[int, float]  # the number of tokens, nats
Dashes = Literal["-", "--", ":"]

VISIBLE: Dashes = "-"
SHUFFLED: Dashes = "--"
WHOLE: Dashes = ":"
# The styles of lines: dashes, width and label.
STYLES: tuple[tuple[Dashes, float, str], ...] = (
    (VISIBLE, 2, "only the last n visible"), (SHUFFLED, 1.2, "farther context shuffled"),
    (WHOLE, 1.2, "all of the context"),
)
MIN_SHOWN_RISE = 1.0  # nats above the loss with all of the context, which the axis has room for


@dataclass(frozen=True)
class ContextLine:
    """The losses of a model by its context.

    Args:
        name: of the model.
        whole_nats: its loss with all of the context.
        visible: its loss if only the last n tokens are visible, by n.
        shuffled: its loss if the farther tokens are shuffled, by n.
        effective: the effective context and its loss; None if it was not reached.
    """

    name: str
    whole_nats: float
    visible: Sequence[Point]
    shuffled: Sequence[Point]
    effective: Point | None


def draw_contexts(lines: Sequence[ContextLine], path: Path) -> None:
    """Write the figure of `make_figure` as a PNG; see `write_figure`."""
    write_figure(lambda: make_figure(lines), path)


def make_figure(lines: Sequence[ContextLine]) -> Figure:
    """Draw the losses by n on a logarithmic axis, one colour for each model.

    A ring marks the effective context. One of 0 tokens has no place on the axis. The axis ends
    at twice the loss with all of the context, so that the bends of the lines can be seen.

    Args:
        lines: at least one.
    Raises: RnnlmError if matplotlib is missing or cannot be imported.
    """
    with translate_matplotlib_errors():
        from matplotlib.figure import Figure

    figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    colours = [COLOURS[number % len(COLOURS)] for number in range(len(lines))]
    for line, colour in zip(lines, colours, strict=True):
        axes.axhline(line.whole_nats, color=colour, linestyle=WHOLE, linewidth=1.2)
        axes.plot(
            *zip(*line.shuffled, strict=True), color=colour, linestyle=SHUFFLED, linewidth=1.2,
            marker=".", markersize=5,
        )
        axes.plot(
            *zip(*line.visible, strict=True), color=colour, linestyle=VISIBLE, linewidth=2,
            marker=".",
        )
        if line.effective is not None and line.effective[0] > 0:
            axes.plot(
                *line.effective, "o", color=colour, markersize=9, markerfacecolor="white",
                markeredgewidth=2, zorder=3,
            )
    _set_up_axes(axes, lines)
    add_legends(axes, list(_list_models(lines, colours)), list(_list_styles()))
    return figure


def _set_up_axes(axes: Axes, lines: Sequence[ContextLine]) -> None:
    """Set up the axes, with a tick at each measured n."""
    sizes = sorted({size for line in lines for size, _ in line.visible})
    marked = [line.effective[0] for line in lines if line.effective is not None]
    top = max(line.whole_nats + max(MIN_SHOWN_RISE, line.whole_nats) for line in lines)
    axes.set(
        xscale="log", xlabel="n: last tokens that are visible, or that keep their order",
        ylabel="loss (nats)",
        xlim=(sizes[0] / 1.15, max(2, sizes[-1], *marked) * 1.15),
    )
    axes.set_ylim(top=min(top, axes.get_ylim()[1]))
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)


def _list_models(lines: Sequence[ContextLine], colours: Sequence[str]) -> Iterator[Entry]:
    """Yield a line and a label for each model."""
    from matplotlib.lines import Line2D

    for line, colour in zip(lines, colours, strict=True):
        label = f"more than {line.visible[-1][0]:,}"
        marker = ""
        if line.effective is not None:
            label, marker = f"{line.effective[0]:,}", "o"
        handle = Line2D(
            [], [], color=colour, linewidth=2, marker=marker, markersize=7,
            markerfacecolor="white", markeredgewidth=2,
        )
        yield handle, f"{shorten_name(line.name)}: effective context {label}"


def _list_styles() -> Iterator[Entry]:
    """Yield a line and a label for each style."""
    from matplotlib.lines import Line2D

    for style, width, label in STYLES:
        yield Line2D([], [], color="0.4", linestyle=style, linewidth=width), label
