"""Tiny networks and models to test with. T, B, E, H, V = 2, 3, 4, 5, 7 and the like."""

import numpy as np
import pytest
import torch

from rnnlm_cli.cli.main import main
from rnnlm_cli.config import BOUNDARY_ID
from tests.builders import save_tiny, tiny_network


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache of encoded texts for each test, and for the processes it starts."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("RNNLM_CACHE_DIR", str(folder))
    return folder


@pytest.fixture(scope="session")  # so that tests with hypothesis can use it
def make_tokens():
    """A factory of texts: tokens 2, 3, 4, ..., with a boundary after every `line` tokens."""

    def make(size, line=None, vocab_size=50):
        tokens = (np.arange(size) % (vocab_size - 2) + 2).astype(np.int32)
        if line:
            tokens[line::line + 1] = BOUNDARY_ID
        return tokens

    return make


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def make_network():
    """A factory of small networks with weights large enough to matter."""
    return tiny_network


@pytest.fixture
def model_path(make_network, tmp_path, monkeypatch):
    """A char model of the alphabet "abcde", saved as model.rnnlm in the current folder."""
    monkeypatch.chdir(tmp_path)
    return save_tiny(make_network, tmp_path / "model.rnnlm")


@pytest.fixture
def run(capfd):
    """Runs a command and returns (exit code, stdout, stderr)."""

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return call
