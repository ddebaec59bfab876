"""The lock of a model file: one owner at a time, and free again when the owner ends."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnlm_cli.errors import FileError
from rnnlm_cli.files import lock
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


@pytest.mark.parametrize("make", [
    lambda path: path.symlink_to("notes"),
    lambda path: path.symlink_to("nowhere"),
    lambda path: path.write_text("my own file"),
    lambda path: path.mkdir(),
    os.mkfifo,
], ids=["link", "dangling link", "text", "folder", "pipe"])
def test_what_is_no_lock_file_is_refused_and_not_touched(tmp_path, make):
    (tmp_path / "notes").write_text("precious")
    path = tmp_path / ".model.lock"
    make(path)
    before = os.lstat(path)
    with pytest.raises(FileError, match="is no lock file of rnnlm") as caught:
        Lock(tmp_path / "model").__enter__()
    assert str(caught.value).startswith(f"{path}: ")
    after = os.lstat(path)
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (
        before.st_ino, before.st_size, before.st_mtime_ns
    )
    assert (tmp_path / "notes").read_text() == "precious"
    assert sorted(os.listdir(tmp_path)) == [".model.lock", "notes"]


def test_a_full_disk_leaves_no_lock_file(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(lock.os, "write", fail)
    with pytest.raises(FileError, match=r"model: cannot be written \(No space left on device\)"):
        Lock(tmp_path / "model").__enter__()
    assert os.listdir(tmp_path) == []


def test_a_lock_file_that_another_process_deletes_meanwhile_is_made_again(tmp_path, monkeypatch):
    usual_lstat, deleted = os.lstat, []

    def delete_in_between(path, **more):
        if str(path).endswith(".lock") and not deleted and os.path.exists(path):
            deleted.append(path)
            os.unlink(path)
        return usual_lstat(path, **more)

    monkeypatch.setattr(lock.os, "lstat", delete_in_between)
    with Lock(tmp_path / "model"):
        assert deleted and (tmp_path / ".model.lock").read_text() == str(os.getpid())
