"""A folder with a model and with everything that a person could name by mistake."""

import gzip
import os
import pickle
import struct

import pytest
import torch
from safetensors.torch import save_file

TEXT = "the quick brown fox jumps over the lazy dog\n" * 40


@pytest.fixture
def folder(model_path, tmp_path):
    """model.rnnlm, and files that are empty, damaged, binary or foreign."""
    files = {
        "text.txt": TEXT.encode(),
        "empty.txt": b"",
        "short.txt": b"too short",
        "line.txt": b"one line only " * 30,
        "latin.txt": TEXT.encode() + b"caf\xe9\n",
        "cut.txt.gz": gzip.compress(TEXT.encode())[:-20],
        "text.txt.xz": TEXT.encode(),
        "binary.bin": bytes(range(256)) * 4,
        "nul.txt": TEXT.encode() + b"\0",
        "utf16.txt": TEXT.encode("utf-16-le"),
        "kept.old": b"notes",
        "pickle.rnnlm": pickle.dumps({"a": 1}),
        "foreign.rnnlm": b"hello, this is no model at all",
        "cut.rnnlm": model_path.read_bytes()[:-100],
        "bit.rnnlm": model_path.read_bytes()[:-1] + b"\x55",
        "header.rnnlm": struct.pack("<Q", 1 << 62) + b"{}",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    newer = model_path.read_bytes().replace(b'\\"version\\":4', b'\\"version\\":9')
    (tmp_path / "newer.rnnlm").write_bytes(newer)
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.rnnlm", {"format": "pt"})
    (tmp_path / "folder").mkdir()
    for name in ("device", "device.jsonl"):
        os.mkfifo(tmp_path / name)
    return tmp_path


@pytest.fixture
def check_failure(folder, run):
    """Check that a command fails with one line on stderr and changes no file."""

    def contents():
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    def check(arguments, code, message):
        before = contents()
        got, out, err = run(*arguments)
        assert (got, out) == (code, "")
        assert len(err.splitlines()) == 1, err
        assert err.startswith("rnnlm: error: ") and message in err
        assert contents() == before

    return check
