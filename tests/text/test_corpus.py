"""A corpus: its files, its vocabulary, standard input, and the check before encoding."""

import bz2
import hashlib
from functools import partial

import pytest

from rnnlm_cli.config import TextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.text.cache import Cache
from rnnlm_cli.text.corpus import load_corpus
from rnnlm_cli.text.sources import Sources
from rnnlm_cli.text.vocabulary import Vocabulary

TEXT = (
    "to be, or not to be: caf\u00e9 \u20ac1 \U0001f600\n\n  that is\tthe question, the\u2028the\n"
    "not\x1cto be\rthat \u4e00\u4e00 or\n"
) * 3 + "to be or not"
OTHER = "not to be, \u4e00 ~~\nthe question"


def test_a_given_vocabulary_is_used_and_the_corpus_counts_the_unknown_tokens(tmp_path, cache):
    (tmp_path / "train").write_text("abxabyab\n" * 5, "utf-8")
    (tmp_path / "valid").write_text("xab", "utf-8")
    sources = Sources((str(tmp_path / "train"),), (str(tmp_path / "valid"),))
    given = Vocabulary("char", ("<unk>", "\n", "b", "a"))
    for _ in range(2):  # encoded, then from the cache
        loaded = load_corpus(sources, TextConfig(), cache=Cache(cache), vocabulary=given)
        assert loaded.vocabulary == given and loaded.num_unknown == 10
        assert loaded.train.tokens_N[:9].tolist() == [3, 2, 0, 3, 2, 0, 3, 2, 1]
        assert loaded.counts_V.tolist() == [10, 5, 15, 15]
        assert loaded.valid.tokens_N.tolist() == [0, 3, 2]
    assert len(Cache(cache).list_entries()) == 1
    assert "x" in load_corpus(sources, TextConfig(), cache=Cache(cache)).vocabulary.tokens


def test_unknown_tokens_can_be_scored_if_the_network_has_learnt_them(tmp_path, cache):
    (tmp_path / "train").write_text("abab\n" * 5, "utf-8")
    (tmp_path / "valid").write_text("xyz", "utf-8")
    sources = Sources((str(tmp_path / "train"),), (str(tmp_path / "valid"),))
    given = Vocabulary("char", ("<unk>", "\n", "b", "a"))
    load = partial(load_corpus, sources, TextConfig(), cache=Cache(cache), vocabulary=given)
    with pytest.raises(TextError, match="contains no token that the vocabulary knows"):
        load()
    assert load(unknown_trained=True).valid.tokens_N.tolist() == [0, 0, 0]


def test_files_are_identified_by_their_absolute_paths(tmp_path, cache, monkeypatch):
    (tmp_path / "text").write_text(TEXT, "utf-8", newline="")
    monkeypatch.chdir(tmp_path)
    loaded = load_corpus(Sources(("text", "./text")), TextConfig(), cache=Cache(cache))
    assert [file.path for file in loaded.files] == [str(tmp_path / "text")] * 2


@pytest.mark.parametrize("level", ["char", "byte"])
@pytest.mark.parametrize("compress", [bytes, bz2.compress])
def test_standard_input_has_the_tokens_of_a_file_and_leaves_no_copy(
    corpus, cache, pipe, level, compress
):
    from_file = corpus(TEXT, level=level)
    pipe(compress(TEXT.encode()))
    config = TextConfig(level=level)
    piped = load_corpus(Sources(("-",)), config, cache=Cache(cache / "piped"))
    assert piped.vocabulary == from_file.vocabulary
    assert piped.train.tokens_N.tolist() == from_file.train.tokens_N.tolist()
    assert piped.valid.tokens_N.tolist() == from_file.valid.tokens_N.tolist()
    assert piped.files[0].path == "-" and piped.files[0].num_bytes == len(TEXT.encode())
    assert piped.files[0].sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    left = {str(path.relative_to(cache / "piped")) for path in cache.glob("piped/**/*")}
    assert left == {
        "CACHEDIR.TAG", piped.key, f"{piped.key}/entry.json", f"{piped.key}/tokens"
    }
    pipe(TEXT.encode())
    again = load_corpus(Sources(("-",)), config, cache=Cache(cache / "piped"))
    assert again.key == piped.key and len(list(cache.glob("piped/*"))) == 2


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
def test_an_error_in_standard_input_names_stdin_and_leaves_nothing(
    cache, pipe, data, message
):
    pipe(data)
    with pytest.raises(TextError, match=message):
        load_corpus(Sources(("-",)), TextConfig(), cache=Cache(cache))
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("names", [(("-", "-"),), (("-",), ("-",)), (("a",), ("-",), ("-",))])
def test_standard_input_given_twice_is_refused(cache, names):
    with pytest.raises(TextError, match="can be read once"):
        load_corpus(Sources(*names), TextConfig(), cache=Cache(cache))


def test_the_check_is_called_before_anything_is_encoded(tmp_path, cache, heard):
    (tmp_path / "text").write_text(TEXT, "utf-8", newline="")
    sources, told = Sources((str(tmp_path / "text"),)), []

    def check(key, files):
        told.append((key, files, tuple(heard.stages)))

    for _ in range(2):  # the second time from the cache
        heard.stages.clear()
        loaded = load_corpus(sources, TextConfig(), cache=Cache(cache), messages=heard, check=check)
        assert told.pop() == (loaded.key, loaded.files, ("reading",))
    assert loaded.files[0].num_bytes == len(TEXT.encode())


def test_an_error_of_the_check_leaves_no_entry_and_no_folder(tmp_path, cache, heard):
    (tmp_path / "text").write_text(TEXT, "utf-8")

    def check(key, files):
        raise TextError("the texts changed")

    with pytest.raises(TextError, match=r"^the texts changed$"):
        load_corpus(
            Sources((str(tmp_path / "text"),)), TextConfig(), cache=Cache(cache), messages=heard,
            check=check,
        )
    assert heard.stages == ["reading"] and list(cache.iterdir()) == []


def test_binary_files_of_a_folder_are_skipped_with_a_note(tmp_path, cache, heard):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_bytes(b"to be\n" * 9)
    (tmp_path / "in" / "b").write_bytes(b"\0")
    sources = Sources((str(tmp_path / "in"),))
    loaded = load_corpus(sources, TextConfig(), cache=Cache(cache), messages=heard)
    assert [file.path for file in loaded.files] == [str(tmp_path / "in" / "a")]
    assert len(heard.said) == 1 and str(tmp_path / "in" / "b") in heard.said[0]
    loaded = load_corpus(sources, TextConfig(level="byte"), cache=Cache(cache), messages=heard)
    assert len(loaded.files) == 2 and len(heard.said) == 1
