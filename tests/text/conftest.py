"""Shared fixtures: recorded messages, standard input, files, small chunks and a loaded corpus."""

import io

import pytest

from rnnlm_cli.config import TextConfig
from rnnlm_cli.messages import Messages
from rnnlm_cli.text import raw_bytes
from rnnlm_cli.text.cache import Cache
from rnnlm_cli.text.corpus import load_corpus
from rnnlm_cli.text.sources import Sources


class Heard(Messages):
    """Records the stages and the lines that it receives."""

    def __init__(self):
        self.stages, self.said = [], []

    def stage(self, name, paths):
        self.stages.append(name)
        return super().stage(name, paths)

    def say(self, line):
        self.said.append(line)


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def pipe(monkeypatch):
    """Puts bytes into standard input."""

    def put(data):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8"))

    return put


@pytest.fixture
def file(tmp_path):
    """Writes a file and returns its path."""

    def write(data, name="text"):
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return write


@pytest.fixture(params=[1, 2, 3, 1 << 20])
def chunk_bytes(request, monkeypatch):
    """Makes chunks so small that they split characters and newlines."""
    monkeypatch.setattr(raw_bytes, "CHUNK_BYTES", request.param)


@pytest.fixture
def corpus(tmp_path, cache):
    """Writes the texts of the parts and loads them as a corpus."""

    def load(content, *, valid=None, test=None, **settings):
        paths = {}
        for name, part in (("train", content), ("valid", valid), ("test", test)):
            if part is not None:
                paths[name] = str(tmp_path / name)
                (tmp_path / name).write_text(part, "utf-8", newline="")
        names = {name: (path,) for name, path in paths.items()}
        return load_corpus(Sources(**names), TextConfig(**settings), cache=Cache(cache))

    return load
