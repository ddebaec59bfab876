"""Proof by decoding: an arithmetic coder with the distributions of a model restores a text.

Someone who has the code and the model gets the text back, and the code is as long as the printed
score says. A distribution that sums to more than 1, that depends on what comes later, or on how
the text is divided into batches, fails.
"""

import json
import math
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pytest
import torch
from constriction import stream

from rnnlm_cli.config import BOUNDARY_ID, AdaptConfig
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.score.adapt import AdaptingModel
from rnnlm_cli.score.mixture import Mixture
from rnnlm_cli.score.ngram import NgramModel
from rnnlm_cli.threads import one_thread
from tests.arpa import write_arpa

NUM_CHARACTERS = 20_000
SMALL = (
    "--hidden-size", 24, "--embedding-size", 16, "--batch-size", 8, "--bptt", 16, "--steps", 60,
)
CACHE = {"cache": 100, "cache_theta": 2.0, "cache_weight": 0.2}
DYNAMIC = {"dynamic": True, "dynamic_lr": 1e-3, "dynamic_segment": 15}


class Reader:
    """Reads one token after the other, and has the distribution of the next one."""

    def __init__(self, model):
        self._predictor = model.predictor
        self._state = self._predictor.initial_state(1)
        self._is_first = True

    def predict(self, before):
        predictions, self._state = self._predictor.read(
            torch.tensor([[before]]), self._state, torch.tensor([[self._is_first]])
        )
        self._is_first = False
        p_V = predictions.compute_log_p()[0].double().exp()
        return stream.model.Categorical(p_V.numpy(), perfect=False)


def encode(model, tokens):
    coder, reader, before = stream.queue.RangeEncoder(), Reader(model), BOUNDARY_ID
    for token in tokens:
        coder.encode(np.array([token], np.int32), reader.predict(before))
        before = int(token)
    return coder.get_compressed()


def decode(model, code, num_tokens):
    coder, reader, before, tokens = stream.queue.RangeDecoder(code), Reader(model), BOUNDARY_ID, []
    for _ in range(num_tokens):
        before = int(coder.decode(reader.predict(before)))
        tokens.append(before)
    return tokens


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A text, two models of its words, and an n-gram model."""
    from rnnlm_cli.cli.main import main

    folder = tmp_path_factory.mktemp("decoding")
    lines = (" ".join(line.split()) for topic in topics.values() for line in topic.splitlines())
    text = "\n".join(lines)[:NUM_CHARACTERS] + "\n"
    (folder / "text").write_text(text, "utf-8")
    for seed, name in enumerate(("one", "two")):
        arguments = [
            "train", folder / "text", "--valid", folder / "text", "--level", "word",
            "--min-count", 1, "--text", "running", "--seed", seed, "--out", folder / name, *SMALL,
        ]
        assert main([str(argument) for argument in arguments]) == 0
    words = LanguageModel.load(folder / "one").vocabulary.tokens[2:]
    write_arpa(folder / "arpa", [line.split() for line in text.splitlines()], words)
    return folder


def load(folder, mode):
    """Return the model of a mode, and the options by which `rnnlm score` has it."""
    one, two = (folder / name for name in ("one", "two"))
    model = LanguageModel.load(one)
    if mode == "ensemble":
        return Mixture([model, LanguageModel.load(two)]), ["-m", one, "-m", two]
    if mode == "ngram":
        pair = [model, NgramModel(str(folder / "arpa"), model)]
        return Mixture(pair, [0.6, 0.4]), ["-m", one, "--ngram", folder / "arpa",
                                           "--ngram-weight", 0.4]
    if mode in ("cache", "dynamic"):
        settings = CACHE if mode == "cache" else DYNAMIC
        options = [
            part for name, value in settings.items()
            for part in ([f"--{name.replace('_', '-')}"] if value is True
                         else [f"--{name.replace('_', '-')}", value])
        ]
        return AdaptingModel(model, AdaptConfig(**settings)), ["-m", one, *options]
    return model, ["-m", one]


@pytest.mark.parametrize("mode", ["plain", "ensemble", "ngram", "cache", "dynamic"])
def test_a_text_is_decoded_from_a_code_as_long_as_its_score(folder, run, monkeypatch, mode):
    monkeypatch.chdir(folder)
    text = Path("text").read_text("utf-8")
    model, options = load(folder, mode)
    code, out, err = run("score", "--document", "text", "--json", *options)
    assert code == 0, err
    printed = json.loads(out)
    nats = printed["adapted"]["nats"] if mode in ("cache", "dynamic") else printed["nats"]
    assert printed["oov"] == 0
    tokens = model.vocabulary.encode(text)
    with one_thread():  # of one token at a time
        message = encode(model, tokens)
        decoded = decode(model, message, len(tokens))
    assert model.vocabulary.make_decoder().feed(decoded) == text
    bits = nats / math.log(2)
    assert abs(32 * len(message) - bits) <= 0.001 * bits + 64
