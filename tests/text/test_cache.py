"""The cache: its entries, the eviction and the removal of entries, and other processes."""

import os
import time
from pathlib import Path

import pytest

from rnnlm_cli.config import TextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.messages import Messages
from rnnlm_cli.text import cache as module
from rnnlm_cli.text.cache import ABANDONED_SECONDS, Cache
from rnnlm_cli.text.cache_entry import ENTRY, TOKENS, Entry
from rnnlm_cli.text.corpus import load_corpus
from rnnlm_cli.text.sources import Sources
from tests.text.entries import add_entry, key_of, list_letters


def test_entries_are_listed_with_the_last_used_first(cache):
    folder = Cache(cache)
    for key, used in (("a", 20), ("b", 30), ("c", 10)):
        add_entry(folder, key, used=used)
    assert list_letters(folder) == ["b", "a", "c"]
    assert folder.find(key_of("a")).num_bytes == 102 and folder.find(key_of("d")) is None


def test_a_new_entry_evicts_the_least_recently_used_and_no_more_than_needed(cache):
    folder = Cache(cache, max_bytes=408)
    for key, used in (("a", 20), ("b", 30), ("c", 10), ("d", 40)):
        add_entry(folder, key, used=used)
    assert list_letters(folder) == ["d", "b", "a", "c"]  # exactly the maximum size
    add_entry(folder, "e", used=50)
    assert list_letters(folder) == ["e", "d", "b", "a"]
    folder.find(key_of("a")).touch()
    add_entry(folder, "f", used=60, size=202)
    assert list_letters(folder) == ["a", "f", "e"]


def test_a_new_entry_is_not_evicted_whatever_its_size(cache):
    folder = Cache(cache, max_bytes=150)
    add_entry(folder, "a", used=1)
    entry = add_entry(folder, "b", size=500)
    assert list_letters(folder) == ["b"]
    os.utime(entry.folder / ENTRY, (1, 1))
    add_entry(folder, "c", size=500)
    assert list_letters(folder) == ["c"]


def test_only_the_working_folders_of_ended_processes_are_removed(cache, tmp_path):
    """Process ids do not tell: another container may have the same host name."""
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "file").touch()
    (cache / "encoding-link.tmp").symlink_to(tmp_path / "linked")
    (cache / "encoding-file.tmp").touch()
    for name, age in (
        ("encoding-ended.tmp", 0), ("mine.tmp", 2), ("encoding-mine", 2), ("1@host@old.tmp", 2),
        ("1@host@new.tmp", 0),
    ):
        (cache / name).mkdir()
        os.utime(cache / name, (time.time() - age * ABANDONED_SECONDS,) * 2)
    with Cache(cache).working_folder(Messages()) as first:
        with Cache(cache).working_folder(Messages()) as second:
            left = {path.name for path in cache.iterdir()}
    kept = {"encoding-link.tmp", "encoding-file.tmp", "mine.tmp", "encoding-mine", "1@host@new.tmp"}
    assert left == kept | {first.name, second.name}
    assert (tmp_path / "linked" / "file").exists()


def test_a_working_folder_is_removed_when_the_work_fails(cache):
    with pytest.raises(RuntimeError), Cache(cache).working_folder(Messages()) as folder:
        (folder / TOKENS).write_bytes(b"half")
        raise RuntimeError
    assert list(cache.iterdir()) == []


def test_a_missing_cache_folder_is_created(tmp_path):
    folder = Cache(tmp_path / "a" / "b")
    add_entry(folder, "a")
    assert list_letters(folder) == ["a"] and folder.folder == tmp_path / "a" / "b"


def test_the_default_folder_is_that_of_the_environment_or_the_system(tmp_path, monkeypatch):
    monkeypatch.setenv("RNNLM_CACHE_DIR", str(tmp_path / "named"))
    assert Cache().folder == tmp_path / "named" and Cache(tmp_path).folder == tmp_path
    monkeypatch.delenv("RNNLM_CACHE_DIR")
    monkeypatch.setattr(module, "user_cache_path", lambda name, appauthor: tmp_path / name)
    assert Cache().folder == tmp_path / "rnnlm"


def test_removing_an_entry_leaves_the_others(cache):
    folder = Cache(cache)
    a, b = add_entry(folder, "a"), add_entry(folder, "b")
    a.remove()
    assert folder.list_entries() == [b] and not a.exists() and not a.folder.exists()


@pytest.mark.parametrize("clear", ["--clear", "--clear-all"])
def test_nothing_that_is_not_of_the_cache_is_ever_deleted(cache, tmp_path, run, clear):
    """Folders with a file entry.json, links to such folders, and files within an entry."""
    entry = add_entry(Cache(cache), "a")
    (entry.folder / "photo.jpg").write_text("photo")
    for folder in (cache / "photos", cache / ("g" * 32), tmp_path / "archive"):
        folder.mkdir()
        (folder / ENTRY).write_text("{}")
    (cache / key_of("b")).symlink_to(tmp_path / "archive")
    add_entry(Cache(cache), "c")
    code, out, err = run("cache", "--cache-dir", cache, clear)
    assert (code, out) == (0, "") and err.startswith("2 encoded texts deleted")
    assert sorted(path.name for path in cache.iterdir()) == sorted(
        [key_of("a"), key_of("b"), "g" * 32, "photos"]
    )
    assert os.listdir(entry.folder) == ["photo.jpg"]
    for folder in (cache / "photos", cache / ("g" * 32), tmp_path / "archive"):
        assert os.listdir(folder) == [ENTRY]


def test_a_new_cache_folder_is_marked_as_a_cache_and_another_folder_is_not(cache, tmp_path):
    add_entry(Cache(tmp_path / "new"), "a")
    tag = (tmp_path / "new" / "CACHEDIR.TAG").read_text()
    assert tag.startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
    add_entry(Cache(cache), "a")
    assert os.listdir(cache) == [key_of("a")]


def test_an_entry_that_cannot_be_removed_is_an_error(cache, monkeypatch):
    folder = Cache(cache)
    entry = add_entry(folder, "a")

    def refuse(path, missing_ok):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(TextError, match=r"a: cannot be removed \(Permission denied\)"):
        entry.remove()
    assert list_letters(folder) == ["a"]


def test_an_entry_that_another_process_removes_during_eviction_is_no_error(cache, monkeypatch):
    folder = Cache(cache, max_bytes=150)
    old = add_entry(folder, "a", used=1)

    def find_checkpoints(entry):
        entry.remove()
        return []

    monkeypatch.setattr(Entry, "find_checkpoints", find_checkpoints)
    add_entry(folder, "b")
    assert list_letters(folder) == ["b"] and not old.folder.exists()


def test_the_slower_of_two_processes_uses_the_entry_of_the_faster_one(cache):
    add_entry(Cache(cache), "a", size=7)
    entry = add_entry(Cache(cache), "a", size=9, is_sound=lambda entry: True)
    assert entry.num_bytes == 2 + 7
    assert os.listdir(cache) == [key_of("a")]


def test_a_new_entry_replaces_a_damaged_one(cache):
    folder = Cache(cache)
    add_entry(folder, "a", size=7)
    assert add_entry(folder, "a", size=9).num_bytes == 2 + 9
    (cache / key_of("b")).mkdir()
    (cache / key_of("b") / TOKENS).write_bytes(b"no entry.json")
    assert add_entry(folder, "b", size=9).num_bytes == 2 + 9
    assert sorted(list_letters(folder)) == ["a", "b"] and len(os.listdir(cache)) == 2


def test_the_entry_of_another_user_is_neither_used_nor_replaced(cache, monkeypatch):
    planted = add_entry(Cache(cache), "a", size=7)
    usual_stat, usual_rename = os.lstat, os.rename

    def own_by_another(path, **options):
        found = usual_stat(path, **options)
        is_planted = Path(path) == planted.folder
        return os.stat_result([*found[:4], 12345, *found[5:]]) if is_planted else found

    def refuse(source, target):
        if Path(source) == planted.folder:
            raise PermissionError(1, "Operation not permitted")
        usual_rename(source, target)

    monkeypatch.setattr(os, "lstat", own_by_another)
    monkeypatch.setattr(os, "rename", refuse)
    folder = Cache(cache)
    assert folder.find(planted.key) is None and folder.list_entries() == []
    entry = add_entry(folder, "a", size=9, is_sound=lambda entry: True)
    assert entry.num_bytes == 2 + 9 and folder.is_temporary and cache not in entry.folder.parents
    assert (planted.folder / TOKENS).stat().st_size == 7


def test_a_key_is_no_path(cache, tmp_path):
    """A checkpoint, from which keys come, may be altered."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / ENTRY).write_text("{}")
    assert Cache(cache).find(f"../{tmp_path.name}/folder") is None
    assert Cache(tmp_path).find("folder") is None


def test_a_listing_gives_no_orders_to_the_terminal(cache, tmp_path, run):
    name = "a\x1b]0;title\x07\n"
    (tmp_path / name).write_text("the quick brown fox jumps over the lazy dog\n" * 20)
    load_corpus(Sources((str(tmp_path / name),)), TextConfig(), cache=Cache(cache))
    code, out, _ = run("cache", "--cache-dir", cache)
    assert code == 0 and len(out.splitlines()) == 1
    assert r"a\x1b]0;title\x07\n" in out and out.removesuffix("\n").isprintable()
