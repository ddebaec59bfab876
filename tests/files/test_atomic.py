"""Writes that leave either the old file or the new one, whole, and nothing else."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rnnlm_cli.errors import FileError
from rnnlm_cli.files import atomic
from rnnlm_cli.files.atomic import (
    read_mode,
    remove_temporaries,
    replace_file,
    require_folder,
    require_room,
)
from rnnlm_cli.files.flock import try_to_lock

KILLED_WRITE = """
import os, pathlib, signal, sys
from rnnlm_cli.files import atomic
def kill_here(*_):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(atomic.os, sys.argv[1], kill_here)
atomic.replace_file(pathlib.Path("file"), b"new")
"""


def test_pieces_are_written_one_after_the_other(tmp_path):
    replace_file(tmp_path / "file", b"ab", np.array([1, 2], dtype=np.uint8), b"")
    assert (tmp_path / "file").read_bytes() == b"ab\x01\x02"
    replace_file(tmp_path / "file", b"c")
    assert (tmp_path / "file").read_bytes() == b"c"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("fault", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, fault):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(atomic.os, fault, fail)
    with pytest.raises(FileError, match=r"file: cannot be written \(No space left on device\); "):
        replace_file(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_kill_leaves_the_old_file_whole(tmp_path, moment):
    (tmp_path / "file").write_bytes(b"old")
    process = subprocess.run(
        [sys.executable, "-c", KILLED_WRITE, moment], cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.returncode == -signal.SIGKILL
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_symbolic_link_stays_one_and_its_target_is_replaced(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    replace_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(FileError, match="cannot be written") as caught:
        replace_file(tmp_path / "none" / "file", b"new")
    assert str(caught.value).startswith(f"{tmp_path / 'none' / 'file'}: ")


def test_a_missing_folder_is_named_with_the_option_to_change(tmp_path):
    require_folder(tmp_path / "file", option="--out")
    with pytest.raises(FileError, match=r"none does not exist.*choose another --out"):
        require_folder(tmp_path / "none" / "file", option="--out")


def test_a_new_file_has_the_usual_permissions_and_a_replaced_one_keeps_its_own(tmp_path):
    usual = tmp_path / "usual"
    usual.touch()
    replace_file(tmp_path / "file", b"first")
    assert read_mode(tmp_path / "file") == read_mode(usual)
    (tmp_path / "file").chmod(0o600)
    replace_file(tmp_path / "file", b"second")
    assert read_mode(tmp_path / "file") == 0o600
    replace_file(tmp_path / "file", b"third", mode=0o640)
    assert read_mode(tmp_path / "file") == 0o640


def test_nothing_is_written_through_a_link_in_the_place_of_a_temporary_file(tmp_path, monkeypatch):
    names = iter(["00000000", "00000000", "11111111"])
    monkeypatch.setattr(atomic.secrets, "token_hex", lambda _: next(names))
    (tmp_path / "precious").write_bytes(b"notes")
    (tmp_path / ".file.00000000.tmp").symlink_to("precious")
    replace_file(tmp_path / "file", b"new")
    assert (tmp_path / "precious").read_bytes() == b"notes"
    assert (tmp_path / "file").read_bytes() == b"new"


def test_the_folder_is_flushed_after_the_rename(tmp_path, monkeypatch):
    """Otherwise a power cut can bring the old file back."""
    events = []
    usual_fsync, usual_replace = os.fsync, os.replace

    def fsync(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        events.append("flush folder" if is_folder else "flush file")
        usual_fsync(descriptor)

    def replace(source, target):
        events.append("rename")
        usual_replace(source, target)

    monkeypatch.setattr(atomic.os, "fsync", fsync)
    monkeypatch.setattr(atomic.os, "replace", replace)
    replace_file(tmp_path / "file", b"new")
    assert events == ["flush file", "rename", "flush folder"]


def test_only_temporary_files_of_dead_writers_are_removed(tmp_path):
    left = [".file.0a1b2c3d.tmp", ".file.4711.tmp"]
    others = ["file.1.tmp", ".file.x.tmp", ".file.1", ".other.1.tmp", ".file.png.1.tmp"]
    for name in left + others:
        (tmp_path / name).touch()
    (tmp_path / ".file.2.tmp").symlink_to("others")
    with open(tmp_path / ".file.3.tmp", "wb") as file:
        assert try_to_lock(file.fileno())
        remove_temporaries(tmp_path / "file")
    assert sorted(os.listdir(tmp_path)) == sorted([*others, ".file.2.tmp", ".file.3.tmp"])


def test_temporary_files_are_removed_in_the_folder_that_a_link_points_to(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real/file")
    (tmp_path / "real" / ".file.7.tmp").touch()
    remove_temporaries(tmp_path / "link")
    assert os.listdir(tmp_path / "real") == []


def test_a_temporary_file_that_a_sweep_deletes_before_it_is_locked_is_made_again(
    tmp_path, monkeypatch
):
    usual_open = os.open

    def sweep_in_between(path, *rest):
        descriptor = usual_open(path, *rest)
        if str(path).endswith(".tmp") and len(swept) < 2:
            swept.append(path)
            os.unlink(path)
        return descriptor

    swept = []
    monkeypatch.setattr(atomic.os, "open", sweep_in_between)
    replace_file(tmp_path / "file", b"new")
    assert len(swept) == 2 and (tmp_path / "file").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_without_room_is_named_before_anything_is_written(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    require_room(tmp_path / "file")
    monkeypatch.setattr(atomic.os, "open", refuse)
    with pytest.raises(FileError, match=r"file: cannot be written \(Read-only file system\)"):
        require_room(tmp_path / "file")
    assert os.listdir(tmp_path) == []
