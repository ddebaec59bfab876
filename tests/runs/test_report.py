"""The report of a run: its figures, and the commands that it suggests."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from rnnlm_cli.runs.outcome import Outcome
from rnnlm_cli.runs.report import describe_outcome
from rnnlm_cli.runs.start import start_run
from rnnlm_cli.score.score import Score
from tests.training import SMALL, request


def test_all_cells_layers_levels_and_optimizers_train_and_report(text, run):
    for settings in (
        ("--cell", "elman", "--nonlinearity", "relu", "--layers", 2, "--hidden-size", 16),
        ("--tied", "--embedding-size", 8, "--hidden-size", 8, "--level", "byte",
         "--optimizer", "sgd"),
        ("--level", "word", "--vocab-size", 20, "--text", "running", "--clip", 0),
    ):
        code, out, err = run("train", text, *SMALL[4:], *settings, "--steps", 3, "--test", text)
        assert code == 0 and out == "", err
        assert "validation:" in err and "nats per token" in err and "bits per character" in err
        assert "selected on" in err and "test:" in err and "rnnlm generate" in err


def test_the_report_agrees_with_score_on_every_figure(text, run):
    Path("other").write_text(Path(text).read_text()[:900] + "xyz" * 30)  # unknown characters
    for flags in (("--min-count", 1), ()):
        _, _, err = run("train", text, *SMALL, "--steps", 5, "--test", "other", *flags)
        nats, bits = re.search(r"test: +(\S+) nats.* (\S+) bits per character", err).groups()
        scored = json.loads(run("score", "--document", "other", "--json")[1])
        assert float(nats) == pytest.approx(
            scored["nats"] / scored["predicted_tokens"], abs=2e-4
        )
        assert float(bits) == pytest.approx(scored["bits_per_char"], abs=2e-4)
        assert scored["oov"] == 90


def test_the_suggested_command_can_be_typed(text, run):
    """The first line may be cut; lines with unknown tokens or like options are of no use."""
    Path(text).write_text("-5 ' " + Path(text).read_text())
    Path("other").write_text("ab c d\nab ? d\n-5 d e\n - d e f\nd 'e f\n")
    _, _, err = run("train", text, *SMALL, "--steps", 2, "--valid", "other", "--min-count", 1)
    (command,) = re.findall(r"^ +rnnlm (score .*)$", err, re.MULTILINE)
    assert shlex.split(command)[1:] == ["d 'e f"]
    assert run(*shlex.split(command))[0] == 0


def test_a_loss_that_is_infinite_is_reported_as_such(text):
    with start_run(request(text, steps=1)) as run:
        infinite = Score(nats=float("inf"), num_predicted=len(run.corpus.valid.tokens_N))
        outcome = Outcome(infinite, None, 1, 1, True, stopped_early=False, signum=None)
        lines = list(describe_outcome(outcome, run.corpus, Path("model.rnnlm")))
    assert lines[0].startswith("validation: inf nats per token, perplexity inf")


def test_a_short_text_shrinks_the_window_and_a_note_says_so(text, run):
    code, _, err = run("train", text, "--steps", 1)
    assert code == 0 and "is short: training on windows of" in err


def test_a_dry_run_prints_the_plan_and_writes_no_file_of_the_run(text, run):
    lines = Path(text).read_text().splitlines()
    Path("leak").write_text("\n".join([*lines[:9], "a a a"]) + "\n")
    before = sorted(Path().iterdir())
    code, out, _ = run("train", text, *SMALL, "--steps", 7, "--dry-run", "--valid", "leak")
    assert code == 0 and sorted(Path().iterdir()) == before
    plan = dict(re.split(r"  +", line, maxsplit=1) for line in out.splitlines())
    assert plan["steps"].startswith("7 of 128 tokens")
    assert "9 of 10 validation lines" in plan["also in training"]
    with start_run(request(text, steps=7, hidden_size=24, embedding_size=8)) as planned:
        assert plan["parameters"] == f"{planned.network.num_parameters:,}"


def test_a_dry_run_says_when_the_system_does_not_tell_the_memory(text, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows, which has no such module
    code, out, err = run("train", text, *SMALL, "--steps", 7, "--dry-run")
    assert code == 0 and re.search("^memory +unknown", out, re.MULTILINE), err


def test_train_says_what_share_of_the_validation_text_it_reads_during_training(text, run):
    Path("text.txt").write_text("a text to train on\n" * 100)
    Path("long.txt").write_text("validate " * 455)  # 4096 tokens with the boundary; 2048 are read
    Path("short.txt").write_text("validate " * 200)
    for valid, message in (
        ("long.txt", "validation tokens (about 50% of them during training), v"),
        ("short.txt", "validation tokens, v"),
    ):
        code, _, err = run("train", "text.txt", "--valid", valid, "--steps", "1", "--restart",
                           "--hidden-size", "4")
        assert code == 0 and message in err
