"""Bytes -> text: line ends, byte order marks, encodings, and where they fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnlm_cli.errors import ConfigError, TextError
from rnnlm_cli.text import reading
from rnnlm_cli.text.reading import read_lines, read_text


@pytest.fixture
def file(tmp_path):
    def write(data):
        path = tmp_path / "text"
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
