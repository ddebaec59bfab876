"""`rnnlm inspect context`: the table and the JSON lines."""

import json
import math
from dataclasses import asdict

import pytest

from rnnlm_cli.config import ContextConfig
from rnnlm_cli.inspect import context
from rnnlm_cli.inspect.context import measure_context
from rnnlm_cli.language_model import LanguageModel
from tests.builders import save_tiny

TEXT = "abcde\nedcba\nacebd\n" * 3  # 54 tokens


@pytest.fixture
def text(model_path, tmp_path):
    (tmp_path / "text.txt").write_text(TEXT)
    return tmp_path / "text.txt"


def measure(path, **settings):
    model = LanguageModel.load(path)
    return measure_context(
        model.network, model.vocabulary.encode(TEXT), sentences=model.sentences,
        config=ContextConfig(**settings),
    )


def show(loss):
    return [f"{loss.nats:.4f}", f"{loss.difference:+z.4f}", f"{loss.standard_error:.4f}"]


def test_the_table_has_a_row_for_each_n_and_ends_with_the_effective_context(run, text):
    code, out, err = run("inspect", "context", text, "--positions", 11)
    note, heading = err.splitlines()
    assert code == 0 and heading.split()[:4] == ["model", "n", "nats", "to"]
    assert note == (
        "rnnlm: note: model: read 54 tokens; predicted 11 of them with each n"
    )
    expected = measure("model.rnnlm", positions=11)
    *rows, whole, effective = [line.split() for line in out.splitlines()]
    assert [row[1] for row in rows] == ["1", "2", "5", "10", "20"]
    for row, visible, shuffled in zip(rows, expected.visible, expected.shuffled, strict=True):
        bits = f"{visible.nats / math.log(2):.4f}"
        assert row == ["model", str(visible.size), *show(visible), bits, *show(shuffled)]
    nats = expected.whole_nats
    assert whole == ["model", "all", f"{nats:.4f}", "-", "-", f"{nats / math.log(2):.4f}",
                     "-", "-", "-"]
    assert effective[1:5] == [str(expected.effective.size), *show(expected.effective)]
    assert effective[-2:] == ["effective", "context"]
    assert {len(line.removesuffix("  effective context")) for line in out.splitlines()} == {
        len(heading)
    }  # the columns are aligned


def test_an_effective_context_beyond_the_largest_n_is_said(run, text, monkeypatch):
    monkeypatch.setattr(context, "EFFECTIVE_RATIO", 0)
    code, out, _ = run("inspect", "context", text, "--positions", 1)
    assert code == 0
    *rows, effective = [line.split() for line in out.splitlines()]
    assert effective == ["model", ">20", *["-"] * 7, "effective", "context"]
    assert [row[4] for row in rows] == ["-"] * 6  # one position has no standard error
    _, out, _ = run("inspect", "context", text, "--positions", 1, "--json")
    row = json.loads(out)
    assert row["effective"] is row["visible"][0]["standard_error"] is None


def test_json_has_a_line_for_each_model(run, text, make_network, tmp_path):
    save_tiny(make_network, tmp_path / "gru.rnnlm", cell="gru", num_layers=1, sentences=True)
    code, out, err = run(
        "inspect", "context", text, "-m", "gru.rnnlm", "-m", "model.rnnlm", "--positions", 30,
        "--json",
    )
    assert code == 0 and [line.split()[2] for line in err.splitlines()] == ["gru:", "model:"]

    def rename(loss):
        return {"context" if key == "size" else key: each for key, each in asdict(loss).items()}

    rows = [json.loads(line) for line in out.splitlines()]
    for row, path in zip(rows, ("gru.rnnlm", "model.rnnlm"), strict=True):
        expected = measure(path, positions=30)
        assert row == {
            "model": path, "tokens": 54, "positions": 30,
            "nats": expected.whole_nats, "effective": rename(expected.effective),
            "visible": [rename(loss) for loss in expected.visible],
            "shuffled": [rename(loss) for loss in expected.shuffled],
        }
    assert [loss["context"] for loss in rows[0]["visible"]] == [1, 2, 5]  # the longest line has 5


def test_a_long_text_is_read_in_part_and_the_note_says_so(run, text, monkeypatch):
    monkeypatch.setattr(context, "MAX_TOKENS", 40)
    code, _, err = run("inspect", "context", text)
    assert code == 0 and "model: read the first 40 of 54 tokens; predicted 20 of them" in err
