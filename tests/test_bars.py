"""Abilities that a model must have after minutes of training on real text. Slow."""

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rnnlm_cli import LanguageModel
from rnnlm_cli.score.evaluate import compute_document_figures

CORPORA = Path(__file__).parents[1] / "corpora"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the language reference and a model of it."""
    folder = tmp_path_factory.mktemp("bars")
    text = subprocess.run(
        [sys.executable, CORPORA / "python_reference.py"], capture_output=True, check=True
    ).stdout
    (folder / "text.txt").write_bytes(text)
    train = [sys.executable, "-m", "rnnlm_cli", "train", "text.txt", "--steps", "1500"]
    subprocess.run(train, cwd=folder, check=True)
    return folder


@pytest.mark.slow
def test_held_out_lines_score_above_the_same_words_permuted(folder, run, monkeypatch):
    monkeypatch.chdir(folder)
    pairs = subprocess.run(
        [sys.executable, CORPORA / "permuted_lines.py", "text.txt", "100"],
        capture_output=True, check=True,
    ).stdout
    Path("pairs.txt").write_bytes(pairs)
    lines = run("score", "-f", "pairs.txt", "--json")[1].splitlines()
    nats = [json.loads(line)["nats"] for line in lines]
    assert len(nats) == 200
    assert sum(line < permuted for line, permuted in zip(nats[::2], nats[1::2], strict=True)) >= 90


@pytest.mark.slow
def test_the_text_may_be_entered_anywhere_from_the_zero_state(folder):
    model = LanguageModel.load(folder / "model.rnnlm")
    text = (folder / "text.txt").read_text("utf-8")
    tokens_N = model.vocabulary.encode(text[-40_000:])
    (carried_N,) = compute_document_figures(model.predictor, tokens_N)
    starts = (np.flatnonzero(tokens_N[:-2100] == 1) + 1).tolist()
    differences = [
        compute_document_figures(model.predictor, tokens_N[start : start + 2100])[0, 100:].mean()
        - carried_N[start + 100 : start + 2100].mean()
        for start in random.Random(1).sample(starts, 10)
    ]
    assert abs(np.mean(differences)) < 0.05
