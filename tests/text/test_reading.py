"""Bytes -> text: newlines, byte order marks, encodings, errors, and chunks."""

import gzip
import os
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnlm_cli.errors import ConfigError, TextError
from rnnlm_cli.text import raw_bytes, reading
from rnnlm_cli.text.reading import read_files, read_lines, read_text, rechunk_at_words, split_at

DATA = "caf\u00e9 \u20ac\r\nb\r\n\r\nno line end".encode()
TEXT = DATA.decode().replace("\r\n", "\n")
WHITE = "".join(filter(str.isspace, map(chr, range(0x110000))))
DISPUTED = "\x1c\x1d\x1e\x1f"  # white space according to Python, but not to Unicode
CHUNKS = st.lists(st.text(st.sampled_from("ab\n\u20ac")))


@pytest.mark.parametrize(
    ("data", "encoding", "text"),
    [
        ("a\r\nb\n\u00e9\u20ac".encode(), "utf-8", "a\nb\n\u00e9\u20ac"),
        (b"\xef\xbb\xbfa\r\n\r\n", "utf-8", "a\n\n"),
        (b"lone\rstays\r", "utf-8", "lone\rstays\r"),
        ("\u00e9\n".encode("utf-16"), "utf-16", "\u00e9\n"),
        (b"\xe9\r\n", "latin-1", "\u00e9\n"),
        (b"a\xef\xbb\xbf", "utf-8", "a\ufeff"),
        (b"", "utf-8", ""),
    ],
)
def test_decoding_removes_byte_order_mark_and_crlf(file, chunk_bytes, data, encoding, text):
    assert read_text(file(data), encoding=encoding) == text


@given(data=st.binary(max_size=40))
def test_byte_level_text_restores_every_byte(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("bytes") / "raw"
    path.write_bytes(data)
    text = read_text(str(path), encoding=None)
    assert text.encode("utf-8", "surrogateescape") == data


@pytest.mark.parametrize(
    ("data", "offset"), [(b"ab\xffcd", 2), (b"\xc3", 0), ("\u20ac\u20ac".encode()[:-1] + b"x", 3)]
)
def test_a_bad_byte_is_named_by_file_and_offset(file, chunk_bytes, data, offset):
    path = file(data)
    with pytest.raises(TextError) as caught:
        read_text(path, encoding="utf-8")
    message = str(caught.value)
    assert path in message and f"byte {offset} " in message
    assert "--encoding" in message and "--level byte" in message


@pytest.mark.parametrize("encoding", ["no-such", "rot13", "hex"])
def test_an_unknown_encoding_is_refused(file, encoding):
    with pytest.raises(ConfigError, match="--encoding"):
        read_text(file(b"a"), encoding=encoding)


def test_lines_split_at_the_newline_only(file, chunk_bytes):
    path = file("a\x0bb\u2028c\x85\n\nd\x1ce".encode())
    assert list(read_lines(path, encoding="utf-8")) == ["a\x0bb\u2028c\x85", "", "d\x1ce"]


def test_a_last_line_needs_no_newline_and_a_final_newline_adds_no_line(file):
    assert list(read_lines(file(b"a\nb"), encoding="utf-8")) == ["a", "b"]
    assert list(read_lines(file(b"a\nb\n"), encoding="utf-8")) == ["a", "b"]
    assert list(read_lines(file(b""), encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("contents", "text"),
    [
        ([], ""),
        ([b"a", b"b"], "a\nb"),
        ([b"a\n", b"b\n"], "a\nb\n"),
        ([b"a", b"", b"", b"b", b""], "a\nb"),
        ([b"", b"a\n", b"", b"b"], "a\nb"),
        ([b"a", b"\n"], "a\n\n"),
        ([b"a\r\n", b"b\r\n"], "a\nb\n"),
        ([b"a\r", b"\nb"], "a\r\n\nb"),
        ([b"\xef\xbb\xbfa", b"\xef\xbb\xbf", b"\xef\xbb\xbfb\xef\xbb\xbf"], "a\nb\ufeff"),
    ],
)
def test_files_without_a_final_newline_are_separated_by_one(
    file, chunk_bytes, contents, text
):
    paths = [file(data, str(k)) for k, data in enumerate(contents)]
    assert "".join(read_files(paths, encoding="utf-8")) == text


def test_files_at_byte_level_keep_byte_order_marks_and_carriage_returns(file, chunk_bytes):
    contents = {"1": b"\xef\xbb\xbfa\r\n", "2": b"\xff\r", "3.gz": gzip.compress(b"\nb")}
    paths = [file(data, name) for name, data in contents.items()]
    text = "".join(read_files(paths, encoding=None))
    assert text.encode("utf-8", "surrogateescape") == b"\xef\xbb\xbfa\r\n\xff\r\n\nb"


def test_a_lone_surrogate_is_refused(file):
    with pytest.raises(TextError):
        read_text(file(b"a+2AA-"), encoding="utf-7")


@given(CHUNKS, st.none() | st.integers(0, 9))
def test_a_split_text_is_its_two_slices_for_any_chunks(chunks, at):
    first, second = map(list, split_at(iter(chunks), at))
    text = "".join(chunks)
    assert "".join(first) == text[:at]
    assert "".join(second) == ("" if at is None else text[at:])
    assert all(first + second)


@given(st.lists(st.text(st.sampled_from("ab\u200b! \n") | st.sampled_from(WHITE), max_size=5)))
def test_chunks_at_words_keep_the_text_and_end_between_a_word_and_white_space(chunks):
    pieces = list(rechunk_at_words(chunks))
    assert "".join(pieces) == "".join(chunks)
    assert all(pieces)
    for before, after in pairwise(pieces):
        assert before[-1] not in set(WHITE) - set(DISPUTED) and after[0].isspace()


def test_chunks_at_words_are_yielded_as_soon_as_a_word_is_complete():
    chunks = ["aa b", "b c", " ", "\nd", "d e\t", "f  g", "\u2028h i", "\x0bj\tk"]
    assert list(rechunk_at_words(chunks)) == [
        "aa", " bb", " c \ndd e", "\tf", "  g\u2028h", " i\x0bj", "\tk"
    ]


def test_progress_of_a_pipe_counts_the_bytes_that_were_read(monkeypatch):
    monkeypatch.setattr(raw_bytes, "CHUNK_BYTES", 7)
    told = []
    out, into = os.pipe()
    os.write(into, DATA)
    os.close(into)
    with open(out, encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert "".join(reading.read_chunks("-", encoding="utf-8", advance=told.append)) == TEXT
    assert sum(told) == len(DATA)


def test_lines_are_read_in_linear_time(file, monkeypatch):
    """Adding every chunk to the rest of the line would copy a long line again and again."""
    monkeypatch.setattr(raw_bytes, "CHUNK_BYTES", 1 << 10)
    joined = 0

    class CountingChunk(str):
        def __radd__(self, other):
            nonlocal joined
            joined += len(other) + len(self)
            return other + str(self)

    usual = reading.read_chunks
    monkeypatch.setattr(
        reading, "read_chunks", lambda *a, **k: map(CountingChunk, usual(*a, **k))
    )
    path = file(b"x" * (1 << 17) + b"\nend\n")
    assert list(read_lines(path, encoding="utf-8")) == ["x" * (1 << 17), "end"]
    assert joined == 0


def test_a_text_without_white_space_is_not_held_in_memory(monkeypatch):
    monkeypatch.setattr(reading, "MAX_WORD_CHARACTERS", 100)
    assert list(rechunk_at_words(["x" * 60, "y" * 40, "z z"])) == ["x" * 60 + "y" * 40 + "z", " z"]
    with pytest.raises(TextError, match=r"no white space in 120 characters.*--level char"):
        list(rechunk_at_words(["x" * 60, "y" * 60, " z"]))
