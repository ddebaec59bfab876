"""Warm starts: training that begins with the weights of a model, or with plain weights."""

from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from rnnlm_cli.language_model import LanguageModel
from tests.training import SMALL, resume, train


@pytest.fixture
def base(text, run):
    assert run("train", text, *SMALL, "--steps", 60, "--out", "base")[0] == 0
    return "base"


def test_a_warm_start_takes_the_weights_and_the_vocabulary_of_a_model(text, run, base):
    new = Path(text).read_text()[:4000].replace("a", "b") + "q" * 9 + "\n"
    Path("new").write_text(new * 2)
    code, _, err = run("train", "new", "--init", base, "--steps", 1, "--lr", 1e-9, "--out", "tuned")
    assert code == 0 and "9 of 7,218 tokens" in err and "are unknown to its vocabulary" in err
    before, after = LanguageModel.load(base), LanguageModel.load("tuned")
    assert after.vocabulary.tokens == before.vocabulary.tokens
    assert after.network.config.hidden_size == 24  # no flag needed
    for name, tensor in after.network.state_dict().items():
        if name not in ("embedding", "output_weight", "output_bias"):  # whose <unk> is new
            torch.testing.assert_close(tensor, before.network.state_dict()[name])


def test_a_warm_start_can_be_resumed_without_the_initial_model(text, base):
    start = partial(train, text, init=base, steps=30, hidden_size=24, embedding_size=8)
    start(out="whole")
    start(out="broken", pause_at=9)
    Path(base).unlink()
    resume("broken")
    assert Path("whole").read_bytes() == Path("broken").read_bytes()


def test_exported_weights_start_a_run_as_their_model_does(text, run, base):
    assert run("export", "plain.safetensors", "-m", base)[0] == 0
    weights = load_file("plain.safetensors")
    for source in ("plain.safetensors", base):
        tuned = ("--init", source, "--steps", 2, "--out", f"{source}.tuned")
        assert run("train", text, *tuned)[0] == 0
    assert Path("plain.safetensors.tuned").read_bytes() == Path(f"{base}.tuned").read_bytes()
    save_file(weights, "foreign.safetensors")  # without our description: the text's vocabulary
    code, _, err = run("train", text, "--init", "foreign.safetensors", "--steps", 2)
    assert code == 0, err
    assert LanguageModel.load("model.rnnlm").network.config.cell == "gru"


FLAGS = [
    (["--hidden-size", 7], "--hidden-size: 7 given; base has 24"),
    (["--level", "word"], "--level: 'word' given; base has 'char'"),
    (["--min-count", 3], "--min-count: has no meaning with --init"),
    (["--cell", "lstm", "--layers", 2], "--cell: 'lstm' given; base has 'gru'. --layers: 2 given"),
]


@pytest.mark.parametrize(("flags", "message"), FLAGS)
def test_settings_that_conflict_with_the_weights_are_refused(text, run, base, flags, message):
    code, _, err = run("train", text, "--init", base, *flags, "--out", "other")
    assert code == 2 and message in err and len(err.splitlines()) == 1
    assert not Path("other").exists()


def test_a_file_that_holds_no_weights_is_refused(text, run):
    code, _, err = run("train", text, "--init", text)
    assert code == 1 and len(err.splitlines()) == 1
    code, _, err = run("train", text, "--init", "none")
    assert code == 1 and "none: no such" in err
