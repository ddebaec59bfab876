"""`rnnlm inspect gradient`: the table, JSON, the plot, and bad input in one line."""

import io
import json
import math
import sys
from dataclasses import replace

import pytest

from rnnlm_cli.config import GradientConfig
from rnnlm_cli.inspect.gradient import measure_gradient
from rnnlm_cli.inspect.untrained import make_untrained
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.model_file import load_model, save_model
from tests.builders import save_tiny

TEXT = "abcde\nedcba\nacebd\n" * 9  # 162 tokens
USAGE, FAULT = 2, 1


@pytest.fixture
def text(model_path, tmp_path):
    (tmp_path / "text.txt").write_text(TEXT)
    return tmp_path / "text.txt"


def find_expected(path, **settings):
    model = LanguageModel.load(path)
    return [
        (is_trained, curve)
        for is_trained, network in ((True, model.network), (False, make_untrained(model)))
        for curve in measure_gradient(
            network, model.vocabulary.encode(TEXT), sentences=model.sentences,
            config=GradientConfig(**settings),
        )
    ]


def test_the_table_has_each_part_of_each_layer_trained_and_untrained(run, text):
    code, out, err = run("inspect", "gradient", text, "--max-lag", 12, "--positions", 7)
    heading, note = err.splitlines()
    assert code == 0 and note == "rnnlm: note: model: differentiated the loss at 7 of 162 tokens"
    assert heading.split("  ")[0] == "model"
    assert heading.split()[3:8] == ["0", "1", "2", "5", "10"]
    rows = [line.split() for line in out.splitlines()]
    expected = find_expected("model.rnnlm", max_lag=12, positions=7)
    assert [row[:3] for row in rows] == [
        ["model", weights, part]
        for weights in ("trained", "untrained") for part in ("h1", "c1", "h2", "c2")
    ]
    for row, (_, curve) in zip(rows, expected, strict=True):
        assert row[3:8] == [f"{curve.mean_norm_K[lag]:.1e}" for lag in (0, 1, 2, 5, 10)]
        assert row[8] == f"{curve.decay:.4f}"
        assert row[9] == ("-" if curve.half_life is None else f"{curve.half_life:.1f}")
        assert row[10:] == ["-" if curve.faint_lag is None else str(curve.faint_lag)]
    ends = {len(line) for line in (heading, *out.splitlines())}
    assert len(ends) == 1  # the columns are aligned


def test_json_has_a_line_for_each_curve_of_each_model(run, text, make_network, tmp_path):
    save_tiny(make_network, tmp_path / "gru.rnnlm", cell="gru", num_layers=1, sentences=True)
    arguments = ("--max-lag", 8, "--positions", 30, "--json")
    code, out, err = run(
        "inspect", "gradient", text, "-m", "gru.rnnlm", "-m", "model.rnnlm", *arguments
    )
    assert code == 0 and [line.split()[2] for line in err.splitlines()] == ["gru:", "model:"]
    rows = [json.loads(line) for line in out.splitlines()]
    expected = [
        (path, is_trained, curve)
        for path in ("gru.rnnlm", "model.rnnlm")
        for is_trained, curve in find_expected(path, max_lag=8, positions=30)
    ]
    for row, (path, is_trained, curve) in zip(rows, expected, strict=True):
        assert (row["model"], row["trained"]) == (path, is_trained)
        assert (row["layer"], row["part"]) == (curve.layer, curve.part)
        assert row["norms"] == [
            norm if math.isfinite(norm) else None for norm in curve.mean_norm_K.tolist()
        ]
        assert row["counts"] == curve.count_K.tolist()
        assert (row["decay"], row["half_life"]) == (curve.decay, curve.half_life)
        assert row["below_one_percent"] == curve.faint_lag
    assert rows[0]["norms"][6:] == [None] * 3  # no sentence is longer than 6 tokens


def test_the_plot_is_written_and_written_again(run, text):
    arguments = ("inspect", "gradient", text, "--max-lag", 5, "-o", "plot.png")
    first = run(*arguments)
    png = (text.parent / "plot.png").read_bytes()
    assert first[0] == 0 and first[2].endswith("\nplot: plot.png\n")
    assert png.startswith(b"\x89PNG")
    assert run(*arguments) == first
    assert (text.parent / "plot.png").read_bytes() == png


def test_a_model_that_is_named_twice_is_measured_once(run, text):
    once = run("inspect", "gradient", text, "--max-lag", 3)
    twice = run(
        "inspect", "gradient", text, "--max-lag", 3, "-m", "model.rnnlm", "-m",
        text.parent / "model.rnnlm",
    )
    assert once == twice


def test_the_text_comes_from_stdin_once(run, text, make_network, monkeypatch):
    from_file = run("inspect", "gradient", text, "--max-lag", 3)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert run("inspect", "gradient", "-", "--max-lag", 3) == from_file
    save_tiny(make_network, text.parent / "other.rnnlm")
    models = ("-m", "model.rnnlm", "-m", "other.rnnlm")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert run("inspect", "gradient", "-", "--max-lag", 3, *models)[0] == 0


def test_a_text_without_a_lag_that_a_model_asks_for_has_a_dash(run, text):
    text.write_text("ab")
    code, out, _ = run("inspect", "gradient", text, "--max-lag", 5)
    assert code == 0
    assert [line.split()[5:9] for line in out.splitlines()] == [["-"] * 4] * 8


BAD = [
    ([], USAGE, "Missing argument 'TEXT'"),
    (["none.txt"], FAULT, "none.txt: no such file"),
    (["folder"], FAULT, "folder: is a folder"),
    (["latin.txt"], FAULT, "is not utf-8"),
    (["empty.txt"], FAULT, "empty.txt: has 0 tokens of this model"),
    (["text.txt", "-m", "none.rnnlm"], FAULT, "none.rnnlm: no such model file"),
    (["text.txt", "-m", "text.txt"], FAULT, "text.txt: is no model"),
    (["text.txt", "--max-lag", "0"], USAGE, "--max-lag: '0' given; a whole number from 1 to 16384"),
    (["text.txt", "--positions", "0", "--threads", "0"], USAGE,
     "--positions: '0' given; a whole number from 1 to 1048576 is needed. --threads: '0' given"),
    (["text.txt", "-o", "kept.old"], FAULT, "kept.old: exists and is not recognised as a plot"),
    (["text.txt", "-o", "kept.old", "-m", "none.rnnlm"], FAULT, "or insist with --force"),
    (["text.txt", "-o", "text.txt", "--force"], FAULT, "text.txt: would be overwritten, and this"),
    (["text.txt", "-o", "model.rnnlm", "--force"], FAULT, "model.rnnlm: would be overwritten"),
    (["text.txt", "-o", "none/plot.png"], FAULT, "none/plot.png: the folder none does not exist"),
    (["text.txt", "--encoding", "klingon"], USAGE, "--encoding: 'klingon'"),
    (["-", "-m", "model.rnnlm", "-m", "latin.rnnlm"], USAGE, "TEXT: '-' given with models whose"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), BAD, ids=lambda v: repr(v)[:60])
def test_bad_input_gets_one_line_and_changes_nothing(
    check_failure, folder, arguments, code, message
):
    latin = replace(load_model("model.rnnlm"), encoding="latin-1")
    save_model(folder / "latin.rnnlm", latin)
    check_failure(["inspect", "gradient", *arguments], code, message)


def test_force_replaces_a_foreign_file(run, text):
    (text.parent / "notes.txt").write_text("notes")
    code, _, err = run(
        "inspect", "gradient", text, "--max-lag", 3, "-o", "notes.txt", "--force"
    )
    assert code == 0 and err.endswith("plot: notes.txt\n")
