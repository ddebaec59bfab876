"""stderr that dies, and stdout that fails, while commands run as processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.runs.checkpoint import load_checkpoint
from tests.training import SMALL

PACKAGE_FOLDER = str(Path(__file__).parents[2])
TEXT = "the quick brown fox jumps over the lazy dog\n" * 60
TRAIN = ("train", "text.txt", *map(str, SMALL))
needs_dev_full = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="this system has no /dev/full"
)


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(TEXT)


def start(*arguments, **streams):
    return subprocess.Popen(
        [sys.executable, "-m", "rnnlm_cli", *arguments],
        env={**os.environ, "PYTHONPATH": PACKAGE_FOLDER}, **streams,
    )


def wait_for_checkpoint(process):
    while not Path("model.rnnlm.state").exists():
        assert process.poll() is None
        time.sleep(0.01)


def test_a_reader_of_stderr_that_stops_reading_does_not_end_a_run(in_folder):
    with start(*TRAIN, "--steps", "300", stderr=subprocess.PIPE) as process:
        process.stderr.readline()
        process.stderr.close()
        assert process.wait(timeout=120) == 0
    assert LanguageModel.load("model.rnnlm").training["planned_steps"] == 300
    assert load_checkpoint(Path("model.rnnlm.state")).finished


@needs_dev_full
def test_a_full_disk_under_stderr_does_not_end_a_run(in_folder):
    with open("/dev/full", "w") as full, start(*TRAIN, "--steps", "5", stderr=full) as process:
        assert process.wait(timeout=120) == 0
    assert LanguageModel.load("model.rnnlm").training["planned_steps"] == 5


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_saves_the_model_although_nobody_reads_stderr(in_folder, signum, code):
    """`rnnlm train x 2>&1 | tee log` and Ctrl-C: tee dies of the same signal."""
    with start(*TRAIN, "--steps", str(10**7), stderr=subprocess.PIPE) as process:
        wait_for_checkpoint(process)
        process.stderr.close()
        process.send_signal(signum)
        assert process.wait(timeout=120) == code
    assert not load_checkpoint(Path("model.rnnlm.state")).finished
    assert LanguageModel.load("model.rnnlm").training["planned_steps"] == 10**7


@needs_dev_full
@pytest.mark.parametrize(("arguments", "code"), [
    (["score"], 2), (["train", "text.txt", "--steps", "0"], 2), (["score", "-m", "no", "x"], 1),
])
def test_the_exit_code_of_an_error_does_not_depend_on_stderr(in_folder, arguments, code):
    with open("/dev/full", "w") as full:
        assert start(*arguments, stderr=full).wait(timeout=60) == code


@pytest.mark.parametrize("ignored", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_was_ignored_at_the_start_stays_ignored(in_folder, ignored):
    """nohup ignores SIGHUP; a script ignores SIGINT for its background jobs."""
    process = start(
        *TRAIN, "--steps", "300", "--save-every", "0.0001", stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(ignored, signal.SIG_IGN),
    )
    wait_for_checkpoint(process)
    process.send_signal(ignored)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0 and b"stopped" not in err, err


def test_an_error_of_the_system_names_the_file_and_not_stdout(in_folder):
    name = "x" * 300
    process = start("train", "text.txt", "--out", name, stderr=subprocess.PIPE)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and err.startswith(f"rnnlm: error: {name}: cannot be ".encode())
    assert b"File name too long" in err and len(err.splitlines()) == 1
    process = start("train", "--resume", "--out", name, stderr=subprocess.PIPE)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and err.startswith(f"rnnlm: error: {name}".encode())
    assert len(err.splitlines()) == 1


def test_the_name_of_a_file_cannot_give_orders_to_the_terminal(in_folder):
    name = "a\x1b]0;title\x07\rb\n"
    process = start("score", "-m", "none", "-f", name, stderr=subprocess.PIPE)
    process.communicate(timeout=60)
    process = start("info", name, stderr=subprocess.PIPE)
    _, err = process.communicate(timeout=60)
    assert err.startswith(rb"rnnlm: error: a\x1b]0;title\x07\rb\n: no such model file")
    assert len(err.splitlines()) == 1 and b"\x1b" not in err
