"""Plots of the norm of gradients by lag, as PNG files. K: lags from 0 to the maximum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

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

Dashes = tuple[float, tuple[float, ...]]  # offset, and points on and off

MAX_FALL, MAX_RISE = 1e-12, 1e6  # the shown range of norms, relative to the largest at lag 0
# Dashes by the part of the hidden state, for the trained network and for the untrained one.
STYLES: dict[str, tuple[Dashes, Dashes]] = {
    "h": ((0, ()), (0, (5, 2))), "c": ((0, (4, 1.5, 1, 1.5)), (0, (1, 1.5))),
}


@dataclass(frozen=True)
class GradientLine:
    """The norm of the gradient of one part of the hidden state, by lag.

    Args:
        name: of the model.
        is_trained: false for the network before training.
        layer: the number of the layer, from 1.
        part: of the hidden state, "h" or "c".
        norm_K: those that are NaN, infinite or 0 are left out.
        half_life: in tokens; None if the norm does not shrink.
    """

    name: str
    is_trained: bool
    layer: int
    part: Literal["h", "c"]
    norm_K: NDArray[np.float64]
    half_life: float | None


def draw_gradients(lines: Sequence[GradientLine], path: Path) -> None:
    """Write the figure of `make_figure` as a PNG; see `write_figure`."""
    write_figure(lambda: make_figure(lines), path)


def make_figure(lines: Sequence[GradientLine]) -> Figure:
    """Draw the norms on a logarithmic scale, one panel for each layer, one colour for each model.

    Bold: the trained network. Thin: the network before training.

    Args:
        lines: at least one.
    Raises: RnnlmError if matplotlib is missing or cannot be imported.
    """
    with translate_matplotlib_errors():
        from matplotlib.figure import Figure

    names = list(dict.fromkeys(line.name for line in lines))
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}
    layers = sorted({line.layer for line in lines})
    width, height = INCHES
    figure = Figure(
        figsize=(width, height + 0.8 * height * (len(layers) - 1)), dpi=DOTS_PER_INCH,
        layout="constrained",
    )
    panels = figure.subplots(len(layers), sharex=True, squeeze=False)[:, 0]
    for layer, axes in zip(layers, panels, strict=True):
        shown = [line for line in lines if line.layer == layer]
        _fill_panel(axes, shown, colours)
        if len(layers) > 1:
            axes.set_ylabel(f"layer {layer}:  {axes.get_ylabel()}")
    panels[-1].set_xlabel("lag k (tokens)")
    return figure


def _fill_panel(axes: Axes, lines: Sequence[GradientLine], colours: dict[str, str]) -> None:
    """Draw the lines of one layer, and set up the axes."""
    # The thin lines are drawn first, so that they cover no bold one.
    for line in sorted(lines, key=lambda each: each.is_trained):
        shown_K = np.where((line.norm_K > 0) & np.isfinite(line.norm_K), line.norm_K, np.nan)
        axes.plot(
            shown_K, linestyle=STYLES[line.part][not line.is_trained], color=colours[line.name],
            linewidth=2 if line.is_trained else 1, alpha=1 if line.is_trained else 0.75,
            marker="" if np.isfinite(shown_K[1:]).sum() > 1 else ".",
        )
    max_lag = max(len(line.norm_K) for line in lines) - 1
    axes.set(
        yscale="log", xlim=(0, max_lag), ylim=_find_range(lines),
        ylabel=r"mean norm of  $\partial\,\mathrm{loss}_t\;/\;\partial\,h_{t-k}$",
    )
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    add_legends(axes, list(_list_models(lines, colours)), list(_list_styles(lines)))


def _find_range(lines: Sequence[GradientLine]) -> tuple[float, float]:
    """Return the bottom and the top of the axes: a norm far from those at lag 0 is cut."""
    all_M = np.concatenate([line.norm_K for line in lines])
    all_M = all_M[(all_M > 0) & np.isfinite(all_M)]
    if not len(all_M):
        return 0.1, 1.0
    first = [float(line.norm_K[0]) for line in lines if 0 < line.norm_K[0] < np.inf]
    reference = max(first, default=float(all_M.max()))
    bottom = max(float(all_M.min()), reference * MAX_FALL)
    top = max(min(float(all_M.max()), reference * MAX_RISE), bottom)
    return bottom / 2, top * 2


def _list_models(
    lines: Sequence[GradientLine], colours: dict[str, str]
) -> Iterator[Entry]:
    """Yield a line and a label for each part of each trained model."""
    from matplotlib.lines import Line2D

    with_cell = {line.name for line in lines if line.part == "c"}
    for line in lines:
        if line.is_trained:
            handle = Line2D(
                [], [], color=colours[line.name], linestyle=STYLES[line.part][0], linewidth=2
            )
            part = f", {line.part}" if line.name in with_cell else ""
            yield handle, f"{shorten_name(line.name)}{part}: {_describe(line.half_life)}"


def _list_styles(lines: Sequence[GradientLine]) -> Iterator[Entry]:
    """Yield a line and a label for each style of an untrained network."""
    from matplotlib.lines import Line2D

    parts = dict.fromkeys(line.part for line in lines if not line.is_trained)
    for part in parts:
        handle = Line2D([], [], color="0.4", linestyle=STYLES[part][1], linewidth=1)
        yield handle, f"before training{f': {part}' if len(parts) > 1 else ''}"


def _describe(half_life: float | None) -> str:
    if half_life is None:
        return "does not shrink"
    return f"half-life {half_life:,.{0 if half_life >= 100 else 1}f} tokens"

