"""The cache: its entries, the eviction and the removal of entries, and other processes."""

import os
import platform
import subprocess

import pytest

from rnnlm_cli.errors import TextError
from rnnlm_cli.messages import Messages
from rnnlm_cli.text import cache as module
from rnnlm_cli.text.cache import ENTRY, TOKENS, Cache
from tests.text.entries import add_entry, list_keys


def test_entries_are_listed_with_the_last_used_first(cache):
    folder = Cache(cache)
    for key, used in (("a", 20), ("b", 30), ("c", 10)):
        add_entry(folder, key, used=used)
    assert list_keys(folder) == ["b", "a", "c"]
    assert folder.find("a").num_bytes == 102 and folder.find("d") is None


def test_a_new_entry_evicts_the_least_recently_used_and_no_more_than_needed(cache):
    folder = Cache(cache, max_bytes=408)
    for key, used in (("a", 20), ("b", 30), ("c", 10), ("d", 40)):
        add_entry(folder, key, used=used)
    assert list_keys(folder) == ["d", "b", "a", "c"]  # exactly the maximum size
    add_entry(folder, "e", used=50)
    assert list_keys(folder) == ["e", "d", "b", "a"]
    folder.find("a").touch()
    add_entry(folder, "f", used=60, size=202)
    assert list_keys(folder) == ["a", "f", "e"]


def test_a_new_entry_is_not_evicted_whatever_its_size(cache):
    folder = Cache(cache, max_bytes=150)
    add_entry(folder, "a", used=1)
    entry = add_entry(folder, "b", size=500)
    assert list_keys(folder) == ["b"]
    os.utime(entry.folder / ENTRY, (1, 1))
    add_entry(folder, "c", size=500)
    assert list_keys(folder) == ["c"]


def test_only_the_working_folders_of_dead_processes_are_removed(cache):
    dead = subprocess.Popen(["true"])
    dead.wait()
    here = platform.node()
    names = [
        f"{dead.pid}@{here}@x.tmp", f"{os.getpid()}@{here}@x.tmp", f"1@{here}@x.tmp",
        f"{dead.pid}@not-{here}@x.tmp", f"{dead.pid}.tmp", "mine.tmp", f"{dead.pid}@{here}@x",
    ]
    for name in names:
        (cache / name).mkdir()
        (cache / name / ENTRY).write_text("{}", "ascii")
    folder = Cache(cache)
    with folder.working_folder(Messages()) as working:
        left = {path.name for path in cache.iterdir()}
        assert working.name.startswith(f"{os.getpid()}@{here}@")
    assert left == {*names[1:], working.name}
    assert list_keys(folder) == [names[-1]]  # unfinished work is not listed


def test_a_working_folder_is_removed_when_the_work_fails(cache):
    with pytest.raises(RuntimeError), Cache(cache).working_folder(Messages()) as folder:
        (folder / TOKENS).write_bytes(b"half")
        raise RuntimeError
    assert list(cache.iterdir()) == []


def test_a_missing_cache_folder_is_created(tmp_path):
    folder = Cache(tmp_path / "a" / "b")
    add_entry(folder, "key")
    assert list_keys(folder) == ["key"] and folder.folder == tmp_path / "a" / "b"


def test_the_default_folder_is_that_of_the_environment_or_the_system(tmp_path, monkeypatch):
    monkeypatch.setenv("RNNLM_CACHE_DIR", str(tmp_path / "named"))
    assert Cache().folder == tmp_path / "named" and Cache(tmp_path).folder == tmp_path
    monkeypatch.delenv("RNNLM_CACHE_DIR")
    monkeypatch.setattr(module, "user_cache_path", lambda name, appauthor: tmp_path / name)
    assert Cache().folder == tmp_path / "rnnlm"


def test_removing_an_entry_leaves_the_others(cache):
    folder = Cache(cache)
    a, b = add_entry(folder, "a"), add_entry(folder, "b")
    folder.remove(a)
    assert folder.list_entries() == [b] and folder.find("a") is None and not a.folder.exists()


def test_an_entry_that_cannot_be_removed_is_an_error(cache, monkeypatch):
    folder = Cache(cache)
    entry = add_entry(folder, "a")

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module.os, "unlink", refuse)
    with pytest.raises(TextError, match=r"a: cannot be removed \(Permission denied\)"):
        folder.remove(entry)
    assert list_keys(folder) == ["a"]


def test_an_entry_that_another_process_removes_during_eviction_is_no_error(cache, monkeypatch):
    folder, other = Cache(cache, max_bytes=150), Cache(cache)
    old = add_entry(folder, "old", used=1)

    def find_checkpoints(entry):
        other.remove(entry)
        return []

    monkeypatch.setattr(module.Entry, "find_checkpoints", find_checkpoints)
    add_entry(folder, "new")
    assert list_keys(folder) == ["new"] and not old.folder.exists()


def test_the_slower_of_two_processes_uses_the_entry_of_the_faster_one(
    cache, monkeypatch
):
    slower, faster = Cache(cache), Cache(cache)
    rename = os.rename

    def overtaken(source, target):
        monkeypatch.setattr(module.os, "rename", rename)
        add_entry(faster, "a", size=7)
        rename(source, target)

    monkeypatch.setattr(module.os, "rename", overtaken)
    entry = add_entry(slower, "a", size=9)
    assert entry.num_bytes == 2 + 7 and slower.list_entries() == [entry]
    assert [path.name for path in cache.iterdir()] == ["a"]


def test_a_new_entry_replaces_a_damaged_one(cache):
    folder = Cache(cache)
    add_entry(folder, "a", size=7)
    assert add_entry(folder, "a", size=9).num_bytes == 2 + 9
    (cache / "b").mkdir()
    (cache / "b" / TOKENS).write_bytes(b"no entry.json")
    assert add_entry(folder, "b", size=9).num_bytes == 2 + 9
    assert sorted(list_keys(folder)) == ["a", "b"]
