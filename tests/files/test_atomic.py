"""Writes that leave either the old file or the new one, whole, and nothing else."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rnnlm_cli.errors import FileError
from rnnlm_cli.files import atomic
from rnnlm_cli.files.atomic import replace_file, require_folder, temporary_path

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


def test_a_temporary_file_is_hidden_beside_its_target_and_names_its_process():
    assert temporary_path(Path("a/file")) == Path(f"a/.file.{os.getpid()}.tmp")
