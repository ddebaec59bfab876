"""Headers of safetensors files: what the safetensors library writes is read, the rest refused."""

import io
import json

import numpy as np
import pytest
from safetensors.numpy import save

from rnnlm_cli.files import safetensors_header
from rnnlm_cli.files.safetensors_header import ArrayEntry, HeaderError, read_header

ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def read(tmp_path, data):
    (tmp_path / "file").write_bytes(data)
    with (tmp_path / "file").open("rb") as file:
        return read_header(file)


def with_text(text, data=bytes(8)):
    return len(text).to_bytes(8, "little") + text + data


def with_header(header):
    return with_text(json.dumps(header).encode())


def test_what_the_safetensors_library_writes_is_read(tmp_path):
    arrays = {"a": np.zeros((2, 3), np.float32), "b": np.zeros(5, np.int64), "c": np.zeros(0)}
    data = save(arrays, {"rnnlm": "text", "\u4e2d": "\u00e9"})
    header = read(tmp_path, data)
    assert header.metadata == {"rnnlm": "text", "\u4e2d": "\u00e9"}
    assert header.entries.keys() == arrays.keys()
    assert header.entries["a"].shape == (2, 3) and header.entries["a"].dtype == "F32"
    sizes = {name: entry.end - entry.begin for name, entry in header.entries.items()}
    assert sizes == {name: array.nbytes for name, array in arrays.items()}
    assert header.data_begin + sum(sizes.values()) == len(data)


def test_a_header_is_padded_with_spaces_and_may_have_no_metadata(tmp_path):
    text = json.dumps({"x": ENTRY}).encode() + b"   "
    header = read(tmp_path, with_text(text))
    assert header.entries == {"x": ArrayEntry("F32", (2,), 0, 8)}
    assert header.metadata == {} and header.data_begin == 8 + len(text)


@pytest.mark.parametrize(
    "data",
    [
        b"", bytes(7), bytes(8), with_text(b"{}"), with_text(b"{}", b"")[:-1],
        with_header({"x": ENTRY})[:-1], with_header({"x": ENTRY}) + b"\0",
        with_text(b" " + json.dumps({"x": ENTRY}).encode()),
        with_text(b"\xef\xbb\xbf" + json.dumps({"x": ENTRY}).encode()),
        with_text(json.dumps({"x": ENTRY}).encode("utf-16")),
        with_text(b'{"\xff":' + json.dumps(ENTRY).encode() + b"}"),
        with_text(f'{{"x":{json.dumps(ENTRY)},"x":{json.dumps(ENTRY)}}}'.encode()),
        with_text(b'{"x":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}'),
        with_text(b'{"x":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}'),
        with_text(b"[" * 100_000 + b"]" * 100_000),
        with_text(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        with_header({"x": ENTRY | {"dtype": 5}}),
        with_header({"x": ENTRY | {"shape": [2.0]}}),
        with_header({"x": ENTRY | {"shape": [-2]}}),
        with_header({"x": ENTRY | {"shape": [True]}}),
        with_header({"x": ENTRY | {"shape": 2}}),
        with_header({"x": ENTRY | {"data_offsets": [0, 4, 8]}}),
        with_header({"x": ENTRY | {"data_offsets": [1, 8]}}),
        with_header({"x": ENTRY | {"data_offsets": [8, 0]}}),
        with_header({"x": ENTRY | {"data_offsets": [0, 1 << 64]}}),
        with_header({"x": ENTRY, "y": ENTRY}),  # two arrays that share their bytes
        with_header({"x": ENTRY | {"data_offsets": [0, 4]}}),  # bytes that belong to no array
        with_header({"x": ENTRY | {"more": 1}}),
        with_header({"x": {"dtype": "F32", "shape": [2]}}),
        with_header({"x": None}),
        with_header({"x": ENTRY, "__metadata__": None}),
        with_header({"x": ENTRY, "__metadata__": {"rnnlm": {}}}),
    ],
)
def test_a_header_that_breaks_a_rule_is_refused(tmp_path, data):
    assert read(tmp_path, with_header({"x": ENTRY}))
    with pytest.raises(HeaderError):
        read(tmp_path, data)


def test_a_header_larger_than_the_limit_is_refused_unread(tmp_path, monkeypatch):
    data = with_header({"x": ENTRY})
    monkeypatch.setattr(safetensors_header, "MAX_HEADER_BYTES", len(data) - 16)
    assert read(tmp_path, data)
    monkeypatch.setattr(safetensors_header, "MAX_HEADER_BYTES", len(data) - 17)
    with pytest.raises(HeaderError):
        read(tmp_path, data)


def test_a_header_is_read_from_the_beginning_wherever_the_file_stands(tmp_path):
    (tmp_path / "file").write_bytes(with_header({"x": ENTRY}))
    with (tmp_path / "file").open("rb") as file:
        file.seek(0, io.SEEK_END)
        assert read_header(file).entries.keys() == {"x"}
