"""The models, the text and the plot of `rnnlm inspect gradient` and `rnnlm inspect context`."""

import io
import sys
from dataclasses import replace

import pytest

from rnnlm_cli.model_file import load_model, save_model
from tests.builders import save_tiny

TEXT = "abcde\nedcba\nacebd\n" * 3
USAGE, FAULT = 2, 1


@pytest.fixture
def text(model_path, tmp_path):
    (tmp_path / "text.txt").write_text(TEXT)
    return tmp_path / "text.txt"


@pytest.fixture(params=["gradient", "context"])
def inspect(request, run):
    """Runs one of the two commands."""
    return lambda *arguments: run("inspect", request.param, *arguments, "--positions", 9)


def test_the_plot_is_written_and_written_again(inspect, text):
    first = inspect(text, "-o", "plot.png")
    png = (text.parent / "plot.png").read_bytes()
    assert first[0] == 0 and first[2].endswith("\nplot: plot.png\n")
    assert png.startswith(b"\x89PNG")
    assert inspect(text, "-o", "plot.png") == first
    assert (text.parent / "plot.png").read_bytes() == png


def test_a_model_that_is_named_twice_is_measured_once(inspect, text):
    models = ("-m", "model.rnnlm", "-m", text.parent / "model.rnnlm")
    assert inspect(text, *models) == inspect(text)


def test_the_text_comes_from_stdin_once_for_several_models(
    inspect, text, make_network, monkeypatch
):
    save_tiny(make_network, text.parent / "other.rnnlm")
    models = ("-m", "model.rnnlm", "-m", "other.rnnlm")
    from_file = inspect(text, *models)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert from_file[0] == 0 and inspect("-", *models) == from_file


def test_force_replaces_a_foreign_file(inspect, text):
    (text.parent / "notes.txt").write_text("notes")
    code, _, err = inspect(text, "-o", "notes.txt", "--force")
    assert code == 0 and err.endswith("plot: notes.txt\n")


BAD = [
    ([], USAGE, "Missing argument 'TEXT'"),
    (["none.txt"], FAULT, "none.txt: no such file"),
    (["folder"], FAULT, "folder: is a folder"),
    (["latin.txt"], FAULT, "is not utf-8"),
    (["empty.txt"], FAULT, "empty.txt: has 0 tokens of this model, and none to"),
    (["letter.txt"], FAULT, "letter.txt: has 1 tokens of this model, and none to"),
    (["text.txt", "-m", "none.rnnlm"], FAULT, "none.rnnlm: no such model file"),
    (["text.txt", "-m", "text.txt"], FAULT, "text.txt: is no model"),
    (["text.txt", "--positions", "0", "--threads", "0"], USAGE,
     "--positions: '0' given; a whole number from 1 to 1048576 is needed. --threads: '0' given"),
    (["text.txt", "--positions", "many"], USAGE, "--positions"),
    (["text.txt", "-o", "kept.old"], FAULT, "kept.old: exists and is not recognised as a plot"),
    (["text.txt", "-o", "kept.old", "-m", "none.rnnlm"], FAULT, "or insist with --force"),
    (["text.txt", "-o", "text.txt", "--force"], FAULT, "text.txt: would be overwritten, and this"),
    (["text.txt", "-o", "model.rnnlm", "--force"], FAULT, "model.rnnlm: would be overwritten"),
    (["text.txt", "-o", "none/plot.png"], FAULT, "none/plot.png: the folder none does not exist"),
    (["text.txt", "--encoding", "klingon"], USAGE, "--encoding: 'klingon'"),
    (["-", "-m", "model.rnnlm", "-m", "latin.rnnlm"], USAGE, "TEXT: '-' given with models whose"),
]


@pytest.mark.parametrize("command", ["gradient", "context"])
@pytest.mark.parametrize(("arguments", "code", "message"), BAD, ids=lambda v: repr(v)[:60])
def test_bad_input_gets_one_line_and_changes_nothing(
    check_failure, folder, command, arguments, code, message
):
    latin = replace(load_model("model.rnnlm"), encoding="latin-1")
    save_model(folder / "latin.rnnlm", latin)
    (folder / "letter.txt").write_text("a")
    check_failure(["inspect", command, *arguments], code, message)
