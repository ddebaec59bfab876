"""What can happen to a run's files, and what is left of them then."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.files import atomic as files
from rnnlm_cli.files.lock import Lock
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.runs import saver as output
from rnnlm_cli.train import step as loop
from tests.runs.test_resume import finish, start
from tests.runs.test_resume import text as text  # a fixture
from tests.runs.test_run import SMALL

ENDINGS = ("", ".state", ".jsonl")
SAVED = {*(f"model.rnnlm{ending}" for ending in ENDINGS), "text"}


class Disk:
    """Full in the steps given, for files whose name has one of these endings."""

    def __init__(self, monkeypatch, steps, endings=ENDINGS):
        self.step, self.steps, self.endings = 0, steps, endings
        usual_step, usual_replace = loop.train_step, os.replace

        def step(*arguments):
            self.step += 1
            return usual_step(*arguments)

        def replace(source, target):
            ours = any(target == Path.cwd() / f"model.rnnlm{each}" for each in self.endings)
            if self.step in self.steps and ours:
                raise OSError(errno.ENOSPC, "No space left on device")
            usual_replace(source, target)

        monkeypatch.setattr(loop, "train_step", step)
        monkeypatch.setattr(files.os, "replace", replace)
        monkeypatch.setattr(output, "RETRY_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def no_pictures_and_many_validations(monkeypatch):
    monkeypatch.setattr(output.Output, "draw", lambda *_: None)
    monkeypatch.setattr("rnnlm_cli.train.schedule.MIN_VALIDATION_TOKENS", 64)


def records():
    return [json.loads(line) for line in Path("model.rnnlm.jsonl").read_text().splitlines()]


def test_a_disk_that_is_full_for_a_while_loses_nothing(text, run, monkeypatch):
    settings = (text, *SMALL, "--steps", 60, "--save-every", 1e-6)
    run("train", *settings, "--out", "whole")
    whole = Path("whole").read_bytes()
    for path in Path().glob("whole*"):
        path.unlink()
    Disk(monkeypatch, steps=range(5, 45))
    code, _, err = run("train", *settings)
    assert code == 0
    for what in ("state", "model"):
        assert f"note: the {what} could be written again" in err
    assert err.count("warning: model.rnnlm: cannot be written (No space left") == 1  # not each time
    assert Path("model.rnnlm").read_bytes() == whole
    assert [record["step"] for record in records()] == list(range(1, 61))
    assert set(os.listdir()) == SAVED


def test_a_model_that_could_not_be_written_is_there_as_soon_as_it_can(text, run, monkeypatch):
    """Not only with the next one that is better."""
    Disk(monkeypatch, steps=range(1, 15), endings=("",))
    usual, seen = output.Output.save_state, []

    def save_state(self, checkpoint):
        usual(self, checkpoint)
        seen.append((checkpoint.state.step, Path("model.rnnlm").exists()))

    monkeypatch.setattr(output.Output, "save_state", save_state)
    run("train", text, *SMALL, "--steps", 60, "--save-every", 1e-6)
    assert dict(seen)[14] is False and dict(seen)[15] is True


def test_a_full_disk_at_the_end_is_an_error_that_names_where_the_model_is(text, run, monkeypatch):
    Disk(monkeypatch, steps=range(5, 99))
    code, _, err = run("train", text, *SMALL, "--steps", 20)
    last = err.splitlines()[-1]
    assert code == 1 and "No space left" in last and "saved as /" in last
    rescued = Path(last.split("saved as ")[1].split(" instead")[0])
    assert LanguageModel.load(rescued).training["planned_steps"] == 20
    shutil.rmtree(rescued.parent)


def test_the_model_that_a_run_replaces_is_set_aside_once_even_if_it_was_resumed(
    text, run, monkeypatch
):
    run("train", text, *SMALL, "--steps", 5, "--seed", 2)
    first = Path("model.rnnlm").read_bytes()
    usual = loop.train_step

    def stop(learner, state, rate):
        if state.step == 10:
            os.kill(os.getpid(), signal.SIGTERM)
        return usual(learner, state, rate)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", stop)
        assert run("train", text, *SMALL, "--steps", 20)[0] == 143
    assert Path("model.rnnlm.old").read_bytes() == first
    assert run("train", "--resume")[0] == 0
    assert Path("model.rnnlm.old").read_bytes() == first


def test_a_second_run_on_the_same_files_is_refused_while_the_first_lives(text, run):
    first = start(text, *SMALL, "--steps", 10**7, "--save-every", 0.001)
    try:
        while not Path("model.rnnlm.state").exists():
            assert first.poll() is None
        for arguments in ([text], ["--resume"], [text, "--restart"]):
            code, _, err = run("train", *arguments)
            assert code == 1 and f"by another process ({first.pid})" in err
            assert len(err.splitlines()) == 1
    finally:
        first.kill()
        finish(first)
    assert run("train", text, *SMALL, "--steps", 3, "--restart")[0] == 0
    assert not list(Path().glob(".*"))  # no lock, no temporary file of the one that was killed


def test_a_lock_is_free_again_after_its_owner(tmp_path):
    path = tmp_path / "model"
    with Lock(path), pytest.raises(RnnlmError, match=str(os.getpid())), Lock(path):
        raise AssertionError("held twice")
    with Lock(path):
        assert os.listdir(tmp_path) == [".model.lock"]
    assert os.listdir(tmp_path) == []


def test_what_is_not_ours_beside_the_model_is_not_overwritten(text, run):
    for ending in (".state", ".jsonl", ".png"):
        Path(f"model.rnnlm{ending}").write_text("notes of mine")
        code, _, err = run("train", text, *SMALL, "--steps", 3)
        assert code == 1 and f"model.rnnlm{ending}: exists and is not of a training run" in err
        Path(f"model.rnnlm{ending}").unlink()


def test_a_closed_terminal_is_a_signal_like_others(text):
    process = start(text, *SMALL, "--steps", 10**7)
    while not Path("model.rnnlm.state").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    code, err = finish(process)
    assert code == 129 and "rnnlm train --resume" in err, err
    assert Path("model.rnnlm").exists()  # of no step, perhaps


def test_patience_ends_a_run_and_says_so(text, run, monkeypatch):
    from rnnlm_cli.runs import run as room
    from rnnlm_cli.score.score import Score

    figures = iter([3.0, 2.0, 2.1, 2.2, 2.3, 2.4, 2.5])
    monkeypatch.setattr(
        room, "evaluate", lambda *_, **__: Score(nats=next(figures), num_predicted=1)
    )
    code, _, err = run("train", text, *SMALL, "--steps", 200, "--patience", 3)
    assert code == 0 and "ended early, at step" in err
    validated = [each["valid_nats"] for each in records() if each["valid_nats"] is not None]
    assert validated == [3.0, 2.0, 2.1, 2.2, 2.3]
    assert LanguageModel.load("model.rnnlm").training["valid_nats"] == 2.4  # of the last evaluation
    assert "is finished" in run("train", "--resume")[2]


def test_the_history_has_what_the_loop_did(text, run):
    run("train", text, *SMALL, "--steps", 50, "--clip", 0.001)
    history = records()
    assert [each["step"] for each in history] == list(range(1, 51))
    for before, after in pairwise(history):
        assert after["tokens"] - before["tokens"] == 8 * 16
        assert after["seconds"] >= before["seconds"]
    assert all(each["gradient_norm"] > 0.001 for each in history)  # before clipping
    assert all(each["memory_bytes"] > 1 << 20 for each in history)
    rates = [each["rate"] for each in history]
    assert rates.index(max(rates)) in (1, 2) and min(rates) == rates[-1]
    validated = [each for each in history if each["valid_nats"] is not None]
    assert validated[-1]["step"] == 50
    best = min(validated, key=lambda each: each["valid_nats"])
    assert LanguageModel.load("model.rnnlm").training["steps"] == best["step"]


def test_a_dry_run_prints_the_plan_and_writes_nothing(text, run):
    lines = Path(text).read_text().splitlines()
    Path("leak").write_text("\n".join([*lines[:9], "a a a"]) + "\n")
    before = os.listdir()
    code, out, _ = run("train", text, *SMALL, "--steps", 7, "--dry-run", "--valid", "leak")
    assert code == 0 and os.listdir() == before
    plan = dict(line.split(None, 1) for line in out.splitlines())
    assert plan["steps"].startswith("7 of 128 tokens")
    assert "9 of 10 validation lines" in out
    assert run("train", text, *SMALL, "--steps", 7)[0] == 0
    parameters = LanguageModel.load("model.rnnlm").network.num_parameters
    assert plan["parameters"] == f"{parameters:,}"


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_a_text_from_a_pipe_that_breaks_is_one_line(text):
    result = subprocess.run(
        f"head -c 100 text | gzip | head -c 60 | {sys.executable} -m rnnlm_cli train -",
        shell=True, capture_output=True, text=True,
    )
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 1
    assert "stdin: cannot be unpacked" in result.stderr or "-: cannot be unpacked" in result.stderr
