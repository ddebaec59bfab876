"""Histories read, and what of them stands in the picture. Pixels are for the eye."""

import json
import math
import os
import struct
import subprocess
import sys

import numpy as np
import pytest

from rnnlm_cli.errors import FileError, RnnlmError
from rnnlm_cli.plots.losses import draw, figure, read_history

PNG = b"\x89PNG\r\n\x1a\n"
GOOD = {"step": 20, "seconds": 1.5, "tokens": 640, "loss": 2.5, "valid_nats": None}
LINE = json.dumps(GOOD)


def history(size, *, seconds=120.0, every=5, start=4.0, end=1.5):
    """A loss that falls; a validation 0.25 nats above it at every so many records."""
    return [
        {
            "step": 20 * n, "seconds": seconds * n / size, "tokens": 64_000 * n, "perplexity": "-",
            "loss": (loss := end + (start - end) * 0.9**n),
            "valid_nats": loss + 0.25 if every and n % every == 0 else None,
        }
        for n in range(1, size + 1)
    ]


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def axes_of(*runs, by="seconds"):
    (axes,) = figure({f"run{number}": records for number, records in enumerate(runs)}, by).axes
    return axes


def lines(axes, label):
    return [line for line in axes.lines if line.get_label().startswith(label)]


def texts(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.mark.parametrize("rest", ["", '{"step": 1', LINE, "\udce9"])
def test_a_history_is_read_less_a_last_line_cut_short(tmp_path, rest):
    odd = GOOD | {"loss": math.nan, "valid_nats": math.inf}
    path = write(tmp_path / "a.jsonl", [*history(7), odd])
    path.write_bytes(path.read_bytes() + rest.encode("utf-8", "surrogateescape"))
    assert read_history(path) == [*history(7), GOOD | {"loss": None}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read (No such file or directory); a history that"),
        ("", "holds no whole line; a history that"),
        (LINE, "holds no whole line"),
        (f"{LINE}\n\n", "line 2 is not a JSON object; a history that"),
        (f"{LINE}\nstep 3\n{LINE}\n", "line 2 is not a JSON object"),
        (f"{LINE}\n{LINE}\n[1, 2]\n", "line 3 is not a JSON object"),
        ("[" * 100_000 + "\n", "line 1 is not a JSON object"),
        ("caf\udce9\n", "line 1 is not a JSON object"),
        (LINE.replace("20", '"20"') + "\n", "line 1 has 'step' \"20\", not a number; a history"),
        (LINE.replace("20", "true") + "\n", "line 1 has 'step' true, not a number"),
        (LINE.replace("1.5", "null") + "\n", "line 1 has 'seconds' null, not a number"),
        (LINE.replace("1.5", "NaN") + "\n", "line 1 has 'seconds' null, not a number"),
        (LINE.replace("1.5", "1e999") + "\n", "line 1 has 'seconds' Infinity, not a number"),
        (LINE.replace("640", "9" * 400) + "\n", f"line 1 has 'tokens' {'9' * 40}, not a number"),
        (LINE.replace("2.5", '"low"') + "\n", "line 1 has 'loss' \"low\", not a number"),
        ('{"step": 1, "tokens": [], "loss": 1, "seconds": 1}\n',
         "line 1 has 'tokens' [], not a number, has no 'valid_nats'; a history"),
    ],
)
def test_a_broken_history_gets_one_line_that_names_file_and_line(tmp_path, content, message):
    path = tmp_path / "broken.jsonl"
    if content is not None:
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(FileError) as caught:
        read_history(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_every_loss_and_validation_is_drawn_and_the_best_is_marked():
    records = history(40)
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
    axes = axes_of(history(size, seconds=seconds), history(size, seconds=seconds / 4), by=by)
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("loss (nats per token)", label)
    ends = [line.get_xdata()[-1] for line in axes.lines]
    short = last / 4 if by == "seconds" else last
    assert ends == pytest.approx([last, last, short, short, ends[-2], ends[-1]])
    assert axes.get_xlim()[0] == 0
    assert axes.get_xlim()[1] > last


def test_runs_alike_are_told_apart():
    axes = axes_of(*(history(40, end=1.5 + 0.001 * number) for number in range(14)))
    heights = sorted(text.get_position()[1] for text in axes.texts)
    assert min(np.diff(heights)) > 0.04 * np.diff(axes.get_ylim())
    looks = {(line.get_color(), line.get_linestyle()) for line in lines(axes, "validation")}
    assert len(heights) == len(looks) == 14


def test_many_losses_are_smoothed_and_the_legend_says_so():
    records = history(200, every=None, start=2.0, end=2.0)
    records[150]["loss"] = 4.0
    axes = axes_of(records)
    (training,) = lines(axes, "training")
    # Half of 200 / 50 + 1 to the 5: each loss keeps 0.6 of its weight from record to record.
    assert training.get_ydata()[149:152].tolist() == pytest.approx([2.0, 2.8, 2.48])
    assert texts(axes) == ["training, smoothed"]
    assert texts(axes_of(history(99, every=None))) == ["training"]


@pytest.mark.parametrize(
    ("records", "least", "most"),
    [
        (history(99, start=40.0), 1.75, 5.2),  # cut: the end would be squashed
        (history(60), 3.75, 4.2),  # all of it: the end has half of the height, and more
        (history(60) + [record | {"loss": 500.0} for record in history(60)], 4.0, 5.0),  # blown up
    ],
)
def test_the_end_of_a_run_is_not_squashed_by_what_is_far_above(records, least, most):
    bottom, top = axes_of(records).get_ylim()
    assert 1.0 < bottom < min(record["loss"] for record in records)
    assert least < top < most


def test_perplexities_stand_where_their_logarithms_are():
    (right,) = axes_of(history(40)).child_axes
    labels = [text.get_text() for text in right.get_yticklabels()]
    assert [float(label) for label in labels] == pytest.approx(np.exp(right.get_yticks()))
    assert len(labels) > 3
    assert right.get_ylabel() == "perplexity"
    assert not axes_of(history(2, start=2000.0)).child_axes  # no float would hold them


def test_one_run_has_its_name_as_title_and_several_a_legend():
    (axes,) = figure({"gru": history(9)}).axes
    assert axes.get_title(loc="left") == "gru"
    assert texts(axes) == ["training", "validation"]
    runs = {"gru": history(5), "_$x$\n": history(5, every=None), "n" * 20 + "m" * 20: history(5)}
    (axes,) = figure(runs).axes
    assert axes.get_title(loc="left") == ""
    assert texts(axes) == [
        "gru: best 3.226", "_$x$?: no validation", f"{'n' * 11}...{'m' * 14}: best 3.226",
        "training", "validation",
    ]
    assert not any(text.get_parse_math() for text in axes.get_legend().get_texts())


@pytest.mark.parametrize("by", ["seconds", "steps", "tokens"])
@pytest.mark.parametrize(
    ("records", "marker"),
    [
        (history(40, every=None), ""),
        (history(1, every=None), "."),  # or it could not be seen
        (history(1, every=1), "."),
        ([record | {"loss": None} for record in history(40)], ""),
        ([record | {"loss": None, "valid_nats": None} for record in history(3)], ""),
        ([record | {"loss": math.nan, "valid_nats": math.inf} for record in history(3)], ""),
        ([GOOD | {"step": 0, "seconds": 0.0, "tokens": 0, "valid_nats": 2.5}], "."),
    ],
)
def test_poor_histories_are_drawn_too(tmp_path, records, marker, by):
    draw({"poor": records}, tmp_path / "a.png", by=by)
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
    assert axes_of(records, by=by).lines[0].get_marker() == marker


def test_the_picture_is_1200_by_750_and_equal_histories_give_equal_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        draw({"x": history(40), "y \u4e2d": history(20)}, tmp_path / name)
    data = (tmp_path / "a.png").read_bytes()
    assert struct.unpack(">8s8xII", data[:24]) == (PNG, 1200, 750)
    assert data == (tmp_path / "b.png").read_bytes()
    assert b"tEXt" not in data  # nor a date
    assert sorted(os.listdir(tmp_path)) == ["a.png", "b.png"]


def test_without_matplotlib_there_is_one_line(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(RnnlmError, match=r"^matplotlib: is not installed.*rnnlm-cli\[plot\]'$"):
        draw({"x": history(3)}, tmp_path / "a.png")
    assert not os.listdir(tmp_path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    for name in ("a.rnnlm", "b.rnnlm", "deep/a.rnnlm"):
        (tmp_path / name).write_bytes(b"weights")
        write(tmp_path / f"{name}.jsonl", history(12))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "out", "names"),
    [
        (["a.rnnlm"], "a.rnnlm.png", ["a"]),
        (["deep/a.rnnlm.jsonl", "--by", "tokens"], "deep/a.rnnlm.png", ["a"]),
        (["a.rnnlm", "deep/../a.rnnlm.jsonl"], "a.rnnlm.png", ["a"]),
        (["b.rnnlm", "a.rnnlm"], "runs.png", ["b", "a"]),
        (["deep/a.rnnlm", "b.rnnlm", "a.rnnlm", "-o", "c.png"], "c.png", ["deep/a", "b", "{}/a"]),
    ],
)
def test_plot_draws_the_runs_and_says_where(run, folder, monkeypatch, arguments, out, names):
    drawn = []
    monkeypatch.setattr(
        "rnnlm_cli.plots.losses.figure",
        lambda runs, by: drawn.append((by, *runs)) or figure(runs, by),
    )
    for _ in range(2):  # a picture may be drawn anew
        assert run("plot", *arguments) == (0, "", f"picture: {out}\n")
    assert (folder / out).read_bytes().startswith(PNG)
    by = "tokens" if "tokens" in arguments else "seconds"
    assert drawn[0] == (by, *(name.format(folder.name) for name in names))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.rnnlm"], "none.rnnlm.jsonl: cannot be read (No such file or directory)"),
        (["a.rnnlm", "-o", "b.rnnlm"], "b.rnnlm: exists and is not a PNG"),
        (["a.rnnlm", "-o", "deep"], "deep: exists and is not a PNG"),
        (["a.rnnlm", "-o", "no/a.png"], "no/a.png: cannot be written (No such file or directory)"),
    ],
)
def test_plot_refuses_in_one_line_and_writes_nothing(run, folder, arguments, message):
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    code, out, err = run("plot", *arguments)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"rnnlm: error: {message}")
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before


def test_plot_imports_neither_torch_nor_pyplot(folder):
    code = (
        "import sys, pathlib; from rnnlm_cli.cli.plot import plot; plot([pathlib.Path('a.rnnlm')]);"
        "print({'torch', 'matplotlib.pyplot'} & {*sys.modules})"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
