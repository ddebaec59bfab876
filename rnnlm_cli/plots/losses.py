"""Histories of training runs -> a picture of their losses, a PNG. N: points of a line."""

from __future__ import annotations

import io
import json
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.errors import FileError, RnnlmError
from rnnlm_cli.files.atomic import replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

By = Literal["seconds", "steps", "tokens"]
Records = Sequence[Mapping[str, Any]]
Nats = NDArray[np.float64]
Point = tuple[float, float]  # x, nats

NUMBERS, NUMBERS_OR_NULL = ("step", "seconds", "tokens"), ("loss", "valid_nats")
INCHES, DOTS_PER_INCH = (8, 5), 150  # 1200 x 750
# Okabe & Ito's, told apart by the colour-blind; without their yellow, which is faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
DASHES = ("-", "--", ":")  # of the first seven runs, the next seven, ...
SMOOTHED_FROM = 100  # records
SHOWN_NATS = 3.0  # above its lowest loss: the most that one run, blown up perhaps, may claim
MAX_LOG_PERPLEXITY = 25.0
MAX_NAME_LENGTH = 28


def read_history(path: Path) -> list[dict[str, Any]]:
    """The records of a history, which `rnnlm train` writes beside its model.

    A line is a JSON object with at least step, seconds and tokens (numbers), loss and valid_nats
    (nats per token or null; NaN and Infinity are read as null). A last line without its newline
    was cut short: it is left out.

    Raises: FileError where there is no such file, no whole line, or one that is something else.
    """
    needed = "a history that 'rnnlm train' wrote beside its model is needed"
    try:
        *lines, _ = path.read_bytes().split(b"\n")
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); {needed}") from None
    if not lines:
        raise FileError(f"{path}: holds no whole line; {needed}")
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(json.loads(line, parse_constant=lambda _: None))
        except (ValueError, RecursionError):
            records.append(None)
        if wrong := _what_is_wrong(records[-1]):
            raise FileError(f"{path}: line {number} {wrong}; {needed}")
    return records


def _what_is_wrong(record: object) -> str:
    if not isinstance(record, dict):
        return "is not a JSON object"
    wrong = []
    for key in NUMBERS + NUMBERS_OR_NULL:
        value = record.get(key, "")
        is_number = type(value) in (int, float) and abs(value) < 1e300  # what a float holds
        if not is_number and not (value is None and key in NUMBERS_OR_NULL):
            seen = f"'{key}' {json.dumps(value)[:40]}, not a number"
            wrong.append(f"has {seen if key in record else 'no ' + repr(key)}")
    return ", ".join(wrong)


def draw(runs: Mapping[str, Records], path: Path, *, by: By = "seconds") -> None:
    """Write the picture of `figure` as a PNG. Equal histories give equal bytes.

    Raises: RnnlmError if matplotlib is missing; FileError if the file cannot be written.
    """
    drawn = figure(runs, by)
    png = io.BytesIO()
    with warnings.catch_warnings():  # letters of a name that the font lacks become boxes
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        drawn.savefig(png, format="png", dpi="figure", metadata={"Software": None})
    replace_file(path, png.getvalue())


def figure(runs: Mapping[str, Records], by: By = "seconds") -> Figure:
    """Training loss (thin) and validation loss (strong) of each run, its best one marked.

    Args:
        runs: name -> records as `read_history` gives them, at least one. Losses that are null
            or not finite are left out.
        by: what runs along the bottom.
    Raises: RnnlmError where matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ModuleNotFoundError:
        raise RnnlmError(
            "matplotlib: is not installed; it draws the pictures. "
            "Install it with pip install 'rnnlm-cli[plot]'"
        ) from None

    key = "step" if by == "steps" else by
    most = max(record[key] for records in runs.values() for record in records)
    unit, label = _unit(by, most)
    drawn = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = drawn.add_subplot(xlabel=label, ylabel="loss (nats per token)")
    bests = [
        _add_run(axes, records, key, unit, number) for number, records in enumerate(runs.values())
    ]
    # Room on the right for the values of runs that are best at their end.
    axes.set(xlim=(0, most / unit * 1.1 or 1), ylim=_range(axes))
    ticks = MaxNLocator(9, steps=[1, 2, 5, 10], integer=label in ("steps", "tokens"))
    axes.xaxis.set(major_locator=ticks, major_formatter="{x:,.10g}")
    axes.grid(color="0.9")
    axes.spines["top"].set_visible(False)
    _add_perplexity(axes)
    _add_legend(axes, list(runs), bests)
    _mark(axes, bests)
    return drawn


def _unit(by: By, most: float) -> tuple[float, str]:
    if by == "seconds":
        units = ((1, "seconds"), (60, "minutes"), (3600, "hours"))
        size, name = units[(most >= 180) + (most >= 180 * 60)]
        return size, f"time ({name})"
    return (1e6, "tokens (millions)") if by == "tokens" and most >= 1e6 else (1, by)


def _add_run(axes: Axes, records: Records, key: str, unit: float, number: int) -> Point | None:
    """Two lines, the second one empty where there is no validation. Returns: the best one."""
    losses, validations = (
        [(record[key] / unit, record[nats]) for record in records
         if record[nats] is not None and math.isfinite(record[nats])]
        for nats in NUMBERS_OR_NULL
    )
    colour = COLOURS[number % len(COLOURS)]
    dashes = DASHES[number // len(COLOURS) % len(DASHES)]
    x_N, loss_N = np.reshape(losses, (-1, 2)).T
    smooth = loss_N.size >= SMOOTHED_FROM
    axes.plot(
        x_N, _smoothed(loss_N) if smooth else loss_N, color=colour, linewidth=1,
        alpha=0.45 if validations else 0.9, marker="." if loss_N.size == 1 else "",
        label="training, smoothed" if smooth else "training",
    )
    x_N, valid_N = np.reshape(validations, (-1, 2)).T
    axes.plot(x_N, valid_N, dashes, color=colour, linewidth=2, marker=".", label="validation")
    return min(validations, key=lambda point: point[1], default=None)


def _smoothed(loss_N: Nats) -> Nats:
    """The exponential average of the losses so far, over the weights so far."""
    kept = 1 - 2 / (loss_N.size / 50 + 1)
    total, weight, averages = 0.0, 0.0, []
    for loss in loss_N:
        total, weight = kept * total + loss, kept * weight + 1
        averages.append(total / weight)
    return np.array(averages)


def _range(axes: Axes) -> tuple[float, float]:
    """Bottom and top of what is shown: the start of a run, where far above the rest, is cut."""
    lows, tops = [], []
    for nats_N in (np.asarray(line.get_ydata()) for line in axes.lines):
        if nats_N.size:
            low, usual, high = map(float, np.quantile(nats_N, (0, 0.95, 1)))
            lows.append(low)
            top = high if high - low <= 2 * (usual - low) else usual
            tops.append(min(top, low + SHOWN_NATS))
    if not lows:
        return 0.0, 1.0
    margin = 0.08 * (max(tops) - min(lows)) or 0.5
    return min(lows) - margin, max(tops) + margin


def _add_perplexity(axes: Axes) -> None:
    """A second scale, on the right."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    bottom, top = axes.get_ylim()
    if top > MAX_LOG_PERPLEXITY:
        return
    low, high = math.exp(bottom), math.exp(top)
    wide = LogLocator(subs=(1, 2, 3, 5) if top - bottom < 7 else (1,))
    locator = MaxNLocator(7, steps=[1, 2, 5, 10]) if high < 4 * low else wide
    ticks = [tick for tick in locator.tick_values(low, high) if low <= tick <= high]
    right = axes.secondary_yaxis("right")  # in nats too: only its labels are perplexities
    right.set(ylabel="perplexity")
    right.set_yticks(np.log(ticks), [f"{tick:,.6g}" for tick in ticks])


def _add_legend(axes: Axes, names: Iterable[str], bests: Sequence[Point | None]) -> None:
    """Above the axes, where no line runs; for one run beside its name, the title."""
    from matplotlib.lines import Line2D

    labels = [
        f"{_shown(name)}: {f'best {best[1]:.3f}' if best else 'no validation'}"
        for name, best in zip(names, bests, strict=True)
    ]
    lines, colour = axes.lines[1::2], "0.4"
    if len(labels) == 1:
        axes.set_title(_shown(*names), loc="left", parse_math=False)
        lines, labels, colour = [], [], COLOURS[0]
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
        text.set(text=label, parse_math=False)  # as it is: no mathematics, "_" does not hide it


def _shown(name: str) -> str:
    name = "".join(each if each.isprintable() else "?" for each in name)
    half = MAX_NAME_LENGTH // 2
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[: half - 3]}...{name[-half:]}"


def _mark(axes: Axes, bests: Iterable[Point | None]) -> None:
    """A ring and the value at each best validation, no value on top of another."""
    width, (bottom, top) = axes.get_xlim()[1], axes.get_ylim()
    height = 0.045 * (top - bottom)  # of a value
    lines = zip(bests, axes.lines[1::2], strict=True)
    marks = [(best, line.get_color()) for best, line in lines if best]
    taken: list[Point] = []
    for (x, nats), colour in sorted(marks, key=lambda mark: mark[0][1]):
        axes.plot(x, nats, "o", color=colour, markersize=9, markerfacecolor="white",
                  markeredgewidth=2, clip_on=False, label="best")
        at_end = x > 0.88 * width
        y = nats if at_end else nats + 1.1 * height
        for other_x, other_y in taken:  # from the lowest up
            if abs(x - other_x) < 0.08 * width and abs(y - other_y) < height:
                y = other_y + height
        taken = sorted([*taken, (x, y)], key=lambda point: point[1])
        axes.text(x + 0.012 * width * at_end, y, f"{nats:.3f}", color=colour, weight="bold",
                  ha="center" if 0.05 * width < x < 0.88 * width else "left", va="center",
                  bbox={"color": "white", "alpha": 0.7, "pad": 0.5})
