"""The split, what the vocabulary is built from, and streams against texts encoded in one go."""

import bz2
import hashlib
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnlm_cli.config import TextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.text import encode as encoding
from rnnlm_cli.text import reading
from rnnlm_cli.text.cache import Cache
from rnnlm_cli.text.corpus import load_corpus
from rnnlm_cli.text.sources import Sources
from rnnlm_cli.text.vocabulary import Vocabulary

TEXT = (
    "to be, or not to be: caf\u00e9 \u20ac1 \U0001f600\n\n  that is\tthe question, the\u2028the\n"
    "not\x1cto be\rthat \u4e00\u4e00 or\n"
) * 3 + "to be or not"
OTHER = "not to be, \u4e00 ~~\nthe question"


@pytest.fixture
def corpus(tmp_path, cache):
    def load(content, *, valid=None, test=None, **settings):
        paths = {}
        for name, part in (("train", content), ("valid", valid), ("test", test)):
            if part is not None:
                paths[name] = str(tmp_path / name)
                (tmp_path / name).write_text(part, "utf-8", newline="")
        names = {name: (path,) for name, path in paths.items()}
        return load_corpus(Sources(**names), TextConfig(**settings), cache=Cache(cache))

    return load


def test_validation_is_the_last_tenth_of_the_characters(corpus):
    text = "ab\n" * 333  # 999 characters: int(0.9 N) = 899
    parts = corpus(text)
    assert (parts.train.num_characters, parts.valid.num_characters) == (899, 100)
    assert len(parts.train.tokens_N) == 899 and parts.test is None


def test_sentences_are_cut_at_the_next_line_end(corpus):
    line = "aa bb cc\n"
    for num_lines, num_trained in ((10, 9), (15, 14), (4, 3)):  # at a line end, inside, in the last
        parts = corpus(line * num_lines, text="sentences")
        assert parts.train.num_characters == len(line) * num_trained
        assert parts.valid.num_characters == len(line) * (num_lines - num_trained)


def test_the_vocabulary_is_built_from_the_training_part_only(corpus):
    parts = corpus("ab" * 90 + "xya" * 7)  # int(0.9 N) = 180
    assert parts.vocabulary.tokens == ("<unk>", "\n", "a", "b")
    assert parts.valid.tokens_N[:6].tolist() == [0, 0, 2, 0, 0, 2]


def test_own_validation_and_test_texts(corpus):
    parts = corpus("ab\n" * 20, valid="ba", test="aab")
    assert len(parts.train.tokens_N) == 60
    assert parts.valid.tokens_N.tolist() == [3, 2]
    assert parts.test.tokens_N.tolist() == [2, 2, 3]


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("", {}, "is empty"),
        ("short", {}, "at least 16"),
        ("one line of many words " * 9, {"level": "word"}, "is one line"),
        ("ab\n" * 20, {"valid": ""}, "contains no token that the voc"),
        ("ab\n" * 20, {"valid": "ab", "test": ""}, "contains no token that the voc"),
        ("ab\n" * 20, {"valid": "xyz"}, "contains no token"),
    ],
)
def test_too_little_text_is_an_error_that_says_so(corpus, text, settings, message):
    with pytest.raises(TextError, match=message):
        corpus(text, **settings)


def cut_of(text, config):
    """Where validation begins, from the whole text."""
    cut = int((1 - config.valid_fraction) * len(text))
    if not config.sentences:
        return cut
    inner = text.rfind("\n", 0, len(text) - 1)
    found = text.find("\n", max(cut - 1, 0))
    return (found if 0 <= found < len(text) - 1 else inner) + 1


@pytest.mark.parametrize("chunk_bytes", [1, 3, 1 << 20])
@pytest.mark.parametrize("own_valid", [False, True])
@pytest.mark.parametrize(
    "config",
    [
        {"level": "char"}, {"level": "char", "text": "sentences", "vocab_size": 9},
        {"level": "byte"}, {"level": "word"}, {"level": "word", "text": "running"},
        {"level": "bpe", "vocab_size": 270}, {"level": "bpe", "text": "sentences"},
    ],
    ids=lambda config: "-".join(map(str, config.values())),
)
def test_streams_are_the_ids_of_the_text_encoded_in_one_go(
    tmp_path, cache, monkeypatch, config, own_valid, chunk_bytes
):
    monkeypatch.setattr(reading, "CHUNK_BYTES", chunk_bytes)
    config = TextConfig(**config)
    names = []
    for number, piece in enumerate((TEXT[:50], "", TEXT[50:100] + "\n", TEXT[100:])):
        names.append(str(tmp_path / str(number)))
        (tmp_path / str(number)).write_text(piece, "utf-8", newline="")
    (tmp_path / "other").write_text(OTHER, "utf-8", newline="")
    other = (str(tmp_path / "other"),)
    corpus = load_corpus(
        Sources(tuple(names), other if own_valid else (), other), config, cache=Cache(cache)
    )
    text = f"{TEXT[:50]}\n{TEXT[50:100]}\n{TEXT[100:]}"
    at = len(text) if own_valid else cut_of(text, config)
    vocabulary = Vocabulary.build([text[:at]], at, config)
    assert corpus.vocabulary == vocabulary
    texts = {"train": text[:at], "valid": OTHER if own_valid else text[at:], "test": OTHER}
    for name, whole in texts.items():
        part = getattr(corpus, name)
        assert part.tokens_N.tolist() == vocabulary.encode(whole).tolist(), name
        assert part.num_characters == len(whole)
    counts = np.bincount(corpus.train.tokens_N, minlength=len(vocabulary))
    assert corpus.counts_V.tolist() == counts.tolist()


@settings(deadline=None)
@given(st.text(st.sampled_from("ab\n"), min_size=1, max_size=40),
       st.sampled_from([0.01, 0.1, 0.5, 0.9, 0.99]), st.booleans(), st.sampled_from([1, 7]))
def test_validation_begins_where_the_whole_text_says(text, fraction, sentences, chunk_bytes):
    config = TextConfig(
        min_count=1, valid_fraction=fraction, text="sentences" if sentences else "running"
    )
    at = cut_of(text, config)
    problem = None
    if sentences and "\n" not in text[:-1]:
        problem = "is one line"
    elif not set(text[at:]) & {*text[:at], "\n"}:
        problem = "contains no token that the voc"
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(reading, "CHUNK_BYTES", chunk_bytes)
        patch.setattr(encoding, "MIN_TRAINING_TOKENS", 0)
        path = Path(folder, "text")
        path.write_text(text, "utf-8", newline="")
        cache = Cache(Path(folder, "cache"))
        if problem is not None:
            with pytest.raises(TextError, match=problem):
                load_corpus(Sources((str(path),)), config, cache=cache)
            return
        corpus = load_corpus(Sources((str(path),)), config, cache=cache)
    assert (corpus.train.num_characters, corpus.valid.num_characters) == (at, len(text) - at)


@pytest.mark.parametrize(
    ("num_characters", "dtype"),
    [(20, "uint8"), (254, "uint8"), (255, "uint16"), (65534, "uint16"), (65535, "uint32")],
)
def test_tokens_take_the_smallest_integers_that_hold_the_vocabulary(corpus, num_characters, dtype):
    text = "".join(map(chr, range(0x20000, 0x20000 + num_characters)))
    loaded = corpus(text, valid=text, min_count=1)  # and <unk> and the boundary
    assert len(loaded.vocabulary) == num_characters + 2
    assert loaded.train.tokens_N.dtype == dtype
    assert loaded.train.tokens_N.tolist() == list(range(2, num_characters + 2))


def test_a_given_vocabulary_is_kept_and_counts_the_unknown_tokens_it_meets(tmp_path, cache):
    (tmp_path / "train").write_text("abxabyab\n" * 5, "utf-8")
    (tmp_path / "valid").write_text("xab", "utf-8")
    sources = Sources((str(tmp_path / "train"),), (str(tmp_path / "valid"),))
    for before in (0, 3):
        given = Vocabulary("char", ("<unk>", "\n", "b", "a"), before)
        for _ in range(2):  # encoded, and from the cache
            loaded = load_corpus(sources, TextConfig(), cache=Cache(cache), vocabulary=given)
            assert loaded.vocabulary == Vocabulary("char", given.tokens, before + 10)
            assert loaded.train.tokens_N[:9].tolist() == [3, 2, 0, 3, 2, 0, 3, 2, 1]
            assert loaded.counts_V.tolist() == [10, 5, 15, 15]
            assert loaded.valid.tokens_N.tolist() == [0, 3, 2]
    assert len(Cache(cache).list_entries()) == 2
    assert "x" in load_corpus(sources, TextConfig(), cache=Cache(cache)).vocabulary.tokens


def test_files_are_known_by_their_names_from_the_root(tmp_path, cache, monkeypatch):
    (tmp_path / "text").write_text(TEXT, "utf-8", newline="")
    monkeypatch.chdir(tmp_path)
    loaded = load_corpus(Sources(("text", "./text")), TextConfig(), cache=Cache(cache))
    assert [file.path for file in loaded.files] == [str(tmp_path / "text")] * 2


@pytest.mark.parametrize("level", ["char", "byte"])
@pytest.mark.parametrize("pack", [bytes, bz2.compress])
def test_standard_input_gives_the_tokens_of_a_file_and_leaves_no_copy(
    corpus, cache, pipe, level, pack
):
    from_file = corpus(TEXT, level=level)
    pipe(pack(TEXT.encode()))
    config = TextConfig(level=level)
    piped = load_corpus(Sources(("-",)), config, cache=Cache(cache / "piped"))
    assert piped.vocabulary == from_file.vocabulary
    assert piped.train.tokens_N.tolist() == from_file.train.tokens_N.tolist()
    assert piped.valid.tokens_N.tolist() == from_file.valid.tokens_N.tolist()
    assert piped.files[0].path == "-" and piped.files[0].num_bytes == len(TEXT.encode())
    assert piped.files[0].sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    left = sorted(str(path.relative_to(cache / "piped")) for path in cache.glob("piped/**/*"))
    assert left == [piped.key, f"{piped.key}/entry.json", f"{piped.key}/tokens"]
    pipe(TEXT.encode())
    again = load_corpus(Sources(("-",)), config, cache=Cache(cache / "piped"))
    assert again.key == piped.key and len(list(cache.glob("piped/*"))) == 1


def test_standard_input_can_be_the_validation_text(corpus, cache, tmp_path, pipe):
    from_files = corpus(TEXT, valid=OTHER)
    pipe(OTHER.encode())
    piped = load_corpus(
        Sources((str(tmp_path / "train"),), ("-",)), TextConfig(), cache=Cache(cache)
    )
    assert piped.valid.tokens_N.tolist() == from_files.valid.tokens_N.tolist()
    assert [file.path for file in piped.files] == [str(tmp_path / "train"), "-"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"^stdin: is empty"),
        (b"a b\n" * 9 + b"\xff", r"^stdin: byte 36 is not utf-8"),
        (bz2.compress(b"a b\n" * 9)[:-1], r"^-: cannot be decompressed"),
        (b"short", r"^stdin: .*at least 16"),
    ],
)
def test_what_is_wrong_with_standard_input_is_said_of_it_and_leaves_nothing(
    cache, pipe, data, message
):
    pipe(data)
    with pytest.raises(TextError, match=message):
        load_corpus(Sources(("-",)), TextConfig(), cache=Cache(cache))
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("names", [(("-", "-"),), (("-",), ("-",)), (("a",), ("-",), ("-",))])
def test_standard_input_is_read_once(cache, names):
    with pytest.raises(TextError, match="can be read once"):
        load_corpus(Sources(*names), TextConfig(), cache=Cache(cache))


def test_a_check_comes_before_anything_is_encoded(tmp_path, cache, heard):
    (tmp_path / "text").write_text(TEXT, "utf-8", newline="")
    sources, told = Sources((str(tmp_path / "text"),)), []

    def check(key, files):
        told.append((key, files, tuple(heard.stages)))

    for _ in range(2):  # and for what is in the cache too
        heard.stages.clear()
        loaded = load_corpus(sources, TextConfig(), cache=Cache(cache), messages=heard, check=check)
        assert told.pop() == (loaded.key, loaded.files, ("reading",))
    assert loaded.files[0].num_bytes == len(TEXT.encode())


def test_the_error_of_a_check_leaves_no_entry_and_no_folder(tmp_path, cache, heard):
    (tmp_path / "text").write_text(TEXT, "utf-8")

    def check(key, files):
        raise TextError("the texts changed")

    with pytest.raises(TextError, match=r"^the texts changed$"):
        load_corpus(
            Sources((str(tmp_path / "text"),)), TextConfig(), cache=Cache(cache), messages=heard,
            check=check,
        )
    assert heard.stages == ["reading"] and list(cache.iterdir()) == []


def test_binary_files_of_a_folder_are_left_out_and_said_to_be(tmp_path, cache, heard):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_bytes(b"to be\n" * 9)
    (tmp_path / "in" / "b").write_bytes(b"\0")
    sources = Sources((str(tmp_path / "in"),))
    loaded = load_corpus(sources, TextConfig(), cache=Cache(cache), messages=heard)
    assert [file.path for file in loaded.files] == [str(tmp_path / "in" / "a")]
    assert len(heard.said) == 1 and str(tmp_path / "in" / "b") in heard.said[0]
    loaded = load_corpus(sources, TextConfig(level="byte"), cache=Cache(cache), messages=heard)
    assert len(loaded.files) == 2 and len(heard.said) == 1
