"""Texts, settings and processes for tests that train."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np

from rnnlm_cli.config.option import command_line_fields
from rnnlm_cli.runs.request import CONFIGS, TrainingRequest
from rnnlm_cli.runs.resume import resume_run
from rnnlm_cli.runs.start import start_run
from rnnlm_cli.text.sources import Sources

SMALL = ("--hidden-size", 24, "--embedding-size", 8, "--batch-size", 8, "--bptt", 16)
SMALL_SETTINGS = {"hidden_size": 24, "embedding_size": 8, "batch_size": 8, "bptt": 16}


def markov_text(size, seed, letters="abcdefgh"):
    """Return text of a first-order Markov source over letters, and its loss on it in nats."""
    draw = np.random.default_rng(5)
    transition = draw.dirichlet(np.full(len(letters), 0.3), len(letters))
    draw = np.random.default_rng(seed)
    letter, text, nats = 0, [], 0.0
    for uniform in draw.random(size):
        found = int(np.searchsorted(transition[letter].cumsum(), uniform))
        following = min(found, len(letters) - 1)
        nats -= math.log(transition[letter, following])
        letter = following
        text.append(letters[letter])
    return "".join(text), nats / size


def request(*texts, out="model.rnnlm", valid=(), test=(), init=None, restart=False, **settings):
    """Return the request for a small run; settings are fields of the configurations."""
    names = {name for each in CONFIGS for name in command_line_fields(each)}
    assert settings.keys() <= names
    return TrainingRequest(
        sources=Sources(texts, tuple(valid), tuple(test)), settings=settings, out=Path(out),
        init=init and Path(init), restart=restart,
    )


def train(*texts, pause_at=None, **more):
    """Train a small run, up to a step if one is given; returns its outcome."""
    with start_run(request(*texts, **(SMALL_SETTINGS | more))) as run:
        return run.train(pause_at=pause_at)


def resume(out="model.rnnlm", pause_at=None, **settings):
    """Resume a run, up to a step if one is given; returns its outcome."""
    with resume_run(request(out=out, **settings)) as run:
        return run.train(pause_at=pause_at)


def read_records(path="model.rnnlm.jsonl"):
    """Return the records of a history."""
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def start_process(*arguments):
    """Start `rnnlm train` as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "rnnlm_cli", "train", *map(str, arguments)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )


def wait_for(process):
    """Wait for a process; returns its exit code and what it wrote on stderr."""
    _, err = process.communicate(timeout=300)
    return process.returncode, err
