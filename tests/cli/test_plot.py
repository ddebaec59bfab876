"""`rnnlm plot`: which histories are drawn, under which names, and where the plot goes."""

import os
import subprocess
import sys

import pytest

from rnnlm_cli.plots.losses import draw_losses
from tests.histories import make_history, write_history


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three models with histories of different lengths, two of one name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    for name, length in (("a.rnnlm", 12), ("b.rnnlm", 16), ("deep/a.rnnlm", 20)):
        (tmp_path / name).write_bytes(b"weights")
        write_history(tmp_path / f"{name}.jsonl", make_history(length))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "out", "lengths"),
    [
        (["a.rnnlm"], "a.rnnlm.png", {"a": 12}),
        (["deep/a.rnnlm.jsonl", "--by", "tokens"], "deep/a.rnnlm.png", {"a": 20}),
        (["a.rnnlm", "deep/../a.rnnlm.jsonl"], "a.rnnlm.png", {"a": 12}),
        (["b.rnnlm", "a.rnnlm"], "runs.png", {"b": 16, "a": 12}),
        (["deep/a.rnnlm", "b.rnnlm", "a.rnnlm", "-o", "c.png"], "c.png",
         {"deep/a": 20, "b": 16, "FOLDER/a": 12}),
    ],
)
def test_plot_draws_each_run_once_under_the_shortest_name(run, folder, arguments, out, lengths):
    by = "tokens" if "tokens" in arguments else "seconds"
    runs = {
        name.replace("FOLDER", folder.name): make_history(length)
        for name, length in lengths.items()
    }
    draw_losses(runs, folder / "expected.png", by=by)  # equal histories give equal bytes
    for _ in range(2):  # a plot may be drawn again
        assert run("plot", *arguments) == (0, "", f"plot: {out}\n")
        assert (folder / out).read_bytes() == (folder / "expected.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.rnnlm"], "none.rnnlm.jsonl: cannot be read (No such file or directory)"),
        (["a.rnnlm", "-o", "b.rnnlm"], "b.rnnlm: exists and is not recognised as a plot"),
        (["a.rnnlm", "-o", "deep"], "deep: exists and is not recognised as a plot"),
        (["a.rnnlm", "-o", "no/a.png"], "no/a.png: the folder no does not exist"),
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


def test_settings_that_matplotlib_refuses_are_one_line(folder):
    command = [sys.executable, "-m", "rnnlm_cli", "plot", "a.rnnlm"]
    environment = {**os.environ, "MPLBACKEND": "nonsense"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert ended.stderr.startswith("rnnlm: error: matplotlib: cannot draw the plot (Key backend:")
    assert not (folder / "a.rnnlm.png").exists()
