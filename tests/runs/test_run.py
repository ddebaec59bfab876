"""Whole runs: a source of known entropy, the same seed, the best model, rollbacks."""

import json
import math
from pathlib import Path

import pytest
import torch

from rnnlm_cli.config import MAX_SEED
from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.model_file import load_model
from rnnlm_cli.runs.checkpoint import load_checkpoint, save_checkpoint
from rnnlm_cli.runs.progress import Progress
from rnnlm_cli.runs.start import start_run
from rnnlm_cli.score.calibrate import calibrate_temperature
from tests.training import SMALL, SMALL_SETTINGS, markov_text, read_records, request, resume, train


@pytest.mark.parametrize("cell", ["elman_tanh", "elman_relu", "gru", "lstm"])
def test_held_out_loss_comes_within_2_percent_of_a_markov_source(text, run, cell):
    Path("text").write_text(markov_text(60_000, seed=1)[0])
    held_out, expected = markov_text(20_000, seed=2)
    Path("held-out").write_text(held_out)
    train("text", cell=cell, steps=400)
    scored = json.loads(run("score", "--document", "held-out", "--rows", 8, "--json")[1])
    loss = scored["nats"] / scored["predicted_tokens"]
    assert 0.98 * expected < loss < 1.02 * expected


def test_plain_sgd_learns_with_its_defaults(text):
    """Coupled weight decay at the high rate of SGD once kept the loss near a uniform guess."""
    content, expected = markov_text(60_000, seed=1)
    Path("text").write_text(content)
    outcome = train("text", cell="lstm", optimizer="sgd", steps=400)
    assert outcome.valid.nats_per_token < 1.05 * expected


@pytest.mark.parametrize(
    "settings", [{"steps": 12, "dropout": 0.3}, {"epochs": 2, "cell": "gru", "level": "word"}]
)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(text, settings):
    for out, seed in (("a", 7), ("b", 7), ("c", 8)):
        train(text, out=out, seed=seed, **settings)
    contents = {name: Path(name).read_bytes() for name in "abc"}
    assert contents["a"] == contents["b"] != contents["c"]


def test_the_largest_seed_has_samples_too(text):
    class Terminal(Progress):
        shows_samples = True
        lines = ()

        def say(self, line):
            self.lines += (line,)

    progress, settings = Terminal(), SMALL_SETTINGS | {"steps": 3, "seed": MAX_SEED}
    with start_run(request(text, **settings), progress=progress) as started:
        started.train()
    assert any(line.startswith("--- step 3 writes:\n") for line in progress.lines)


def test_a_run_from_python_trains_as_the_command_does(text, run):
    assert run("train", text, *SMALL, "--steps", 20, "--out", "command")[0] == 0
    outcome = train(text, steps=20, out="python")
    assert outcome.finished and (outcome.step, outcome.total_steps) == (20, 20)
    assert Path("python").read_bytes() == Path("command").read_bytes()
    loaded = LanguageModel.load("python")
    assert loaded.training["valid_nats"] == outcome.valid.nats_per_token


def test_the_file_holds_the_model_with_the_lowest_validation_loss(text, many_validations):
    """The validation text contradicts the training text, so that training makes it worse."""
    Path("train").write_text("ab" * 3000)
    Path("valid").write_text("aabb" * 100)
    train("train", valid=["valid"], steps=60)
    losses = {each["valid_nats"]: each["step"] for each in read_records() if each["valid_nats"]}
    model = LanguageModel.load("model.rnnlm")
    checkpoint = load_checkpoint(Path("model.rnnlm.state"))
    assert model.training["steps"] == losses[min(losses)] == checkpoint.state.best_step < 60
    weights = model.network.state_dict()
    assert all(torch.equal(weights[name], each) for name, each in
               checkpoint.state.best_weights.items())
    assert not torch.equal(weights["embedding"], checkpoint.learner.weights["embedding"])


@pytest.mark.parametrize("pause_at", [None, 30])
def test_the_file_holds_the_temperature_that_suits_the_best_model(
    text, many_validations, pause_at
):
    """The network becomes overconfident: training has none of every third validation line."""
    Path("train").write_text("ababa\n" * 1000)
    Path("valid").write_text("aabba\nababa\nababa\n" * 40)
    wanted = request("train", valid=["valid"], text="sentences", steps=60, **SMALL_SETTINGS)
    with start_run(wanted) as started:
        started.train(pause_at=pause_at)
    model, valid_N = load_model("model.rnnlm"), started.corpus.valid.tokens_N
    calibrated = calibrate_temperature(model.network, valid_N, sentences=True)
    assert model.sampling == {"temperature": round(0.8 * calibrated, 2)}
    assert 1 < calibrated < calibrate_temperature(started.network, valid_N, sentences=True)


def test_a_run_without_any_finite_validation_loss_keeps_no_model(text):
    with start_run(request(text, steps=1)) as run, torch.no_grad():
        run.network.output_bias.fill_(math.nan)
        run.state.best_weights["output_bias"].fill_(math.nan)
        with torch.enable_grad(), pytest.raises(RnnlmError, match="never finite"):
            run.train()
    assert not Path("model.rnnlm").exists()


def damage(path, change):
    """Change the weights in a checkpoint of a run."""
    checkpoint = load_checkpoint(Path(path))
    change(checkpoint.learner.weights["output_weight"])
    save_checkpoint(Path(path), checkpoint)


def test_training_continues_after_a_divergent_step(text, many_validations, capfd, run):
    train(text, steps=60, pause_at=20)
    damage("model.rnnlm.state", lambda weight: weight.fill_(math.inf))
    code, _, err = run("train", "--resume")
    assert code == 0 and err.count("the loss diverged at step 21; restored the weights of") == 1
    assert "lowered the learning rate to 0.5 of the schedule" in err
    assert read_records()[-1]["undone"] == 1
    assert LanguageModel.load("model.rnnlm").training["valid_nats"] < 2.5


def test_training_continues_after_a_validation_loss_that_diverged(text, many_validations, run):
    """The weights are finite, but the loss is far above that of a uniform guess."""
    train(text, steps=60, pause_at=20)
    damage("model.rnnlm.state", lambda weight: weight.mul_(1000))
    code, _, err = run("train", "--resume")
    assert code == 0 and err.count("the loss diverged at step") == 1
    assert LanguageModel.load("model.rnnlm").training["valid_nats"] < 2.5


def test_a_rollback_is_repeated_exactly_by_a_resumed_run(text, many_validations):
    for out, pauses in (("whole", []), ("broken", [30, 45])):
        train(text, steps=60, pause_at=20, out=out)
        damage(f"{out}.state", lambda weight: weight.fill_(math.inf))
        for pause_at in [*pauses, None]:
            resume(out, pause_at=pause_at)
        assert read_records(f"{out}.jsonl")[-1]["undone"] == 1
    assert Path("broken").read_bytes() == Path("whole").read_bytes()


def test_patience_ends_a_run_and_the_report_says_so(text, run, many_validations):
    Path("train").write_text("ab" * 3000)
    Path("valid").write_text("aabb" * 100)
    code, _, err = run(
        "train", "train", *SMALL, "--valid", "valid", "--steps", 400, "--patience", 3
    )
    assert code == 0 and "stopped early, at step" in err
    losses = [each["valid_nats"] for each in read_records() if each["valid_nats"] is not None]
    assert losses.index(min(losses)) == len(losses) - 4
    assert "is finished" in run("train", "--resume")[2]


def test_a_time_limit_ends_a_run(text):
    outcome = train(text, minutes=0.05)
    assert outcome.finished and outcome.step == outcome.total_steps >= 1
    assert read_records()[-1]["seconds"] < 0.05 * 60 + 5


def test_a_text_of_huge_lines_is_reset_anywhere(text, run):
    Path("text").write_text("abcdefgh" * 2000)
    err = run("train", text, *SMALL, "--steps", 1)[2]
    assert "rnnlm: note: the text has few newlines" in err
