"""Compressed files and compressed standard input, complete, damaged and truncated."""

import bz2
import gzip
import lzma
import random
import sys

import pytest

from rnnlm_cli.errors import TextError
from rnnlm_cli.text import raw_bytes, reading
from rnnlm_cli.text.reading import read_text

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def compress_zstd(data):
    """Compress with a checksum, as the command zstd does and the library does not by default."""
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


COMPRESSORS = {
    ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": compress_zstd
}
DATA = "caf\u00e9 \u20ac\r\nb\r\n\r\nno line end".encode()
TEXT = DATA.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_a_compressed_file_has_the_text_of_the_plain_file(file, chunk_bytes, suffix):
    compress = COMPRESSORS[suffix]
    assert read_text(file(compress(DATA), f"text{suffix}"), encoding="utf-8") == TEXT
    assert read_text(file(compress(b""), f"none{suffix}"), encoding="utf-8") == ""
    plain = file(compress(DATA), f"text{suffix}.plain")
    assert read_text(plain, encoding=None).encode("utf-8", "surrogateescape") == compress(DATA)


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_concatenated_compressed_files_are_one_text(file, chunk_bytes, suffix):
    pieces = DATA[:5], b"", DATA[5:17], DATA[17:]  # cut inside a character and a line end
    path = file(b"".join(map(COMPRESSORS[suffix], pieces)), f"text{suffix}")
    assert read_text(path, encoding="utf-8") == TEXT


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_a_truncated_compressed_file_is_an_error_in_one_line(file, suffix):
    compressed = COMPRESSORS[suffix](DATA)
    for size in range(1, len(compressed)):
        path = file(compressed[:size], f"text{suffix}")
        with pytest.raises(TextError) as caught:
            read_text(path, encoding="utf-8")
        message = str(caught.value)
        assert message.startswith(f"{path}: cannot be decompressed (") and "\n" not in message


@pytest.mark.parametrize("suffix", COMPRESSORS)
@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_changed_byte_in_a_compressed_file_is_an_error_or_has_no_effect(file, suffix, mask):
    compressed = COMPRESSORS[suffix](DATA)
    num_errors = 0
    for at in range(len(compressed)):
        damaged = compressed[:at] + bytes([compressed[at] ^ mask]) + compressed[at + 1 :]
        path = file(damaged, f"text{suffix}")
        try:
            assert read_text(path, encoding="utf-8") == TEXT
        except TextError as error:
            num_errors += 1
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
    assert num_errors > len(compressed) / 2


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_a_plain_text_with_a_compression_suffix_is_refused(file, suffix):
    with pytest.raises(TextError, match="cannot be decompressed"):
        read_text(file(DATA, f"text{suffix}"), encoding="utf-8")


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_compressed_standard_input_is_recognised_by_its_first_bytes(pipe, chunk_bytes, suffix):
    pipe(COMPRESSORS[suffix](DATA[:9]) + COMPRESSORS[suffix](DATA[9:]))
    assert read_text("-", encoding="utf-8") == TEXT


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_truncated_standard_input_is_an_error(pipe, suffix):
    pipe(COMPRESSORS[suffix](DATA)[:-1])
    with pytest.raises(TextError, match=r"^-: cannot be decompressed"):
        read_text("-", encoding="utf-8")


@pytest.mark.parametrize(
    "data",
    [b"", b"a", b"BZ", b"BZh9", b"BZh9 and on", b"BZh, a tale.\n", b"BZh91AY&S", b"123456789",
     b"1234567890", b"1234567890a", b"\x1f\x8b", b"\xfd7zXZ", b"\x28\xb5\x2f", DATA],
)
def test_plain_standard_input_is_not_changed(pipe, chunk_bytes, data):
    pipe(data)
    assert read_text("-", encoding=None).encode("utf-8", "surrogateescape") == data


@pytest.mark.parametrize("suffix", ["", *COMPRESSORS])
@pytest.mark.parametrize("size", [1, 20_000])
def test_progress_adds_up_to_the_size_of_the_compressed_file(file, monkeypatch, suffix, size):
    monkeypatch.setattr(raw_bytes, "CHUNK_BYTES", 999)
    noise = random.Random(3).randbytes(size)  # cannot be compressed: the file has several buffers
    compressed = COMPRESSORS.get(suffix, bytes)(noise)
    told = []
    path = file(compressed, f"text{suffix}")
    read = "".join(reading.read_chunks(path, encoding=None, advance=told.append))
    assert read.encode("utf-8", "surrogateescape") == noise
    assert min(told) >= 0 and sum(told) == len(compressed)
