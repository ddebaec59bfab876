"""Encoded texts in the cache: found again, encoded again, or kept in a temporary folder."""

import gc
import gzip
import json
import multiprocessing
import os
import tempfile
import threading
import time
import zlib

import pytest

from rnnlm_cli.config import TextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.text import cache as module
from rnnlm_cli.text.cache import Cache
from rnnlm_cli.text.cache_entry import ENTRY, TOKENS, Entry
from rnnlm_cli.text.corpus import load_corpus, open_entry
from rnnlm_cli.text.entry_format import DamagedEntryError, write_description
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


def swap_two_tokens(path):
    tokens = bytearray(path.read_bytes())
    tokens[3], tokens[4] = tokens[4], tokens[3]
    path.write_bytes(tokens)


def replace_file_by_pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: os.truncate(entry / TOKENS, 7),
        lambda entry: os.truncate(entry / TOKENS, 0),
        lambda entry: (entry / TOKENS).unlink(),
        lambda entry: (entry / TOKENS).write_bytes(bytes(1000)),
        lambda entry: (entry / TOKENS).write_bytes(bytes((entry / TOKENS).stat().st_size)),
        lambda entry: swap_two_tokens(entry / TOKENS),
        lambda entry: replace_file_by_pipe(entry / TOKENS),
        lambda entry: (entry / ENTRY).write_text("[" * 100_000),
        lambda entry: change_entry(entry, counts=[10**400] * 14),
        lambda entry: change_entry(entry, names=["another"]),
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
    assert cache.folder.parent == tmp_path / "tmp"
    assert [entry.key for entry in cache.list_entries()] == [corpus.key]
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


@pytest.mark.parametrize("change", [
    {"tokens": bytes([255]) * len(TEXT)}, {"counts": [-1] + [0] * 13}, {"parts": {"train": [9, 9]}},
    {"dtype": "float64"}, {"parts": {"train": [True, 1], "valid": [89, 9]}},
])
def test_an_entry_that_somebody_made_must_be_valid_though_its_checksums_are_right(
    load, cache, change
):
    whole, _ = load()
    folder = cache / whole.key
    description = json.loads((folder / ENTRY).read_text("ascii"))
    if "tokens" in change:
        (folder / TOKENS).write_bytes(change["tokens"])
        change = {"tokens_crc32": zlib.crc32(change["tokens"])}
    write_description(folder, description | change)
    with pytest.raises(DamagedEntryError, match="damaged"):
        open_entry(Entry(folder))


def test_an_entry_of_rnnlm_0_1_is_encoded_again_but_opens_if_the_text_is_gone(load, cache):
    whole, _ = load()
    folder = cache / whole.key
    description = json.loads((folder / ENTRY).read_text("ascii"))
    del description["crc32"], description["tokens_crc32"]
    (folder / ENTRY).write_text(json.dumps(description | {"version": 2}), "ascii")
    opened = open_entry(Entry(folder))
    assert opened.train.tokens_N.tolist() == whole.train.tokens_N.tolist()
    assert load()[1] and not load()[1]


@pytest.mark.parametrize("change", [
    lambda path: path.write_text(TEXT + "more\n"), lambda path: os.truncate(path, 50),
    lambda path: path.write_text(TEXT[::-1]), lambda path: path.write_text(""),
])
@pytest.mark.parametrize("at", ["measuring", "counting", "encoding"])
@pytest.mark.parametrize("text", ["running", "sentences"])
def test_a_text_that_changes_while_it_is_read_is_refused(tmp_path, cache, heard, change, at, text):
    path = tmp_path / "log"
    path.write_text(TEXT)
    usual = heard.stage

    def stage(name, paths):
        if name == at:
            change(path)
        return usual(name, paths)

    heard.stage = stage
    with pytest.raises(TextError, match=rf"^{path}: ") as caught:
        load_corpus(
            Sources((str(path),)), TextConfig(text=text), cache=Cache(cache), messages=heard
        )
    assert "has changed while it was read" in str(caught.value) or "empty" in str(caught.value)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_pipe_by_name_is_read_once_like_standard_input(load, tmp_path, cache, compress):
    whole, _ = load()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(compress(TEXT.encode())))
    writer.start()
    corpus = load_corpus(Sources((str(pipe),)), TextConfig(), cache=Cache(cache))
    writer.join()
    assert corpus.train.tokens_N.tolist() == whole.train.tokens_N.tolist()
    assert corpus.files[0].path == str(pipe)


def test_the_folder_of_the_cache_is_no_text(tmp_path, heard):
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a").write_text(TEXT)
    (folder / "cache").mkdir()
    for _ in range(2):
        cache = Cache(folder / "cache")
        corpus = load_corpus(Sources((str(folder),)), TextConfig(), cache=cache, messages=heard)
        assert [file.path for file in corpus.files] == [str(folder / "a")] and not heard.said
    load_corpus(Sources((str(folder / "a"),)), TextConfig(), cache=Cache(folder / "new" / "c"))
    corpus = load_corpus(Sources((str(folder),)), TextConfig(), cache=cache)
    assert [file.path for file in corpus.files] == [str(folder / "a")]


def test_a_stream_in_a_temporary_folder_cannot_be_resumed_and_a_warning_says_so(
    tmp_path, monkeypatch, heard, pipe
):
    (tmp_path / "file").touch()
    pipe(TEXT.encode())
    cache = Cache(tmp_path / "file" / "below")
    load_corpus(Sources(("-",)), TextConfig(), cache=cache, messages=heard)
    assert "the run cannot be resumed" in heard.said[-1] and "--cache-dir" in heard.said[-1]


def test_processes_that_encode_the_same_text_at_once_do_not_disturb_each_other(tmp_path, cache):
    encode_at_once(tmp_path, cache, num_texts=6)


@pytest.mark.slow
def test_four_processes_load_sixty_texts_at_once(tmp_path, cache):
    encode_at_once(tmp_path, cache, num_texts=60)


def load_all(paths, cache, barrier, failures):
    """Load the texts in order, each when all processes are ready to."""
    for path in paths:
        barrier.wait(timeout=60)
        try:
            corpus = load_corpus(Sources((str(path),)), TextConfig(), cache=Cache(cache))
            assert len(corpus.train.tokens_N) > 16
        except BaseException as error:
            failures.put(repr(error))


def encode_at_once(tmp_path, cache, num_texts, num_processes=4):
    """Let processes load the same texts in the same order, each text at the same moment."""
    paths = []
    for number in range(num_texts):
        paths.append(tmp_path / f"text{number}")
        paths[-1].write_text(TEXT + f"number {number}\n" * 50)
    context = multiprocessing.get_context("spawn")  # forking a process with threads can hang
    barrier, failures = context.Barrier(num_processes), context.Queue()
    processes = [
        context.Process(target=load_all, args=(paths, cache, barrier, failures))
        for _ in range(num_processes)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert failures.empty(), failures.get()
    assert len(os.listdir(cache)) == num_texts
