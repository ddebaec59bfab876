"""Checkpoints protect the cache entries that they refer to from eviction."""

import json
import os

import pytest

from rnnlm_cli.text.cache import Cache
from rnnlm_cli.text.cache_entry import RUNS, Entry
from tests.text.entries import add_entry, key_of, list_letters, write_checkpoint


@pytest.mark.parametrize("name", ["run.state", "two words", "caf\u00e9", "\udcff", "a\tb"])
def test_an_entry_that_a_checkpoint_refers_to_is_not_evicted(cache, tmp_path, name):
    folder = Cache(cache, max_bytes=250)
    a = add_entry(folder, "a", used=1)
    checkpoint = write_checkpoint(tmp_path / name, key_of("a"))
    a.note_checkpoint(checkpoint)
    assert a.find_checkpoints() == [checkpoint]
    add_entry(folder, "b", used=2)
    add_entry(folder, "c", used=3)
    assert list_letters(folder) == ["c", "a"]


@pytest.mark.parametrize("name", ["a\u2028b", "a\x85b", "a\x0bb", "a\rb", "a\nb", '"a'])
def test_the_path_of_a_checkpoint_may_contain_other_line_separators(cache, tmp_path, name):
    entry = add_entry(Cache(cache), "a")
    checkpoint = write_checkpoint(tmp_path / name, key_of("a"))
    entry.note_checkpoint(checkpoint)
    assert entry.find_checkpoints() == [checkpoint]


@pytest.mark.parametrize(
    "change",
    [
        lambda path: write_checkpoint(path, key_of("b")),  # another run used its name
        lambda path: path.unlink(),
        lambda path: (path.unlink(), os.mkfifo(path)),  # that is not opened
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes((3).to_bytes(8, "little") + b"{} " + key_of("a").encode()),
    ],
)
def test_a_checkpoint_without_the_key_does_not_protect_an_entry(cache, tmp_path, change):
    folder = Cache(cache, max_bytes=150)
    a = add_entry(folder, "a", used=1)
    checkpoint = write_checkpoint(tmp_path / "run.state", key_of("a"))
    a.note_checkpoint(checkpoint)
    change(checkpoint)
    assert a.find_checkpoints() == []
    add_entry(folder, "c", used=3)
    assert list_letters(folder) == ["c"]


def test_a_checkpoint_is_noted_once_with_its_absolute_path(cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entry = add_entry(Cache(cache), "a")
    checkpoint = write_checkpoint(tmp_path / "run", key_of("a"))
    for path in (
        checkpoint, checkpoint, checkpoint.relative_to(tmp_path), tmp_path / "ru", checkpoint
    ):
        entry.note_checkpoint(path)
    lines = (entry.folder / RUNS).read_text("utf-8").splitlines()
    assert lines == [json.dumps(str(checkpoint)), json.dumps(str(tmp_path / "ru"))]
    assert entry.find_checkpoints() == [checkpoint]


def test_a_deleted_entry_notes_no_checkpoint_and_has_none(cache, tmp_path):
    entry = Entry(cache / "gone")
    entry.note_checkpoint(tmp_path / "run")
    entry.touch()
    assert entry.find_checkpoints() == [] and not entry.folder.exists()


def test_an_entry_that_is_added_again_keeps_its_checkpoints(cache, tmp_path):
    folder = Cache(cache)
    checkpoint = write_checkpoint(tmp_path / "run", key_of("a"))
    add_entry(folder, "a").note_checkpoint(checkpoint)
    assert add_entry(folder, "a").find_checkpoints() == [checkpoint]


def test_checkpoints_that_rnnlm_0_1_noted_still_protect_an_entry(cache, tmp_path):
    """It wrote each path as it is on a line."""
    entry = add_entry(Cache(cache), "a")
    checkpoint = write_checkpoint(tmp_path / "caf\u00e9 run", key_of("a"))
    (entry.folder / RUNS).write_text(f"{checkpoint}\n\"damaged\n", "utf-8")
    assert entry.find_checkpoints() == [checkpoint]
    entry.note_checkpoint(checkpoint)
    assert (entry.folder / RUNS).read_text("utf-8").count("\n") == 2
