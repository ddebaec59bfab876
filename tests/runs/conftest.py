"""A text to train on, in a folder for itself."""

from pathlib import Path

import pytest

from tests.training import markov_text

PACKAGE_FOLDER = str(Path(__file__).parents[2])


@pytest.fixture
def text(tmp_path, monkeypatch):
    """300 lines of 15 letters with spaces, as the file "text" in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", PACKAGE_FOLDER)
    letters = markov_text(9000, seed=3, letters="abcdefghijk")[0]
    lines = [" ".join(letters[k : k + 30 : 2]) for k in range(0, 9000, 30)]
    Path("text").write_text("\n".join(lines) + "\n")
    return "text"


@pytest.fixture
def many_validations(monkeypatch):
    """Validations of 64 tokens, so that short runs have many."""
    monkeypatch.setattr("rnnlm_cli.train.schedule.MIN_VALIDATION_TOKENS", 64)
