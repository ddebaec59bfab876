"""The lock of a model file: one owner at a time, and free again when the owner ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnlm_cli.errors import FileError
from rnnlm_cli.files.lock import Lock

HOLD = """
import pathlib, sys
from rnnlm_cli.files.lock import Lock
with Lock(pathlib.Path("model")):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def owner(tmp_path):
    """Another process that holds the lock of the file `model`."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_lock_file_stands_beside_the_model_while_the_lock_is_held(tmp_path):
    with Lock(tmp_path / "model"):
        assert os.listdir(tmp_path) == [".model.lock"]
        assert (tmp_path / ".model.lock").read_text() == str(os.getpid())
    assert os.listdir(tmp_path) == []


def test_a_second_owner_in_the_same_process_is_refused(tmp_path):
    with Lock(tmp_path / "model"):
        with pytest.raises(FileError, match=str(os.getpid())), Lock(tmp_path / "model"):
            raise AssertionError("held twice")
        with Lock(tmp_path / "other"):
            pass


def test_a_second_process_is_refused_and_the_owner_is_named(tmp_path, owner):
    message = rf"model: is being trained by another process \({owner.pid}\); one at a time"
    with pytest.raises(FileError, match=message), Lock(tmp_path / "model"):
        raise AssertionError("held twice")
    owner.communicate()
    with Lock(tmp_path / "model"):
        pass


def test_a_killed_owner_leaves_the_lock_free(tmp_path, owner):
    owner.kill()
    owner.wait()
    assert os.listdir(tmp_path) == [".model.lock"]
    with Lock(tmp_path / "model"):
        assert (tmp_path / ".model.lock").read_text() == str(os.getpid())
    assert os.listdir(tmp_path) == []


def test_a_lock_is_released_after_an_error(tmp_path):
    with pytest.raises(KeyboardInterrupt), Lock(tmp_path / "model"):
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_a_lock_file_that_cannot_be_written_is_an_error_of_the_model(tmp_path):
    with pytest.raises(FileError, match="cannot be written") as caught, Lock(tmp_path / "no" / "m"):
        raise AssertionError("held")
    assert str(caught.value).startswith(f"{tmp_path / 'no' / 'm'}: ")
