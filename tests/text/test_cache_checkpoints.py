"""Checkpoints protect the cache entries that they refer to from eviction."""

import os

import pytest

from rnnlm_cli.text.cache import RUNS, Cache, Entry
from tests.text.entries import add_entry, list_keys, write_checkpoint


@pytest.mark.parametrize("name", ["run.state", "two words", "caf\u00e9", "\udcff", "a\tb"])
def test_an_entry_that_a_checkpoint_refers_to_is_not_evicted(cache, tmp_path, name):
    folder = Cache(cache, max_bytes=250)
    a = add_entry(folder, "a" * 32, used=1)
    checkpoint = write_checkpoint(tmp_path / name, "a" * 32)
    a.note_checkpoint(checkpoint)
    assert a.find_checkpoints() == [checkpoint]
    add_entry(folder, "b", used=2)
    add_entry(folder, "c", used=3)
    assert list_keys(folder) == ["c", "a" * 32]


@pytest.mark.parametrize("name", ["a\u2028b", "a\x85b", "a\x0bb", "a\rb"])
def test_the_path_of_a_checkpoint_may_contain_other_line_separators(cache, tmp_path, name):
    entry = add_entry(Cache(cache), "a" * 32)
    checkpoint = write_checkpoint(tmp_path / name, "a" * 32)
    entry.note_checkpoint(checkpoint)
    assert entry.find_checkpoints() == [checkpoint]


@pytest.mark.parametrize(
    "change",
    [
        lambda path: write_checkpoint(path, "b" * 32),  # another run used its name
        lambda path: path.unlink(),
        lambda path: (path.unlink(), os.mkfifo(path)),  # that is not opened
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes((3).to_bytes(8, "little") + b"{} " + b"a" * 32),
    ],
)
def test_a_checkpoint_without_the_key_does_not_protect_an_entry(cache, tmp_path, change):
    folder = Cache(cache, max_bytes=150)
    a = add_entry(folder, "a" * 32, used=1)
    checkpoint = write_checkpoint(tmp_path / "run.state", "a" * 32)
    a.note_checkpoint(checkpoint)
    change(checkpoint)
    assert a.find_checkpoints() == []
    add_entry(folder, "c", used=3)
    assert list_keys(folder) == ["c"]


def test_a_checkpoint_is_noted_once_with_its_absolute_path(cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entry = add_entry(Cache(cache), "a")
    checkpoint = write_checkpoint(tmp_path / "run", "a")
    for path in (
        checkpoint, checkpoint, checkpoint.relative_to(tmp_path), tmp_path / "ru", checkpoint
    ):
        entry.note_checkpoint(path)
    lines = (entry.folder / RUNS).read_text("utf-8").splitlines()
    assert lines == [str(checkpoint), str(tmp_path / "ru")]
    assert entry.find_checkpoints() == [checkpoint]


def test_a_deleted_entry_notes_no_checkpoint_and_has_none(cache, tmp_path):
    entry = Entry(cache / "gone")
    entry.note_checkpoint(tmp_path / "run")
    entry.touch()
    assert entry.find_checkpoints() == [] and not entry.folder.exists()


def test_an_entry_that_is_added_again_keeps_its_checkpoints(cache, tmp_path):
    folder = Cache(cache)
    checkpoint = write_checkpoint(tmp_path / "run", "a")
    add_entry(folder, "a").note_checkpoint(checkpoint)
    assert add_entry(folder, "a").find_checkpoints() == [checkpoint]
