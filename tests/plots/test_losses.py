"""The contents of the plots: lines, axes, labels. Their look is for the eye."""

import math
import os
import struct
import sys

import numpy as np
import pytest

from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.plots.losses import draw_losses, make_figure
from tests.histories import make_history

PNG = b"\x89PNG\r\n\x1a\n"
GOOD = {"step": 20, "seconds": 1.5, "tokens": 640, "loss": 2.5, "valid_nats": None}


def axes_of(*runs, by="seconds"):
    (axes,) = make_figure({f"run{number}": records for number, records in enumerate(runs)}, by).axes
    return axes


def lines(axes, label):
    return [line for line in axes.lines if line.get_label().startswith(label)]


def texts(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_every_loss_and_validation_is_drawn_and_the_best_is_marked():
    records = make_history(40)
    records[24]["valid_nats"] = 1.25
    axes = axes_of(records)
    (training,), (validation,) = lines(axes, "training"), lines(axes, "validation")
    assert training.get_xydata().tolist() == [[r["seconds"], r["loss"]] for r in records]
    assert validation.get_xydata().tolist() == [
        [r["seconds"], r["valid_nats"]] for r in records if r["valid_nats"] is not None
    ]
    assert training.get_linewidth() < validation.get_linewidth()
    assert training.get_color() == validation.get_color()
    (ring,), (value,) = lines(axes, "best"), axes.texts
    assert ring.get_xydata().tolist() == [[75.0, 1.25]]
    assert (value.get_text(), value.get_position()[0]) == ("1.250", 75.0)


@pytest.mark.parametrize(
    ("by", "size", "seconds", "last", "label"),
    [
        ("seconds", 40, 179.0, 179.0, "time (seconds)"),
        ("seconds", 40, 180.0, 3.0, "time (minutes)"),
        ("seconds", 40, 10_799.0, 10_799 / 60, "time (minutes)"),
        ("seconds", 40, 32_400.0, 9.0, "time (hours)"),
        ("steps", 40, 1.0, 800, "steps"),
        ("tokens", 40, 1.0, 2.56, "tokens (millions)"),
        ("tokens", 5, 1.0, 320_000, "tokens"),
    ],
)
def test_the_bottom_axis_has_the_unit_that_fits_the_longest_run(by, size, seconds, last, label):
    long, short = (make_history(size, seconds=each) for each in (seconds, seconds / 4))
    axes = axes_of(long, short, by=by)
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("loss (nats per token)", label)
    ends = [line.get_xdata()[-1] for line in axes.lines]
    short_last = last / 4 if by == "seconds" else last
    assert ends == pytest.approx([last, last, short_last, short_last, ends[-2], ends[-1]])
    assert axes.get_xlim()[0] == 0
    assert axes.get_xlim()[1] > last


def test_runs_alike_are_told_apart():
    axes = axes_of(*(make_history(40, end=1.5 + 0.001 * number) for number in range(14)))
    heights = sorted(text.get_position()[1] for text in axes.texts)
    assert min(np.diff(heights)) > 0.04 * np.diff(axes.get_ylim())
    looks = {(line.get_color(), line.get_linestyle()) for line in lines(axes, "validation")}
    assert len(heights) == len(looks) == 14


def test_many_losses_are_smoothed_and_the_legend_says_so():
    records = make_history(200, every=None, start=2.0, end=2.0)
    records[150]["loss"] = 4.0
    axes = axes_of(records)
    (training,) = lines(axes, "training")
    # Half of 200 / 50 + 1 to the 5: each loss keeps 0.6 of its weight from record to record.
    assert training.get_ydata()[149:152].tolist() == pytest.approx([2.0, 2.8, 2.48])
    assert texts(axes) == ["training, smoothed"]
    assert texts(axes_of(make_history(99, every=None))) == ["training"]


@pytest.mark.parametrize(
    ("records", "least", "most"),
    [
        (make_history(99, start=40.0), 1.75, 5.2),  # cut: the end would be squashed
        (make_history(60), 3.75, 4.2),  # all of it: the end has half of the height, and more
        # diverged
        (make_history(60) + [record | {"loss": 500.0} for record in make_history(60)], 4.0, 5.0),
    ],
)
def test_the_end_of_a_run_is_not_squashed_by_what_is_far_above(records, least, most):
    bottom, top = axes_of(records).get_ylim()
    assert 1.0 < bottom < min(record["loss"] for record in records)
    assert least < top < most


def test_perplexities_stand_where_their_logarithms_are():
    (right,) = axes_of(make_history(40)).child_axes
    labels = [text.get_text() for text in right.get_yticklabels()]
    assert [float(label) for label in labels] == pytest.approx(np.exp(right.get_yticks()))
    assert len(labels) > 3
    assert right.get_ylabel() == "perplexity"
    assert not axes_of(make_history(2, start=2000.0)).child_axes  # no float would hold them


def test_one_run_has_its_name_as_title_and_several_a_legend():
    (axes,) = make_figure({"gru": make_history(9)}).axes
    assert axes.get_title(loc="left") == "gru"
    assert texts(axes) == ["training", "validation"]
    runs = {
        "gru": make_history(5), "_$x$\n": make_history(5, every=None),
        "n" * 20 + "m" * 20: make_history(5),
    }
    (axes,) = make_figure(runs).axes
    assert axes.get_title(loc="left") == ""
    assert texts(axes) == [
        "gru: best 3.226", "_$x$\\n: no validation", f"{'n' * 11}...{'m' * 14}: best 3.226",
        "training", "validation",
    ]
    assert not any(text.get_parse_math() for text in axes.get_legend().get_texts())


@pytest.mark.parametrize("by", ["seconds", "steps", "tokens"])
@pytest.mark.parametrize(
    ("records", "marker"),
    [
        (make_history(40, every=None), ""),
        (make_history(1, every=None), "."),  # or it could not be seen
        (make_history(1, every=1), "."),
        ([record | {"loss": None} for record in make_history(40)], ""),
        ([record | {"loss": None, "valid_nats": None} for record in make_history(3)], ""),
        ([record | {"loss": math.nan, "valid_nats": math.inf} for record in make_history(3)], ""),
        ([GOOD | {"step": 0, "seconds": 0.0, "tokens": 0, "valid_nats": 2.5}], "."),
    ],
)
def test_poor_histories_are_drawn_too(tmp_path, records, marker, by):
    draw_losses({"poor": records}, tmp_path / "a.png", by=by)
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
    assert axes_of(records, by=by).lines[0].get_marker() == marker


def test_the_plot_is_1200_by_750_and_equal_histories_give_equal_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        draw_losses({"x": make_history(40), "y \u4e2d": make_history(20)}, tmp_path / name)
    data = (tmp_path / "a.png").read_bytes()
    assert struct.unpack(">8s8xII", data[:24]) == (PNG, 1200, 750)
    assert data == (tmp_path / "b.png").read_bytes()
    assert data.count(b"tEXt") == 1 and b"tEXtSoftware\0rnnlm" in data  # and no date
    assert sorted(os.listdir(tmp_path)) == ["a.png", "b.png"]


def test_without_matplotlib_there_is_one_line(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(RnnlmError, match=r"^matplotlib: is not installed.*pip install matplotlib$"):
        draw_losses({"x": make_history(3)}, tmp_path / "a.png")
    assert not os.listdir(tmp_path)
