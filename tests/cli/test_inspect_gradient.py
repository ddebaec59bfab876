"""`rnnlm inspect gradient`: the table and the JSON lines."""

import json
import math

import pytest

from rnnlm_cli.config import GradientConfig
from rnnlm_cli.inspect.gradient import measure_gradient
from rnnlm_cli.inspect.untrained import make_untrained
from rnnlm_cli.language_model import LanguageModel
from tests.builders import save_tiny

TEXT = "abcde\nedcba\nacebd\n" * 9  # 162 tokens
USAGE = 2


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


def test_a_text_without_a_lag_that_a_model_asks_for_has_a_dash(run, text):
    text.write_text("ab")
    code, out, _ = run("inspect", "gradient", text, "--max-lag", 5)
    assert code == 0
    assert [line.split()[5:9] for line in out.splitlines()] == [["-"] * 4] * 8


def test_the_maximum_lag_is_1_or_more(check_failure):
    message = "--max-lag: '0' given; a whole number from 1 to 16384"
    check_failure(["inspect", "gradient", "text.txt", "--max-lag", "0"], USAGE, message)
