"""Legends above the axes, so that they cover no line, and the names of models in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from rnnlm_cli.messages import escape_controls

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D

Entry = tuple["Line2D", str]  # the sample line, and the label

MAX_NAME_LENGTH = 28
# The width of the figure and of the sample line of a legend, in characters of a legend.
WIDTH_CHARACTERS, MARGIN_CHARACTERS = 120, 8


def add_legends(axes: Axes, models: Sequence[Entry], styles: Sequence[Entry]) -> None:
    """Add two legends above the axes: the models on the left, and the styles on the right.

    Args:
        styles: none if empty.
    """
    widest, style_width = (
        MARGIN_CHARACTERS + max((len(label) for _, label in entries), default=0)
        for entries in (models, styles)
    )
    num_columns = max(1, min(-(-len(models) // 3), (WIDTH_CHARACTERS - style_width) // widest))
    first = _add_legend(axes, models, "lower left", (0, 1), num_columns)
    if styles:
        _add_legend(axes, styles, "lower right", (1, 1), 1)
        axes.add_artist(first)  # the second call of `legend` has replaced it
        first.set_clip_on(False)  # `add_artist` would cut it off, because it is above the axes


def _add_legend(
    axes: Axes, entries: Sequence[Entry], place: Literal["lower left", "lower right"],
    corner: tuple[float, float], num_columns: int,
) -> Legend:
    """Add a legend, which replaces the one that the axes have."""
    legend: Legend = axes.legend(
        [handle for handle, _ in entries], [""] * len(entries), fontsize=9, frameon=False,
        borderaxespad=0.1, loc=place, bbox_to_anchor=corner, handlelength=2.8, ncols=num_columns,
    )
    for text, (_, label) in zip(legend.get_texts(), entries, strict=True):
        text.set(text=label, parse_math=False)  # literal: no mathematics, and "_" does not hide it
    return legend


def shorten_name(name: str) -> str:
    """Return the name of a model as a plot shows it: printable, its middle left out if long."""
    name, half = escape_controls(name), MAX_NAME_LENGTH // 2
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[: half - 3]}...{name[-half:]}"
