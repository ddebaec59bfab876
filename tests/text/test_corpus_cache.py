"""Encoded texts in the cache: found again, encoded again, or kept in a temporary folder."""

import gc
import json
import os
import tempfile
import time

import pytest

from rnnlm_cli.config import TextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.text import cache as module
from rnnlm_cli.text.cache import Cache
from rnnlm_cli.text.cache_entry import ENTRY, TOKENS, Entry
from rnnlm_cli.text.corpus import load_corpus
from rnnlm_cli.text.sources import Sources

TEXT = "to be or not to be\nthat is it\n" * 3


@pytest.fixture
def load(tmp_path, cache, heard):
    """Loads a text; returns the corpus and whether the text was encoded."""

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


@pytest.mark.parametrize("level", ["char", "byte", "word", "bpe"])
def test_the_same_content_under_another_name_is_found_in_the_cache(load, level):
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
def test_other_contents_or_settings_are_encoded_again(load, cache, change):
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
def test_an_explicit_default_has_the_same_key(load, one, other):
    first, _ = load(**one)
    again, encoded = load(**other)
    assert not encoded and again.key == first.key


def test_the_suffix_of_an_uncompressed_file_does_not_change_the_key(load):
    load(name="a.txt")
    assert not load(name="a.text")[1] and not load(name="a")[1]


def test_every_bpe_vocabulary_size_has_its_own_entry(load):
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
def test_a_damaged_entry_is_encoded_again_with_a_note(load, cache, heard, damage):
    whole, _ = load()
    tokens = whole.train.tokens_N.tolist()
    damage(cache / whole.key)
    again, encoded = load()
    assert encoded and again.train.tokens_N.tolist() == tokens
    assert len(heard.said) == 1 and "damaged" in heard.said[0] and whole.key in heard.said[0]
    assert not load()[1]


def test_opening_an_entry_updates_its_last_use(load, cache):
    entry = Entry(cache / load()[0].key)
    os.utime(entry.folder / ENTRY, (1, 1))
    before = time.time() - 10
    assert not load()[1] and entry.last_used > before


def test_a_temporary_folder_replaces_a_cache_that_cannot_be_created(
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
    assert cache.folder.parent == tmp_path / "tmp" and [entry.key for entry in cache.list_entries()] == [corpus.key]
    del cache
    gc.collect()
    assert list((tmp_path / "tmp").iterdir()) == []
    assert len(corpus.train.tokens_N.tolist()) == int(0.9 * len(TEXT))


def test_an_entry_that_cannot_be_renamed_is_an_error(load, cache, monkeypatch):
    def refuse(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "rename", refuse)
    with pytest.raises(TextError, match=r"No space left on device.*--cache-dir"):
        load()
    assert list(cache.iterdir()) == []
