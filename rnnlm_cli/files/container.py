"""The layout of model files and checkpoints: named arrays and a description. No code is run.

Layout: safetensors, with exactly one metadata entry, "rnnlm": canonical JSON (sorted keys,
separators "," and ":", ASCII, no NaN) of the description, which has the keys

    format      the tag of the file format
    version     of that format
    sha256      of that JSON without this key and then, by sorted name, of each array's name,
                dtype, shape and bytes
    ...         the keys of that format

A file is opened once and read from that one descriptor, so that a file which is replaced by a
rename in the meantime is still read as one consistent file.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.errors import ConfigError, ModelFileError
from rnnlm_cli.files import safetensors_header
from rnnlm_cli.files.atomic import replace_file
from rnnlm_cli.files.file_format import FileFormat as FileFormat
from rnnlm_cli.files.regular_file import open_regular_file
from rnnlm_cli.files.safetensors_header import METADATA_KEY, Header, HeaderError, read_header

DTYPES = {"float32": "F32", "int64": "I64"}  # safetensors' names by numpy's
# The errors that a description of the wrong structure can cause in code that interprets it.
UNSOUND = (
    ConfigError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, ArithmeticError
)

Arrays = dict[str, NDArray[Any]]
Shapes = Mapping[str, tuple[tuple[int, ...], str]]  # by name: shape and numpy's name of the dtype


def write_container(
    path: Path, file_format: FileFormat, description: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
) -> None:
    """Write a file whole or not at all; on failure the old file stays.

    Raises: FileError if the disk or the folder does not take the file; ModelFileError if the
        description is longer than any reader accepts.
    """
    whole = dict(description) | {"format": file_format.tag, "version": file_format.version}
    whole["sha256"] = _compute_checksum(whole, arrays)
    header: dict[str, Any] = {"__metadata__": {METADATA_KEY: encode_canonical(whole)}}
    # The widest dtype comes first, so that every array is aligned.
    names = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    begin = 0
    for name in names:
        array = arrays[name]
        end = begin + array.nbytes
        header[name] = {
            "dtype": DTYPES[array.dtype.name], "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
        begin = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > safetensors_header.MAX_HEADER_BYTES:
        raise ModelFileError(
            f"{path}: the description of this {file_format.name} takes {len(text):,} bytes, and "
            f"at most {safetensors_header.MAX_HEADER_BYTES:,} can be read back; a smaller "
            "vocabulary is needed. Train with a smaller --vocab-size"
        )
    replace_file(path, len(text).to_bytes(8, "little"), text, *(arrays[name] for name in names))


def read_description(path: Path, file_format: FileFormat) -> dict[str, Any]:
    """Return the description of a file; its arrays and its checksum are not looked at.

    Raises: ModelFileError for a file that is missing, unreadable, foreign, too old or too new.
    """
    with open_container(path, file_format) as container:
        return container.description


class Container:
    """An open file, whose header and version have been checked and whose arrays have not.

    Made by `open_container`.
    """

    def __init__(
        self, path: Path, file_format: FileFormat, description: dict[str, Any], file: IO[bytes],
        header: Header,
    ) -> None:
        self.path = path
        self.file_format = file_format
        self.description = description
        self._file = file
        self._header = header

    def read_arrays(self, shapes: Shapes) -> Arrays:
        """Read all arrays and check them.

        Args:
            shapes: the arrays that the file must have according to its description.
        Raises: ModelFileError if the file has other arrays, in which case nothing was allocated;
            if it is cut short; or if its checksum does not match.
        """
        entries = self._header.entries
        found = {name: (entry.shape, entry.dtype) for name, entry in entries.items()}
        if found != {name: (shape, DTYPES[dtype]) for name, (shape, dtype) in shapes.items()}:
            raise self.damaged("its weights do not fit its description")
        for name, (shape, dtype) in shapes.items():
            num_bytes = math.prod(shape) * np.dtype(dtype).itemsize
            if entries[name].end - entries[name].begin != num_bytes:
                raise self.damaged("its weights do not fit its description")
        arrays: Arrays = {}
        for name, (shape, dtype) in shapes.items():
            arrays[name] = self._read_array(entries[name].begin, math.prod(shape), dtype)
            arrays[name] = arrays[name].reshape(shape)
        if _compute_checksum(self.description, arrays) != self.description.get("sha256"):
            raise self.damaged("its checksum does not match its contents")
        return arrays

    def damaged(self, reason: str) -> ModelFileError:
        """Return the error that says in what way the file is damaged."""
        return self.file_format.damage_error(self.path, reason)

    def _read_array(self, begin: int, size: int, dtype: str) -> NDArray[Any]:
        """Read one array into separate memory: a memory map would change with the file."""
        with self.file_format.translate_errors(self.path):
            self._file.seek(self._header.data_begin + begin)
            array: NDArray[Any] = np.fromfile(self._file, dtype, size)
        if array.size != size:
            raise self.damaged("it was cut short while it was read")
        return array


@contextmanager
def open_container(path: Path, file_format: FileFormat) -> Iterator[Container]:
    """Open a file, check its header, its format and its version, and close it afterwards.

    Raises: ModelFileError for a file that is missing, unreadable, foreign, too old or too new.
    """
    with file_format.translate_errors(path):
        file = open_regular_file(path)
    with file:
        with file_format.translate_errors(path):
            try:
                header = read_header(file)
            except HeaderError:
                file.seek(0)
                raise file_format.unreadable_error(path, file.read(8)) from None
        description = _parse_description(path, file_format, header.metadata)
        yield Container(path, file_format, description, file, header)


def encode_canonical(description: Mapping[str, Any]) -> str:
    """Return canonical JSON: equal descriptions give equal text. Raises: ValueError for NaN."""
    return json.dumps(
        description, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def _compute_checksum(description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 that the key "sha256" of the layout holds."""
    unsigned = {key: value for key, value in description.items() if key != "sha256"}
    digest = hashlib.sha256(encode_canonical(unsigned).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} torch.{array.dtype} {list(array.shape)}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _parse_description(
    path: Path, file_format: FileFormat, metadata: Mapping[str, str]
) -> dict[str, Any]:
    """Parse the JSON of a file, and check that its format and its version can be read."""
    try:
        description = json.loads(metadata[METADATA_KEY])
        tag, version = description["format"], description["version"]
    except KeyError:
        tag, version = None, None
    except (ValueError, TypeError, RecursionError):
        raise file_format.damage_error(path, "its description is not JSON") from None
    if tag != file_format.tag:
        raise file_format.foreign_error(path, tag)
    assert isinstance(description, dict)
    file_format.check_version(path, version)
    try:
        encode_canonical(description)  # fails for NaN, which json.loads accepts
    except (ValueError, RecursionError):
        raise file_format.damage_error(path, "its description is not JSON") from None
    return description
