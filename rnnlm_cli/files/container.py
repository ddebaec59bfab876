"""A file of named arrays and a description: written whole, checked when read. No code runs.

Layout: safetensors, with exactly one metadata entry, "rnnlm": canonical JSON (sorted keys,
separators "," and ":", ASCII, no NaN) of the description, which holds

    format      what kind of file it is
    version     of that kind
    sha256      of that JSON without this key and then, by sorted name, of each array's name,
                dtype, shape and bytes
    ...         what the kind says
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from rnnlm_cli.errors import ConfigError, ModelFileError
from rnnlm_cli.files.atomic import replace_file

METADATA_KEY = "rnnlm"
MAX_HEADER_BYTES = 100_000_000  # bytes, as the safetensors library has it
DTYPES = {"float32": "F32", "int64": "I64"}
UNSOUND = (ValueError, TypeError, LookupError, AttributeError, RuntimeError, ArithmeticError)
PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")

Arrays = dict[str, NDArray[Any]]
Shapes = Mapping[str, tuple[tuple[int, ...], str]]  # by name: shape and numpy's name of the dtype


@dataclass(frozen=True)
class FileFormat:
    """What a file of ours is.

    Args:
        format: stands in the file.
        version: the newest that is read.
        name: for messages.
        written_by: for messages, the command that writes one.
        remedy: for messages, what to do when one is damaged.
    """

    format: str
    version: int
    name: str
    written_by: str
    remedy: str


def write(
    path: Path, kind: FileFormat, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Write a file whole or not at all.

    Raises: ModelFileError where the disk or the folder does not take it; an old file stays.
    """
    described = dict(description) | {"format": kind.format, "version": kind.version}
    described["sha256"] = _checksum(described, arrays)
    header: dict[str, Any] = {"__metadata__": {METADATA_KEY: canonical(described)}}
    names = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))  # keeps them aligned
    begin = 0
    for name in names:
        array = arrays[name]
        end = begin + array.nbytes
        header[name] = {
            "dtype": DTYPES[array.dtype.name], "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
        begin = end
    head = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode()
    head += b" " * (-len(head) % 8)
    replace_file(path, len(head).to_bytes(8, "little"), head, *(arrays[name] for name in names))


def read_description(path: Path, kind: FileFormat) -> dict[str, Any]:
    """What a file says of itself; its checksum is not looked at.

    Raises: ModelFileError for a file that is missing, foreign, too new or not readable.
    """
    description, _ = _opened(path, kind, lambda description: None)
    return description


def read(
    path: Path, kind: FileFormat, expected: Callable[[dict[str, Any]], Shapes]
) -> tuple[dict[str, Any], Arrays]:
    """Read a file, checking all that it claims before its arrays are allocated.

    Args:
        expected: the arrays that there must be, by the description. Raises ValueError, TypeError,
            KeyError or ConfigError where that does not hold together.
    Raises: ModelFileError for a file that is missing, damaged, altered, foreign or too new.
    """
    description, arrays = _opened(path, kind, expected)
    if _checksum(description, arrays) != description.get("sha256"):
        raise damaged(path, kind, "its checksum does not match its contents")
    return description, arrays


def damaged(path: Path, kind: FileFormat, reason: str) -> ModelFileError:
    """An error that says what is wrong with a file of ours."""
    return ModelFileError(
        f"{path}: is damaged or was altered: {reason}; an intact {kind.name} is needed. "
        f"{kind.remedy}"
    )


def _opened(
    path: Path, kind: FileFormat, expected: Callable[[dict[str, Any]], Shapes | None]
) -> tuple[dict[str, Any], Arrays]:
    try:
        with path.open("rb") as file:
            head = file.read(8)
        with safe_open(path, framework="numpy") as file:
            description = _described(path, kind, file.metadata() or {})
            try:
                wanted = expected(description)
            except (ConfigError, *UNSOUND):
                raise damaged(path, kind, "its description does not hold together") from None
            if wanted is None:
                return description, {}
            slices = {name: file.get_slice(name) for name in file.keys()}
            found = {name: (tuple(s.get_shape()), s.get_dtype()) for name, s in slices.items()}
            if found != {name: (shape, DTYPES[dtype]) for name, (shape, dtype) in wanted.items()}:
                raise damaged(path, kind, "its weights do not fit its description")
        return description, _arrays_in(path, kind, wanted)
    except FileNotFoundError:
        raise ModelFileError(
            f"{path}: no such {kind.name}; {kind.written_by} writes one, "
            "and -m FILE names one that stands elsewhere"
        ) from None
    except IsADirectoryError:
        raise ModelFileError(f"{path}: is a folder; a {kind.name} is needed") from None
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror or error})") from None
    except SafetensorError:
        raise _unreadable(path, kind, head) from None


def _arrays_in(path: Path, kind: FileFormat, wanted: Shapes) -> Arrays:
    """Read the arrays of a file whose header was checked: once each, through no mapping."""
    arrays: Arrays = {}
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        for name, (shape, dtype) in wanted.items():
            file.seek(8 + size + header[name]["data_offsets"][0])
            array = np.fromfile(file, dtype, math.prod(shape))
            if array.size != math.prod(shape):
                raise damaged(path, kind, "it was cut short while it was read")
            arrays[name] = array.reshape(shape)
    return arrays


def canonical(description: Mapping[str, Any]) -> str:
    """A description as JSON, the same for the same one. Raises: ValueError for NaN."""
    return json.dumps(
        description, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def _checksum(description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    unsigned = {key: value for key, value in description.items() if key != "sha256"}
    digest = hashlib.sha256(canonical(unsigned).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} torch.{array.dtype} {list(array.shape)}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _described(path: Path, kind: FileFormat, metadata: Mapping[str, str]) -> dict[str, Any]:
    """The JSON of a file, known to be of a kind and of a version we read."""
    try:
        description = json.loads(metadata[METADATA_KEY])
        found, version = description["format"], description["version"]
    except KeyError:
        found, version = None, None
    except (ValueError, TypeError, RecursionError):
        raise damaged(path, kind, "its description is not JSON") from None
    if found != kind.format or not isinstance(version, int):
        ours = isinstance(found, str) and found.startswith("rnnlm-") and found.isprintable()
        whose = f"an {found} file" if ours else "a safetensors file of another program"
        raise ModelFileError(
            f"{path}: is {whose}; a {kind.name} written by {kind.written_by} is needed"
        )
    if version > kind.version:
        raise ModelFileError(
            f"{path}: has format {version}, from a newer rnnlm; this one reads up to "
            f"{kind.version}. Install a newer rnnlm"
        )
    assert isinstance(description, dict)
    try:
        canonical(description)  # "NaN", which JSON readers let pass
    except (ValueError, RecursionError):
        raise damaged(path, kind, "its description is not JSON") from None
    return description


def _unreadable(path: Path, kind: FileFormat, head: bytes) -> ModelFileError:
    """Say what a file is that is not even a safetensors file."""
    if head.startswith(PICKLES):
        return ModelFileError(
            f"{path}: is a pickle, as torch.save writes them; loading one can run any code, so "
            f"rnnlm never does. A {kind.name} written by {kind.written_by} is needed"
        )
    size = int.from_bytes(head, "little")
    if len(head) == 8 and 0 < size < 1 << 27:
        return damaged(path, kind, "it is cut short or its header is broken")
    return ModelFileError(
        f"{path}: is no {kind.name}; a {kind.name} written by {kind.written_by} is needed. "
        "Name it with -m FILE"
    )
