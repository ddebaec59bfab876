"""Entries of the cache: when they are found, what is removed, and what is left behind."""

import gc
import json
import os
import platform
import subprocess
import tempfile
import time

import pytest

from rnnlm_cli.config import TextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.messages import Messages
from rnnlm_cli.text import cache as module
from rnnlm_cli.text.cache import ENTRY, RUNS, TOKENS, Cache, Entry
from rnnlm_cli.text.corpus import load_corpus
from rnnlm_cli.text.sources import Sources

TEXT = "to be or not to be\nthat is it\n" * 3


@pytest.fixture
def load(tmp_path, cache, heard):
    """Loads a text and says whether it was encoded for it."""

    def call(content=TEXT, name="a", **settings):
        path = tmp_path / name
        path.write_text(content, "utf-8", newline="")
        heard.stages.clear()
        corpus = load_corpus(
            Sources((str(path),)), TextConfig(**settings), cache=Cache(cache), messages=heard
        )
        assert corpus.files[0].path == str(path)
        return corpus, "encoding" in heard.stages

    return call


def add(cache, key, *, used=None, size=100):
    """An entry of so many bytes and two, last used at a time."""
    with cache.working_folder(Messages()) as folder:
        (folder / ENTRY).write_text("{}", "ascii")
        (folder / TOKENS).write_bytes(bytes(size))
        entry = cache.add(folder, key)
    assert not folder.exists()
    if used is not None:
        os.utime(entry.folder / ENTRY, (used, used))
    return entry


def keys(cache):
    return [entry.key for entry in cache.list_entries()]


def write_state(path, key):
    """What a state file begins with: the size of its header, and the header."""
    header = json.dumps({"key": key}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"weights")
    return path


@pytest.mark.parametrize("level", ["char", "byte", "word", "bpe"])
def test_the_same_content_under_another_name_is_found_again(load, level):
    first, encoded = load(level=level)
    again, encoded_again = load(name="b", level=level)
    assert (encoded, encoded_again) == (True, False)
    assert again.key == first.key and again.vocabulary == first.vocabulary
    for part in ("train", "valid"):
        a, b = getattr(first, part), getattr(again, part)
        assert a.tokens_N.tolist() == b.tokens_N.tolist() and a.tokens_N.dtype == b.tokens_N.dtype
        assert a.num_characters == b.num_characters
    assert again.counts_V.tolist() == first.counts_V.tolist() and again.test is first.test is None


@pytest.mark.parametrize(
    "change",
    [
        {"content": TEXT[:-2] + "!\n"}, {"content": TEXT + "\n"}, {"level": "word"},
        {"level": "word", "text": "running"}, {"level": "byte"}, {"vocab_size": 5},
        {"vocab_size": 4096}, {"min_count": 1}, {"text": "sentences"},
        {"valid_fraction": 0.2}, {"encoding": "latin-1"},
    ],
)
def test_what_may_become_other_tokens_is_encoded_anew(load, cache, change):
    load()
    assert load(**change)[1] and len(Cache(cache).list_entries()) == 2
    assert not load()[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"level": "char", "min_count": 2, "encoding": "utf-8", "text": "running"}),
        ({"level": "word"}, {"level": "word", "min_count": 2, "text": "sentences"}),
        ({"level": "bpe"}, {"level": "bpe", "vocab_size": 4096}),
    ],
)
def test_a_default_given_by_name_is_the_same_setting(load, one, other):
    first, _ = load(**one)
    again, encoded = load(**other)
    assert not encoded and again.key == first.key


def test_the_ending_of_a_name_does_not_matter_where_nothing_is_unpacked(load):
    load(name="a.txt")
    assert not load(name="a.text")[1] and not load(name="a")[1]


def test_sizes_of_bpe_vocabularies_have_entries_of_their_own(load):
    assert load(level="bpe", vocab_size=260)[1] and load(level="bpe", vocab_size=261)[1]
    assert not load(level="bpe", vocab_size=260)[1]


def change_entry(entry, **changes):
    description = json.loads((entry / ENTRY).read_text("ascii"))
    (entry / ENTRY).write_text(json.dumps(description | changes), "ascii")


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: os.truncate(entry / TOKENS, 7),
        lambda entry: os.truncate(entry / TOKENS, 0),
        lambda entry: (entry / TOKENS).unlink(),
        lambda entry: (entry / TOKENS).write_bytes(bytes(1000)),
        lambda entry: os.truncate(entry / ENTRY, 50),
        lambda entry: os.truncate(entry / ENTRY, 0),
        lambda entry: (entry / ENTRY).write_bytes(b"\xff"),
        lambda entry: (entry / ENTRY).write_text("[]", "ascii"),
        lambda entry: change_entry(entry, version=0),
        lambda entry: change_entry(entry, counts=[1]),
        lambda entry: change_entry(entry, dtype="uint16"),
        lambda entry: change_entry(entry, vocabulary={}),
        lambda entry: change_entry(entry, parts=[]),
    ],
)
def test_a_damaged_entry_is_encoded_again_and_said_to_be(load, cache, heard, damage):
    whole, _ = load()
    tokens = whole.train.tokens_N.tolist()
    damage(cache / whole.key)
    again, encoded = load()
    assert encoded and again.train.tokens_N.tolist() == tokens
    assert len(heard.said) == 1 and "damaged" in heard.said[0] and whole.key in heard.said[0]
    assert not load()[1]


def test_an_entry_that_is_opened_was_used_now(load, cache):
    entry = Entry(cache / load()[0].key)
    os.utime(entry.folder / ENTRY, (1, 1))
    before = time.time() - 10
    assert not load()[1] and entry.last_used > before


def test_entries_stand_with_the_last_used_first(cache):
    folder = Cache(cache)
    for key, used in (("a", 20), ("b", 30), ("c", 10)):
        add(folder, key, used=used)
    assert keys(folder) == ["b", "a", "c"]
    assert folder.find("a").num_bytes == 102 and folder.find("d") is None


def test_a_new_entry_pushes_out_no_more_than_it_must_of_those_unused_for_longest(cache):
    folder = Cache(cache, max_bytes=408)
    for key, used in (("a", 20), ("b", 30), ("c", 10), ("d", 40)):
        add(folder, key, used=used)
    assert keys(folder) == ["d", "b", "a", "c"]  # they fill it to the byte
    add(folder, "e", used=50)
    assert keys(folder) == ["e", "d", "b", "a"]
    folder.find("a").touch()
    add(folder, "f", used=60, size=202)
    assert keys(folder) == ["a", "f", "e"]


def test_a_new_entry_stays_however_large_it_is(cache):
    folder = Cache(cache, max_bytes=150)
    add(folder, "a", used=1)
    entry = add(folder, "b", size=500)
    assert keys(folder) == ["b"]
    os.utime(entry.folder / ENTRY, (1, 1))
    add(folder, "c", size=500)
    assert keys(folder) == ["c"]


@pytest.mark.parametrize("name", ["run.state", "two words", "caf\u00e9", "\udcff", "a\tb"])
def test_an_entry_that_a_state_file_refers_to_stays(cache, tmp_path, name):
    folder = Cache(cache, max_bytes=250)
    a = add(folder, "a" * 32, used=1)
    state = write_state(tmp_path / name, "a" * 32)
    a.note_checkpoint(state)
    assert a.find_checkpoints() == [state]
    add(folder, "b", used=2)
    add(folder, "c", used=3)
    assert keys(folder) == ["c", "a" * 32]


@pytest.mark.parametrize("name", ["a\u2028b", "a\x85b", "a\x0bb", "a\rb"])
def test_the_name_of_a_state_file_may_hold_what_is_no_line_end(cache, tmp_path, name):
    entry = add(Cache(cache), "a" * 32)
    state = write_state(tmp_path / name, "a" * 32)
    entry.note_checkpoint(state)
    assert entry.find_checkpoints() == [state]


@pytest.mark.parametrize(
    "change",
    [
        lambda state: write_state(state, "b" * 32),  # another run took its name
        lambda state: state.unlink(),
        lambda state: state.write_bytes(b""),
        lambda state: state.write_bytes((3).to_bytes(8, "little") + b"{} " + b"a" * 32),
    ],
)
def test_a_state_file_that_does_not_refer_to_an_entry_keeps_none(cache, tmp_path, change):
    folder = Cache(cache, max_bytes=150)
    a = add(folder, "a" * 32, used=1)
    state = write_state(tmp_path / "run.state", "a" * 32)
    a.note_checkpoint(state)
    change(state)
    assert a.find_checkpoints() == []
    add(folder, "c", used=3)
    assert keys(folder) == ["c"]


def test_a_run_is_noted_once_by_its_absolute_path(cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entry = add(Cache(cache), "a")
    state = write_state(tmp_path / "run", "a")
    for path in (state, state, state.relative_to(tmp_path), tmp_path / "ru", state):
        entry.note_checkpoint(path)
    lines = (entry.folder / RUNS).read_text("utf-8").splitlines()
    assert lines == [str(state), str(tmp_path / "ru")]
    assert entry.find_checkpoints() == [state]


def test_an_entry_that_is_gone_takes_no_notes_and_has_no_runs(cache, tmp_path):
    entry = Entry(cache / "gone")
    entry.note_checkpoint(tmp_path / "run")
    entry.touch()
    assert entry.find_checkpoints() == [] and not entry.folder.exists()


def test_an_entry_made_again_still_knows_its_runs(cache, tmp_path):
    folder = Cache(cache)
    state = write_state(tmp_path / "run", "a")
    add(folder, "a").note_checkpoint(state)
    assert add(folder, "a").find_checkpoints() == [state]


def test_leftovers_of_dead_processes_go_and_those_of_living_ones_stay(cache):
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
    assert keys(folder) == [names[-1]]  # what is not finished is no entry


def test_a_working_folder_goes_when_the_work_fails(cache):
    with pytest.raises(RuntimeError), Cache(cache).working_folder(Messages()) as folder:
        (folder / TOKENS).write_bytes(b"half")
        raise RuntimeError
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_made_is_replaced_by_a_temporary_one(
    tmp_path, monkeypatch, heard
):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    path, text = tmp_path / "file", tmp_path / "text"
    path.write_bytes(b"in the way")
    text.write_text(TEXT, "utf-8")
    cache = Cache(path / "below")
    assert cache.list_entries() == [] and cache.find("a") is None
    corpus = load_corpus(Sources((str(text),)), TextConfig(), cache=cache, messages=heard)
    assert len(heard.said) == 1
    note = f"rnnlm: note: the cache folder {path / 'below'} cannot be written ("
    assert heard.said[0].startswith(note)
    assert path.read_bytes() == b"in the way"
    assert cache.folder.parent == tmp_path / "tmp" and keys(cache) == [corpus.key]
    del cache
    gc.collect()
    assert list((tmp_path / "tmp").iterdir()) == []
    assert len(corpus.train.tokens_N.tolist()) == int(0.9 * len(TEXT))


def test_a_missing_cache_folder_is_made(tmp_path):
    folder = Cache(tmp_path / "a" / "b")
    add(folder, "key")
    assert keys(folder) == ["key"] and folder.folder == tmp_path / "a" / "b"


def test_the_folder_is_the_one_of_the_system_unless_one_is_given(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "user_cache_path", lambda name, appauthor: tmp_path / name)
    assert Cache().folder == tmp_path / "rnnlm" and Cache(tmp_path).folder == tmp_path


def test_a_removed_entry_is_gone_and_the_others_stay(cache):
    folder = Cache(cache)
    a, b = add(folder, "a"), add(folder, "b")
    folder.remove(a)
    assert folder.list_entries() == [b] and folder.find("a") is None and not a.folder.exists()


def test_an_entry_that_cannot_be_removed_is_an_error(cache, monkeypatch):
    folder = Cache(cache)
    entry = add(folder, "a")

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module.os, "unlink", refuse)
    with pytest.raises(TextError, match=r"a: cannot be removed \(Permission denied\)"):
        folder.remove(entry)
    assert keys(folder) == ["a"]


def test_an_entry_that_another_process_removes_first_is_no_error(cache, monkeypatch):
    folder, other = Cache(cache, max_bytes=150), Cache(cache)
    old = add(folder, "old", used=1)

    def overtaken(entry):
        if entry == old:
            other.remove(old)
        return []

    monkeypatch.setattr(Entry, "find_checkpoints", overtaken)
    add(folder, "new")
    assert keys(folder) == ["new"]


def test_of_two_processes_with_the_same_text_the_slower_takes_the_entry_of_the_faster(
    cache, monkeypatch
):
    slower, faster = Cache(cache), Cache(cache)
    rename = os.rename

    def overtaken(source, target):
        monkeypatch.setattr(module.os, "rename", rename)
        add(faster, "a", size=7)
        rename(source, target)

    monkeypatch.setattr(module.os, "rename", overtaken)
    entry = add(slower, "a", size=9)
    assert entry.num_bytes == 2 + 7 and slower.list_entries() == [entry]
    assert [path.name for path in cache.iterdir()] == ["a"]


def test_an_entry_that_cannot_be_put_in_its_place_is_an_error(load, cache, monkeypatch):
    def refuse(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "rename", refuse)
    with pytest.raises(TextError, match=r"No space left on device.*--cache-dir"):
        load()
    assert list(cache.iterdir()) == []


def test_an_entry_added_over_a_damaged_one_takes_its_place(cache):
    folder = Cache(cache)
    add(folder, "a", size=7)
    assert add(folder, "a", size=9).num_bytes == 2 + 9
    (cache / "b").mkdir()
    (cache / "b" / TOKENS).write_bytes(b"no entry.json")
    assert add(folder, "b", size=9).num_bytes == 2 + 9
    assert sorted(keys(folder)) == ["a", "b"]
