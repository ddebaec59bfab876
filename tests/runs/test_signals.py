"""Runs that are killed or stopped by a signal, as processes."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.runs.checkpoint import load_checkpoint
from rnnlm_cli.runs.interrupt import Interrupt
from tests.training import SMALL, read_records, start_process, wait_for

ALL_CELLS = [("elman",), ("elman", "--nonlinearity", "relu"), ("gru",), ("lstm",)]
DROPOUT = (*SMALL, "--dropout", 0.1, "--save-every", 0.003)


def kill_and_resume(settings, times, seed):
    """Kill a run at random moments, resume it each time, and let it end; returns the kills."""
    draw = random.Random(seed)
    killed = 0
    process = start_process(*settings)
    for _ in range(times):
        while not Path("broken.state").exists() and process.poll() is None:
            time.sleep(0.01)
        try:  # from before the first import to after the last step
            process.wait(timeout=draw.uniform(0.0, 4.0))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.communicate()
        process = start_process("--resume", "--out", "broken")
    code, err = wait_for(process)
    assert code == 0, err
    return killed


@pytest.mark.parametrize(
    "settings",
    [
        ("--cell", "gru", "--layers", 2),
        ("--cell", "lstm", "--level", "word", "--softmax", "sampled", "--softmax-samples", 6),
    ],
    ids=["char", "word"],
)
def test_a_killed_and_resumed_run_ends_in_the_bytes_of_an_uninterrupted_one(text, settings):
    settings = (text, *DROPOUT, "--steps", 500, *settings)
    whole = start_process(*settings, "--out", "whole")
    while not Path("whole.state").exists():  # then the text is in the cache for both
        assert whole.poll() is None
        time.sleep(0.01)
    killed = kill_and_resume((*settings, "--out", "broken"), times=2, seed=1)
    assert wait_for(whole)[0] == 0 and killed
    assert Path("broken").read_bytes() == Path("whole").read_bytes()
    steps = [record["step"] for record in read_records("broken.jsonl")]
    assert steps == sorted(set(steps)) and steps[-1] == 500


@pytest.mark.slow
@pytest.mark.parametrize("level", ["char", "word"])
@pytest.mark.parametrize("cell", ALL_CELLS, ids=" ".join)
def test_twenty_kills_do_not_change_the_model(text, cell, level):
    more = ("--softmax", "sampled", "--softmax-samples", 6) if level == "word" else ("--layers", 2)
    settings = (text, *DROPOUT, "--steps", 6000, "--level", level, "--cell", *cell, *more)
    assert wait_for(start_process(*settings, "--out", "whole"))[0] == 0
    killed = kill_and_resume((*settings, "--out", "broken"), times=20, seed=len(level + cell[-1]))
    print(f"{level} {' '.join(cell)}: {killed} kills")
    assert killed >= 15
    assert Path("broken").read_bytes() == Path("whole").read_bytes()


@pytest.mark.parametrize(
    ("signum", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_the_run_after_the_step_and_saves(text, signum, expected):
    """SIGHUP is what a closed terminal sends."""
    process = start_process(text, *SMALL, "--steps", 10**7)
    while not Path("model.rnnlm.state").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signum)
    code, err = wait_for(process)
    assert code == expected and "stopped at step" in err and "validation:" in err, err
    assert "rnnlm train --resume" in err
    assert LanguageModel.load("model.rnnlm").training["planned_steps"] == 10**7
    step = load_checkpoint(Path("model.rnnlm.state")).state.step
    assert f"stopped at step {step:,} of" in err


def test_the_usual_handlers_return_after_the_block():
    before = signal.getsignal(signal.SIGTERM)
    with Interrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGTERM)
    assert interrupt.signum == signal.SIGTERM and signal.getsignal(signal.SIGTERM) == before


def test_a_second_signal_acts_as_usual():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored
    try:
        with pytest.raises(KeyboardInterrupt), Interrupt() as interrupt:
            os.kill(os.getpid(), signal.SIGINT)
            assert interrupt.has_come()
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
