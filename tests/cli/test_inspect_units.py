"""rnnlm inspect units: its tables and its JSON lines."""

import json
from pathlib import Path

import numpy as np
import pytest

from rnnlm_cli.cli.inspect import units

TEXT = 'ab "cd" (ea)\n  "b" cd\n' * 20


@pytest.fixture
def text(model_path):
    Path("read.txt").write_text(TEXT)
    return "read.txt"


def test_there_are_two_tables(text, run):
    code, out, err = run("inspect", "units", text, "--top", 2)
    assert code == 0
    lines = out.splitlines()
    assert len(lines) == 4 * 2 + 2 * 3  # features that vary; layers x gates of an LSTM
    headings, gates, note = err.splitlines()
    assert headings.split()[:5] == ["feature", "rank", "layer", "unit", "r"]
    assert gates.split() == ["layer", "gate", "low", "high"]
    assert note.endswith("the same in the whole text: after a capital")
    assert lines[0].startswith("position in the line") and len(lines[0]) == len(headings)
    assert [line.split()[:2] for line in lines[-6:]] == [
        [layer, gate] for layer in "12" for gate in "ifo"
    ]


def test_json_has_the_same_figures_in_full(text, run):
    rows = [
        json.loads(line)
        for line in run("inspect", "units", text, "--json", "--top", 2)[1].splitlines()
    ]
    lines = run("inspect", "units", text, "--top", 2)[1].splitlines()
    assert list(rows[0]) == [
        "feature", "rank", "layer", "unit", "r", "chance", "untrained", "above_chance"
    ]
    assert list(rows[-1]) == ["layer", "gate", "low", "high"]
    for row, line in zip(rows, lines, strict=True):
        if "feature" in row:
            assert line.split()[-6:] == [
                str(row["layer"]), str(row["unit"]), f"{row['r']:.3f}", f"{row['chance']:.3f}",
                f"{row['untrained']:.3f}", "yes" if row["above_chance"] else "no",
            ]
            assert row["above_chance"] == (abs(row["r"]) > row["chance"])
    ranks = [abs(row["r"]) for row in rows[:2]]
    assert ranks == sorted(ranks, reverse=True)


def test_positive_and_negative_correlations_are_marked_above_chance(text, run):
    """The words are in random order: shifts of a text that repeats would keep the connection."""
    draw = np.random.default_rng(1)
    Path("mixed.txt").write_text(" ".join(draw.choice(["ab", '"cd"', "(ea)", "b\n"], 500)))
    arguments = ("inspect", "units", "mixed.txt", "--top", 10)
    rows = [
        row for row in map(json.loads, run(*arguments, "--json")[1].splitlines()) if "r" in row
    ]
    assert {(row["r"] > 0, row["above_chance"]) for row in rows} == {
        (True, True), (True, False), (False, True), (False, False)
    }
    assert [row["above_chance"] for row in rows] == [
        abs(row["r"]) > row["chance"] for row in rows
    ]
    lines = run(*arguments)[1].splitlines()[: len(rows)]
    assert [line.split()[-1] == "yes" for line in lines] == [row["above_chance"] for row in rows]


def test_features_that_are_left_out_are_noted_with_json_too(text, run):
    _, out, err = run("inspect", "units", text, "--json")
    assert "after a capital" not in out
    assert err.splitlines() == [
        "rnnlm: note: left out, because they are the same in the whole text: after a capital"
    ]


def test_every_unit_of_every_layer_is_ranked(text, run):
    lines = run("inspect", "units", text, "--json", "--top", 99)[1].splitlines()
    rows = [row for row in map(json.loads, lines) if row.get("feature") == "inside quotes"]
    assert sorted((row["layer"], row["unit"]) for row in rows) == [
        (layer, unit) for layer in (1, 2) for unit in range(5)
    ]
    assert [row["rank"] for row in rows] == list(range(1, 11))


@pytest.mark.parametrize(("limit", "value"), [("MAX_TOKENS", 100), ("MAX_ACTIVATIONS", 1009)])
def test_a_long_text_is_cut_with_a_note(text, run, monkeypatch, limit, value):
    """The model has 10 units, so 1009 activations are those of 100 tokens."""
    whole = run("inspect", "units", text)[1]
    monkeypatch.setattr(units, limit, value)
    code, out, err = run("inspect", "units", text)
    assert code == 0 and f"the first 100 of {len(TEXT)} tokens are read" in err
    Path("part.txt").write_text(TEXT[:100])
    assert out == run("inspect", "units", "part.txt")[1] != whole


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "Missing argument 'FILE'"),
        (["none.txt"], 1, "none.txt"),
        (["empty.txt"], 1, "empty.txt: has 0 tokens of this model; two or more"),
        (["latin.txt"], 1, "latin.txt"),
        (["folder"], 1, "folder"),
        (["text.txt", "-m", "bit.rnnlm"], 1, "bit.rnnlm"),
        (["text.txt", "--top", "0"], 2, "--top: '0' given"),
        (["text.txt", "--shuffles", "9"], 2, "--shuffles: '9' given"),
        (["text.txt", "--shuffles", "x"], 2, "--shuffles"),
    ],
)
def test_errors_are_one_line(check_failure, arguments, code, message):
    check_failure(["inspect", "units", *arguments], code, message)
