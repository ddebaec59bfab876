"""Runs that are broken off: resumed, they end in the bytes of a run that never was."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from rnnlm_cli.language_model import LanguageModel
from tests.runs.test_run import SMALL, markov_text

FOLDER = str(Path(__file__).parents[2])
RNNLM = [sys.executable, "-m", "rnnlm_cli"]


@pytest.fixture
def text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", FOLDER)
    words = markov_text(9000, seed=3, letters="abcdefghijk")[0]
    lines = [" ".join(words[k : k + 30 : 2]) for k in range(0, 9000, 30)]
    Path("text").write_text("\n".join(lines) + "\n")
    return "text"


def start(*arguments):
    return subprocess.Popen(
        [*RNNLM, "train", *map(str, arguments)], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )


def finish(process):
    _, err = process.communicate(timeout=300)
    return process.returncode, err


def break_and_resume(settings, times, seed):
    """Kill a run at random moments, resume it each time, and let it end. Returns the kills."""
    draw = random.Random(seed)
    killed = 0
    process = start(*settings)
    for _ in range(times):
        while not Path("broken.state").exists() and process.poll() is None:
            time.sleep(0.01)
        try:  # from before the first import to after the last step
            process.wait(timeout=draw.uniform(0.0, 4.0))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.communicate()
        process = start("--resume", "--out", "broken")
    code, err = finish(process)
    assert code == 0, err
    return killed


ALL_CELLS = [("elman",), ("elman", "--nonlinearity", "relu"), ("gru",), ("lstm",)]
DROPPED = (*SMALL, "--dropout", 0.1, "--save-every", 0.003)


@pytest.mark.parametrize(
    "settings",
    [
        ("--cell", "gru", "--layers", 2),
        ("--cell", "lstm", "--level", "word", "--softmax", "sampled", "--softmax-samples", 6),
    ],
    ids=["char", "word"],
)
def test_a_run_killed_and_resumed_ends_in_the_bytes_of_an_unbroken_one(text, settings):
    settings = (text, *DROPPED, "--steps", 500, *settings)
    whole = start(*settings, "--out", "whole")
    killed = break_and_resume((*settings, "--out", "broken"), times=2, seed=1)
    assert finish(whole)[0] == 0 and killed
    assert Path("broken").read_bytes() == Path("whole").read_bytes()
    records = [json.loads(line) for line in Path("broken.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == sorted({r["step"] for r in records})
    assert records[-1]["step"] == 500


@pytest.mark.slow
@pytest.mark.parametrize("level", ["char", "word"])
@pytest.mark.parametrize("cell", ALL_CELLS, ids=" ".join)
def test_twenty_kills_do_not_change_the_model(text, cell, level):
    more = ("--softmax", "sampled", "--softmax-samples", 6) if level == "word" else ("--layers", 2)
    settings = (text, *DROPPED, "--steps", 6000, "--level", level, "--cell", *cell, *more)
    assert finish(start(*settings, "--out", "whole"))[0] == 0
    killed = break_and_resume((*settings, "--out", "broken"), times=20, seed=len(level + cell[-1]))
    print(f"{level} {' '.join(cell)}: {killed} kills")
    assert killed >= 15
    assert Path("broken").read_bytes() == Path("whole").read_bytes()


def in_process(run, monkeypatch, *arguments, stop_at=None, signum=signal.SIGINT, blown_up=()):
    """Train in this process; stopped by a signal in a step, its weights blown up in others."""
    from rnnlm_cli.train import step as loop

    def step(learner, state, rate):
        taken = usual(learner, state, rate)
        if state.step == stop_at:
            os.kill(os.getpid(), signum)
        if state.step in blown_up:
            with torch.no_grad():
                learner.network.output_weight.fill_(math.inf)
        return taken

    usual = loop.train_step
    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", step)
        return run("train", *arguments)


@pytest.mark.parametrize(
    "settings",
    [
        ("--steps", 40, "--test", "text"),
        ("--epochs", 1, "--optimizer", "sgd", "--accumulate", 2, "--cell", "elman"),
        ("--steps", 40, "--level", "bpe", "--vocab-size", 270, "--embedding-size", 24),
        ("--steps", 40, "--level", "byte", "--text", "sentences", "--patience", 50),
    ],
    ids=["char", "accumulated", "bpe", "sentences of bytes"],
)
def test_ctrl_c_and_resume_give_the_same_bytes(text, run, monkeypatch, settings):
    settings = (text, *SMALL, *settings)
    assert run("train", *settings, "--out", "whole")[0] == 0
    assert in_process(run, monkeypatch, *settings, "--out", "broken", stop_at=5)[0] == 130
    code, _, err = in_process(
        run, monkeypatch, "--resume", "--out", "broken", stop_at=17, signum=signal.SIGTERM
    )
    assert code == 143 and "going on with broken after 5 steps" in err
    assert "rnnlm train --resume --out broken" in err
    assert run("train", "--resume", "--out", "broken")[0] == 0
    assert Path("broken").read_bytes() == Path("whole").read_bytes()


def test_a_stop_before_the_first_validation_does_not_change_what_follows(text, run, monkeypatch):
    """The model of such a stop is validated once more, and that must not count as the best."""
    settings = (text, *SMALL, "--steps", 60)
    assert run("train", *settings, "--out", "whole")[0] == 0
    assert in_process(run, monkeypatch, *settings, "--out", "broken", stop_at=1)[0] == 130
    assert Path("broken").exists()
    assert run("train", "--resume", "--out", "broken")[0] == 0
    assert Path("broken").read_bytes() == Path("whole").read_bytes()


def test_going_back_for_a_loss_beyond_all_bounds_is_repeated_exactly(text, run, monkeypatch):
    settings, blown_up = (text, *SMALL, "--steps", 60), (20, 45)
    code, _, err = in_process(run, monkeypatch, *settings, "--out", "whole", blown_up=blown_up)
    assert code == 0 and err.count("left all bounds") == 2
    in_process(run, monkeypatch, *settings, "--out", "broken", stop_at=30, blown_up=blown_up)
    code, _, err = in_process(
        run, monkeypatch, "--resume", "--out", "broken", blown_up=blown_up
    )
    assert code == 0 and err.count("left all bounds") == 1
    assert Path("broken").read_bytes() == Path("whole").read_bytes()


def test_a_finished_run_says_so_and_can_be_made_longer(text, run):
    run("train", text, *SMALL, "--steps", 20)
    before = Path("model.rnnlm").read_bytes()
    code, _, err = run("train", "--resume")
    assert code == 0 and "is finished, after 20 steps" in err
    assert Path("model.rnnlm").read_bytes() == before
    code, _, err = run("train", "--resume", "--steps", 15)
    assert code == 0 and "step 35/35" in err
    records = [json.loads(line) for line in Path("model.rnnlm.jsonl").read_text().splitlines()]
    rates = {record["step"]: record["rate"] for record in records}
    assert max(rates[step] for step in range(21, 36)) == pytest.approx(
        max(rates[step] for step in range(1, 21)) / 2, rel=0.15
    )
    assert not Path("model.rnnlm.old").exists()


def test_an_unfinished_run_stretches_its_plan(text, run, monkeypatch):
    in_process(run, monkeypatch, text, *SMALL, "--steps", 40, stop_at=10)
    code, _, err = run("train", "--resume", "--steps", 20)
    assert code == 0 and "step 60/60" in err
    records = [json.loads(line) for line in Path("model.rnnlm.jsonl").read_text().splitlines()]
    rates = [record["rate"] for record in records]
    assert rates[8:] == sorted(rates[8:], reverse=True)  # no second warm-up


DIFFERENCES = [
    (["--lr", "0.5"], "--lr: 0.5 given, the run has"),
    (["--cell", "lstm"], "--cell: 'lstm' given, the run has 'gru'"),
    (["--hidden-size", "25", "--bptt", "8"], "--hidden-size: 25 given, the run has 24. --bptt: 8"),
    (["other"], "TEXT: "),
    (["--valid", "other"], "--valid: "),
    (["--seed", "4", "--minutes", "1"], "--seed: 4 given, the run has 1"),
    (["--restart"], "--resume and --restart"),
    (["--dry-run"], "--resume and --dry-run"),
]


def test_what_does_not_fit_the_run_is_refused_with_what_differs(text, run, monkeypatch):
    in_process(run, monkeypatch, text, *SMALL, "--steps", 40, stop_at=10)
    Path("other").write_text("abc\n" * 40)
    state = Path("model.rnnlm.state").read_bytes()
    for flags, message in DIFFERENCES:
        code, _, err = run("train", "--resume", *flags)
        assert code == 2 and message in err and len(err.splitlines()) == 1, err
    assert run("train", text, "--resume", "--steps", 1, "--save-every", 9, "--seed", 1,
               "--text", "running", "--softmax", "full", "--level", "char")[0] == 0
    assert Path("model.rnnlm.state").read_bytes() != state


@pytest.mark.parametrize("cached", [True, False])
def test_a_changed_text_is_refused_and_a_lost_one_comes_from_the_cache(
    text, run, monkeypatch, cached, cache
):
    in_process(run, monkeypatch, text, *SMALL, "--steps", 40, stop_at=10)
    content = Path(text).read_text()
    if not cached:
        assert run("cache", "--clear-all")[0] == 0
    Path(text).write_text(content + "one line more\n")
    code, _, err = run("train", "--resume")
    assert code == 1 and "has changed since the run began" in err and "--restart" in err
    Path(text).unlink()
    code, _, err = run("train", "--resume")
    if cached:
        assert code == 0 and "going on with the encoded text in the cache" in err
    else:
        assert code == 1 and "no such file" in err
        Path(text).write_text(content)
        assert run("train", "--resume")[0] == 0


def test_an_unfinished_run_is_not_thrown_away_without_being_asked(text, run, monkeypatch):
    in_process(run, monkeypatch, text, *SMALL, "--steps", 40, stop_at=10)
    before = {path: path.read_bytes() for path in Path().iterdir()}
    code, _, err = run("train", text, *SMALL, "--steps", 5)
    assert code == 1 and "holds an unfinished run, 10 steps on" in err
    assert "'rnnlm train --resume' goes on with it, --restart begins anew" in err
    assert {path: path.read_bytes() for path in Path().iterdir()} == before
    assert run("train", text, *SMALL, "--steps", 5, "--restart")[0] == 0


def test_no_state_is_an_error_that_says_how_to_begin(text, run):
    code, _, err = run("train", "--resume")
    assert code == 1 and "no such state file" in err and "'rnnlm train TEXT' begins one" in err


def test_another_number_of_threads_is_said(text, run, monkeypatch):
    in_process(run, monkeypatch, text, *SMALL, "--steps", 40, "--threads", 1, stop_at=10)
    assert "note: the run began" not in in_process(
        run, monkeypatch, "--resume", "--threads", 1, stop_at=20
    )[2]
    err = run("train", "--resume", "--threads", 2)[2]
    assert "note: the run began with threads 1, now 2" in err


def test_a_text_from_stdin_is_resumed_from_the_cache_which_keeps_it(text, run, monkeypatch):
    from tests.cli.test_commands import stdin

    settings = (*SMALL, "--steps", 30)
    content = Path(text).read_bytes()
    assert run("train", text, *settings, "--out", "whole")[0] == 0
    stdin(monkeypatch, content)
    assert in_process(run, monkeypatch, "-", *settings, "--out", "broken", stop_at=9)[0] == 130
    assert "1 kept, as runs refer to them" in run("cache", "--clear")[2]
    stdin(monkeypatch, b"")
    assert run("train", "--resume", "--out", "broken")[0] == 0
    assert Path("broken").read_bytes() == Path("whole").read_bytes()
    run("cache", "--clear-all")
    stdin(monkeypatch, content)
    assert run("train", "--resume", "--out", "broken", "--steps", 3)[0] == 0


def test_minutes_come_on_top_of_steps_that_are_left(text, run, monkeypatch):
    in_process(run, monkeypatch, text, *SMALL, "--steps", 40, stop_at=10)
    monkeypatch.setattr("rnnlm_cli.runs.resume.STARTED", time.monotonic())
    assert run("train", "--resume", "--minutes", 0.02)[0] == 0
    model = LanguageModel.load("model.rnnlm")
    assert model.training["planned_steps"] > 40
    monkeypatch.setattr("rnnlm_cli.runs.resume.STARTED", time.monotonic())
    assert run("train", "--resume", "--minutes", 0.02)[0] == 0
    assert LanguageModel.load("model.rnnlm").training["planned_steps"] > (
        model.training["planned_steps"]
    )
