"""The files of a run on a full disk, and beside files that rnnlm did not write."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from rnnlm_cli.errors import FileError
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.runs import saver
from tests.training import SMALL, read_records, resume, start_process, train, wait_for

ENDINGS = ("", ".state", ".jsonl")


class Disk:
    """A disk that is full for some of the renames that put files of the run in place.

    Args:
        full: the renames that fail, by number, counted over files with one of these endings.
    """

    def __init__(self, monkeypatch, full, endings=ENDINGS):
        self.log = []
        names = {f"model.rnnlm{ending}" for ending in endings}
        usual_replace = os.replace
        count = 0

        def replace(source, target):
            nonlocal count
            name = Path(target).name
            if name in names and Path(target).parent == Path.cwd():
                count += 1
                if count in full:
                    self.log.append(f"{name} failed")
                    raise OSError(errno.ENOSPC, "No space left on device")
            self.log.append(name)
            usual_replace(source, target)

        monkeypatch.setattr(os, "replace", replace)
        monkeypatch.setattr(saver, "RETRY_SECONDS", 0.0)


def test_a_disk_that_is_full_for_a_while_loses_nothing(
    text, run, monkeypatch, many_validations
):
    settings = (text, *SMALL, "--steps", 60, "--save-every", 1e-6)
    run("train", *settings, "--out", "whole")
    whole = Path("whole").read_bytes()
    disk = Disk(monkeypatch, full=range(5, 60))
    code, _, err = run("train", *settings)
    assert code == 0
    for what, name in (("checkpoint", ".state"), ("model", "")):
        assert f"model.rnnlm{name} failed" in disk.log
        assert f"rnnlm: note: the {what} could be written again" in err
    assert err.count("warning: model.rnnlm: cannot be written (No space left") == 1
    assert Path("model.rnnlm").read_bytes() == whole
    assert [record["step"] for record in read_records()] == list(range(1, 61))
    assert not list(Path().glob(".*"))  # no temporary file is left


def test_a_model_that_could_not_be_written_is_written_with_the_next_checkpoint(
    text, monkeypatch, many_validations
):
    """It is not delayed until the next model that is better."""
    disk = Disk(monkeypatch, full=range(1, 6), endings=("",))
    train(text, steps=60, save_every=1e-6)
    failures = [k for k, name in enumerate(disk.log) if name == "model.rnnlm failed"]
    assert len(failures) == 5
    after = disk.log[failures[-1] + 1 :]
    checkpoints = [k for k, name in enumerate(after) if name == "model.rnnlm.state"]
    assert "model.rnnlm" in after[: checkpoints[1]]


def test_a_full_disk_at_the_end_is_an_error_that_names_where_the_model_is(text, monkeypatch):
    Disk(monkeypatch, full=range(3, 10**6))
    with pytest.raises(FileError, match="No space left") as caught:
        train(text, steps=20)
    rescued = Path(str(caught.value).split("saved as ")[1].split(" instead")[0])
    assert rescued.is_absolute()
    assert LanguageModel.load(rescued).training["planned_steps"] == 20
    shutil.rmtree(rescued.parent)


def test_a_second_run_keeps_the_first_model_as_old_and_says_so(text, run):
    train(text, steps=2)
    first = Path("model.rnnlm").read_bytes()
    _, _, err = run("train", text, *SMALL, "--steps", 4)
    assert Path("model.rnnlm.old").read_bytes() == first
    assert "rnnlm: note: the model that was model.rnnlm is now model.rnnlm.old" in err


def test_the_replaced_model_is_kept_once_even_if_the_run_is_resumed(text):
    train(text, steps=5, seed=2)
    first = Path("model.rnnlm").read_bytes()
    train(text, steps=20, pause_at=10)
    assert Path("model.rnnlm.old").read_bytes() == first
    resume()
    assert Path("model.rnnlm.old").read_bytes() == first


def test_a_second_run_on_the_same_files_is_refused_while_the_first_lives(text, run):
    first = start_process(text, *SMALL, "--steps", 10**7, "--save-every", 0.001)
    try:
        while not Path("model.rnnlm.state").exists():
            assert first.poll() is None
        for arguments in ([text], ["--resume"], [text, "--restart"]):
            code, _, err = run("train", *arguments)
            assert code == 1 and f"by another process ({first.pid})" in err
            assert len(err.splitlines()) == 1
    finally:
        first.kill()
        wait_for(first)
    assert run("train", text, *SMALL, "--steps", 3, "--restart")[0] == 0
    assert not list(Path().glob(".*"))  # no lock, no temporary file of the killed process


def test_a_run_that_is_closed_without_training_releases_its_files(text):
    from rnnlm_cli.runs.start import start_run
    from tests.training import request

    with start_run(request(text, steps=2)):
        assert Path(".model.rnnlm.lock").exists()
    assert os.listdir() == ["text"]
