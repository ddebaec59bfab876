"""rnnlm inspect unroll: its table and its JSON lines."""

import json
import math

import pytest

from tests.builders import save_tiny


def test_the_table_is_lined_up_and_has_a_line_for_each_step(model_path, run):
    code, out, err = run("inspect", "unroll", "abz")
    assert code == 0
    heading, lines = err.splitlines()[-1], out.splitlines()
    assert heading.split()[:5] == ["token", "norm", "1", "norm", "2"]
    assert [line.split()[0] for line in lines] == ["'\\n'", "a", "b", "z"]
    end = heading.index("came")
    assert [line[end:].split()[0] for line in lines] == ["a", "b", "z", "-"]
    assert [line[:heading.index("bits") + 4].split()[-1] for line in lines][2:] == ["-", "-"]
    assert "\x1b" not in out and len(set(map(len, lines[:2]))) == 1


def test_json_has_the_figures_of_score(model_path, run):
    steps = [json.loads(line) for line in run("inspect", "unroll", "abc", "--json")[1].splitlines()]
    tokens = json.loads(run("score", "abc", "--tokens", "--json")[1])["tokens"]
    assert [step["nats"] for step in steps[:-1]] == pytest.approx(
        [token["nats"] for token in tokens], rel=1e-5
    )
    assert list(steps[0]) == ["token", "reset", "norms", "next", "target", "nats"]
    for step, token in zip(steps, tokens, strict=False):
        (found,) = [each for each in step["next"] if each["token"] == token["token"]] or [None]
        if found is not None:
            assert found["probability"] == pytest.approx(math.exp(-token["nats"]), rel=1e-5)


def test_a_terminal_gets_shades_unless_told_otherwise(model_path, run, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert "\x1b[1m" in run("inspect", "unroll", "abcde")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run("inspect", "unroll", "abcde")[1]


def test_control_characters_are_escaped(make_network, tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    save_tiny(make_network, tmp_path / "model.rnnlm", level="byte")
    _, out, _ = run("inspect", "unroll", "\x1b[31m\u00e9")
    assert "\x1b" not in out and "'\\x1b'" in out and len(out.splitlines()) == 8


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["inspect", "unroll"], 2, "Missing argument 'TEXT'"),
        (["inspect", "unroll", "a", "-m", "none.rnnlm"], 1, "none.rnnlm"),
        (["inspect", "unroll", "a", "-m", "cut.rnnlm"], 1, "cut.rnnlm"),
        (["inspect", "unroll", "a", "--threads", "0"], 2, "--threads: '0' given"),
        (["inspect", "unroled", "a"], 2, "unroled"),
    ],
)
def test_errors_are_one_line(check_failure, arguments, code, message):
    check_failure(arguments, code, message)
