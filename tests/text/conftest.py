"""What stands in for a person: someone who watches, and something at the other end of a pipe."""

import io

import pytest

from rnnlm_cli.messages import Messages


class Heard(Messages):
    """Writes down the passes and the lines it is told of."""

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
