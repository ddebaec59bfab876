"""Bytes -> text: packed files, line ends, byte order marks, encodings, and where they fail."""

import bz2
import gzip
import lzma
import os
import random
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnlm_cli.errors import ConfigError, TextError
from rnnlm_cli.text import reading
from rnnlm_cli.text.reading import read_files, read_lines, read_text, rechunk_at_words, split_at

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def pack_zstd(data):
    """As the command zstd does it: with a checksum, unlike the library."""
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": pack_zstd}
DATA = "caf\u00e9 \u20ac\r\nb\r\n\r\nno line end".encode()
TEXT = DATA.decode().replace("\r\n", "\n")
WHITE = "".join(filter(str.isspace, map(chr, range(0x110000))))
EITHER = "\x1c\x1d\x1e\x1f"  # white space to Python, not to Unicode
CHUNKS = st.lists(st.text(st.sampled_from("ab\n\u20ac")))


@pytest.fixture
def file(tmp_path):
    def write(data, name="text"):
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return write


@pytest.fixture(params=[1, 2, 3, 1 << 20])
def chunk_bytes(request, monkeypatch):
    """Reads in pieces that cut characters and line ends apart."""
    monkeypatch.setattr(reading, "CHUNK_BYTES", request.param)


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
def test_text_is_decoded_without_mark_and_carriage_returns(file, chunk_bytes, data, encoding, text):
    assert read_text(file(data), encoding=encoding) == text


@given(data=st.binary(max_size=40))
def test_byte_level_text_gives_back_every_byte(tmp_path_factory, data):
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


def test_a_last_line_without_a_newline_counts_and_a_closing_newline_adds_none(file):
    assert list(read_lines(file(b"a\nb"), encoding="utf-8")) == ["a", "b"]
    assert list(read_lines(file(b"a\nb\n"), encoding="utf-8")) == ["a", "b"]
    assert list(read_lines(file(b""), encoding="utf-8")) == []


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_packed_file_gives_the_text_of_the_plain_one(file, chunk_bytes, suffix):
    pack = PACKERS[suffix]
    assert read_text(file(pack(DATA), f"text{suffix}"), encoding="utf-8") == TEXT
    assert read_text(file(pack(b""), f"none{suffix}"), encoding="utf-8") == ""
    plain = file(pack(DATA), f"text{suffix}.plain")
    assert read_text(plain, encoding=None).encode("utf-8", "surrogateescape") == pack(DATA)


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_members_one_after_the_other_are_one_text(file, chunk_bytes, suffix):
    pieces = DATA[:5], b"", DATA[5:17], DATA[17:]  # cut inside a character and a line end
    path = file(b"".join(map(PACKERS[suffix], pieces)), f"text{suffix}")
    assert read_text(path, encoding="utf-8") == TEXT


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_packed_file_cut_short_anywhere_is_an_error_in_one_line(file, suffix):
    packed = PACKERS[suffix](DATA)
    for size in range(1, len(packed)):
        path = file(packed[:size], f"text{suffix}")
        with pytest.raises(TextError) as caught:
            read_text(path, encoding="utf-8")
        message = str(caught.value)
        assert message.startswith(f"{path}: cannot be decompressed (") and "\n" not in message


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_byte_changed_in_a_packed_file_is_an_error_or_makes_no_difference(file, suffix, mask):
    packed = PACKERS[suffix](DATA)
    num_errors = 0
    for at in range(len(packed)):
        path = file(packed[:at] + bytes([packed[at] ^ mask]) + packed[at + 1 :], f"text{suffix}")
        try:
            assert read_text(path, encoding="utf-8") == TEXT
        except TextError as error:
            num_errors += 1
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
    assert num_errors > len(packed) / 2


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_plain_text_with_the_name_of_a_packed_one_is_refused(file, suffix):
    with pytest.raises(TextError, match="cannot be decompressed"):
        read_text(file(DATA, f"text{suffix}"), encoding="utf-8")


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_standard_input_is_known_by_its_first_bytes(pipe, chunk_bytes, suffix):
    pipe(PACKERS[suffix](DATA[:9]) + PACKERS[suffix](DATA[9:]))
    assert read_text("-", encoding="utf-8") == TEXT


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_standard_input_cut_short_is_an_error(pipe, suffix):
    pipe(PACKERS[suffix](DATA)[:-1])
    with pytest.raises(TextError, match=r"^-: cannot be decompressed"):
        read_text("-", encoding="utf-8")


@pytest.mark.parametrize(
    "data",
    [b"", b"a", b"BZ", b"BZh9", b"BZh9 and on", b"BZh, a tale.\n", b"BZh91AY&S", b"123456789",
     b"1234567890", b"1234567890a", b"\x1f\x8b", b"\xfd7zXZ", b"\x28\xb5\x2f", DATA],
)
def test_plain_standard_input_is_read_as_it_is(pipe, chunk_bytes, data):
    pipe(data)
    assert read_text("-", encoding=None).encode("utf-8", "surrogateescape") == data


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
def test_files_are_set_apart_by_a_line_end_where_one_lacks_its_own(
    file, chunk_bytes, contents, text
):
    paths = [file(data, str(k)) for k, data in enumerate(contents)]
    assert "".join(read_files(paths, encoding="utf-8")) == text


def test_files_at_byte_level_keep_their_marks_and_carriage_returns(file, chunk_bytes):
    contents = {"1": b"\xef\xbb\xbfa\r\n", "2": b"\xff\r", "3.gz": gzip.compress(b"\nb")}
    paths = [file(data, name) for name, data in contents.items()]
    text = "".join(read_files(paths, encoding=None))
    assert text.encode("utf-8", "surrogateescape") == b"\xef\xbb\xbfa\r\n\xff\r\n\nb"


def test_half_a_surrogate_pair_is_no_text(file):
    with pytest.raises(TextError):
        read_text(file(b"a+2AA-"), encoding="utf-7")


@given(CHUNKS, st.none() | st.integers(0, 9))
def test_a_text_in_two_is_its_slices_however_it_is_cut_and_read_once(chunks, at):
    first, second = map(list, split_at(iter(chunks), at))
    text = "".join(chunks)
    assert "".join(first) == text[:at]
    assert "".join(second) == ("" if at is None else text[at:])
    assert all(first + second)


@given(st.lists(st.text(st.sampled_from("ab\u200b! \n") | st.sampled_from(WHITE), max_size=5)))
def test_whole_words_keep_the_text_and_cut_only_between_a_word_and_white_space(chunks):
    pieces = list(rechunk_at_words(chunks))
    assert "".join(pieces) == "".join(chunks)
    assert all(pieces)
    for before, after in pairwise(pieces):
        assert before[-1] not in set(WHITE) - set(EITHER) and after[0].isspace()


def test_whole_words_are_given_as_soon_as_they_are_whole():
    chunks = ["aa b", "b c", " ", "\nd", "d e\t", "f  g", "\u2028h i", "\x0bj\tk"]
    assert list(rechunk_at_words(chunks)) == [
        "aa", " bb", " c \ndd e", "\tf", "  g\u2028h", " i\x0bj", "\tk"
    ]


@pytest.mark.parametrize("suffix", ["", *PACKERS])
@pytest.mark.parametrize("size", [1, 20_000])
def test_progress_sums_to_the_size_of_the_file(file, monkeypatch, suffix, size):
    monkeypatch.setattr(reading, "CHUNK_BYTES", 999)
    noise = random.Random(3).randbytes(size)  # cannot be packed: the file has several buffers
    packed = PACKERS.get(suffix, bytes)(noise)
    told = []
    path = file(packed, f"text{suffix}")
    read = "".join(reading.read_chunks(path, encoding=None, advance=told.append))
    assert read.encode("utf-8", "surrogateescape") == noise
    assert min(told) >= 0 and sum(told) == len(packed)


def test_progress_of_a_real_pipe_counts_what_was_read(monkeypatch):
    monkeypatch.setattr(reading, "CHUNK_BYTES", 7)
    told = []
    out, into = os.pipe()
    os.write(into, DATA)
    os.close(into)
    with open(out, encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert "".join(reading.read_chunks("-", encoding="utf-8", advance=told.append)) == TEXT
    assert sum(told) == len(DATA)
