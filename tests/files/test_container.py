"""Files of named arrays and a description: read back, checked, and consistent while replaced."""

import json
import os

import numpy as np
import pytest
from safetensors.numpy import load_file

from rnnlm_cli.errors import ModelFileError
from rnnlm_cli.files import safetensors_header
from rnnlm_cli.files.container import (
    UNSOUND,
    FileFormat,
    encode_canonical,
    open_container,
    read_description,
    write_container,
)

FORMAT = FileFormat(
    "rnnlm-test", 3, "test file", "'rnnlm test'", "Write it again", min_version=2,
    if_older="Write it again with this version",
)
DESCRIPTION = {"words": ["a", "\u00e9\n"], "rate": 0.1}
ARRAYS = {
    "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "steps": np.array(7, dtype=np.int64),
    "empty": np.zeros((0, 4), dtype=np.float32),
}
SHAPES = {"weight": ((2, 3), "float32"), "steps": ((), "int64"), "empty": ((0, 4), "float32")}


@pytest.fixture
def path(tmp_path):
    write_container(tmp_path / "file", FORMAT, DESCRIPTION, ARRAYS)
    return tmp_path / "file"


def read(path, shapes=SHAPES):
    with open_container(path, FORMAT) as file:
        return file.read_arrays(shapes)


def assert_refused(path, message, shapes=SHAPES):
    with pytest.raises(ModelFileError, match=message) as caught:
        read(path, shapes)
    assert str(caught.value).startswith(f"{path}: ") and str(caught.value).isprintable()


def rewrite_header(path, change):
    """Change the header of a file, and leave the bytes of the arrays as they are."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[end:])


def rewrite_description(path, **changes):
    def change(header):
        description = json.loads(header["__metadata__"]["rnnlm"])
        header["__metadata__"]["rnnlm"] = json.dumps(description | changes)

    rewrite_header(path, change)


def test_arrays_and_description_are_read_back(path):
    arrays = read(path)
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array, strict=True)
    description = read_description(path, FORMAT)
    assert description.pop("sha256") and description == DESCRIPTION | {
        "format": "rnnlm-test", "version": 3,
    }


def test_the_safetensors_library_reads_the_same_arrays(path):
    for name, array in load_file(path).items():
        np.testing.assert_array_equal(array, ARRAYS[name], strict=True)


def test_a_file_replaced_while_it_is_read_is_read_as_the_file_that_was_opened(path):
    other = {name: array + 1 for name, array in ARRAYS.items()}
    with open_container(path, FORMAT) as file:
        write_container(path, FORMAT, {"words": ["b"] * 99}, other)
        np.testing.assert_array_equal(file.read_arrays(SHAPES)["weight"], ARRAYS["weight"])
        assert file.description["words"] == DESCRIPTION["words"]
    np.testing.assert_array_equal(read(path)["weight"], other["weight"])


def test_a_file_deleted_while_it_is_read_is_read_whole(path):
    with open_container(path, FORMAT) as file:
        path.unlink()
        assert file.read_arrays(SHAPES)["steps"] == 7


def test_a_file_truncated_while_it_is_read_is_refused(path):
    with open_container(path, FORMAT) as file:
        os.truncate(path, os.path.getsize(path) - 1)
        with pytest.raises(ModelFileError, match="cut short while it was read"):
            file.read_arrays(SHAPES)


def test_an_altered_array_is_refused(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert_refused(path, "checksum")


@pytest.mark.parametrize(
    "shapes",
    [
        {"weight": SHAPES["weight"]},
        SHAPES | {"more": ((), "float32")},
        SHAPES | {"weight": ((3, 2), "float32")},
        SHAPES | {"weight": ((2, 3), "int64")},
        SHAPES | {"weight": ((1 << 40, 3), "float32")},
    ],
)
def test_arrays_other_than_the_expected_ones_are_refused(path, shapes):
    assert_refused(path, "do not fit", shapes)


def test_a_shape_that_its_bytes_cannot_hold_is_refused_before_anything_is_allocated(path):
    rewrite_header(path, lambda header: header["weight"].update(shape=[1 << 50, 3]))
    assert_refused(path, "do not fit", SHAPES | {"weight": ((1 << 50, 3), "float32")})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 4}, "has format 4, from a newer rnnlm; this one reads up to 3"),
        ({"version": 1}, "has format 1, from an older rnnlm; .* Write it again with this version$"),
        ({"version": 0}, "its version is not a number above 0"),
        ({"version": True}, "its version is not a number above 0"),
        ({"version": "3"}, "its version is not a number above 0"),
        ({"version": 2}, "checksum"),  # a version that is read
        ({"format": "rnnlm-model"}, "is an rnnlm-model file; a test file written by 'rnnlm test'"),
        ({"format": "rnnlm-\n"}, "another program"),
        ({"format": ["rnnlm-test"]}, "another program"),
        ({"rate": float("nan")}, "not JSON"),
        ({"rate": 0.2}, "checksum"),
        ({"sha256": None}, "checksum"),
    ],
)
def test_a_changed_description_is_refused(path, changes, message):
    rewrite_description(path, **changes)
    assert_refused(path, message)


def test_files_that_cannot_be_opened_are_named(tmp_path):
    assert_refused(tmp_path / "none", "no such test file; 'rnnlm test' writes one")
    assert_refused(tmp_path, "is a folder; a test file is needed")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no test file"),
        (b"To be, or not to be", "is no test file"),
        (b"\x80\x04\x95 a pickle", "is a pickle"),
        (b"\x09" + bytes(7) + b"{}", "cut short or its header is broken"),
        (b"\x02" + bytes(7) + b"{}", "another program"),
    ],
)
def test_other_files_are_refused(tmp_path, data, message):
    (tmp_path / "file").write_bytes(data)
    assert_refused(tmp_path / "file", message)


def test_a_header_that_nothing_could_read_back_is_not_written(path, monkeypatch):
    before = path.read_bytes()
    monkeypatch.setattr(safetensors_header, "MAX_HEADER_BYTES", 1000)
    with pytest.raises(ModelFileError, match="Train with a smaller --vocab-size"):
        write_container(path, FORMAT, {"words": ["a"] * 400}, ARRAYS)
    assert path.read_bytes() == before and os.listdir(path.parent) == ["file"]
    write_container(path, FORMAT, DESCRIPTION, ARRAYS)


def test_an_error_inside_the_block_stays_as_it_is_and_the_file_is_closed(path):
    with pytest.raises(PermissionError), open_container(path, FORMAT) as file:
        raise PermissionError
    with pytest.raises(ValueError, match="closed"):
        file.read_arrays(SHAPES)


def test_a_description_of_the_wrong_structure_causes_unsound_errors_only():
    with pytest.raises(UNSOUND):
        raise RecursionError
    assert not issubclass(ModelFileError, UNSOUND)


def test_canonical_json_does_not_depend_on_the_order_of_keys():
    assert encode_canonical({"b": 1, "a": "\u00e9"}) == '{"a":"\\u00e9","b":1}'
    with pytest.raises(ValueError, match="JSON compliant"):
        encode_canonical({"a": float("nan")})
