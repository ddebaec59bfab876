"""Whole runs: a source of known entropy, same seed same bytes, Ctrl-C, a full disk."""

import json
import math
import os
import re
import shlex
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from rnnlm_cli.config import TrainConfig
from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.runs.interrupt import Interrupt
from rnnlm_cli.score.score import Score
from rnnlm_cli.train import step as loop
from rnnlm_cli.train.state import TrainState, copy_tensors
from rnnlm_cli.train.step import Learner, go_back, train_step
from rnnlm_cli.windows import TrainingRows

SMALL = ("--hidden-size", 24, "--embedding-size", 8, "--batch-size", 8, "--bptt", 16)


def markov_text(size, seed, letters="abcdefgh"):
    """Text of a first-order Markov source over letters, and its own loss on it in nats."""
    draw = np.random.default_rng(5)
    transition = draw.dirichlet(np.full(len(letters), 0.3), len(letters))
    draw = np.random.default_rng(seed)
    at, text, nats = 0, [], 0.0
    for uniform in draw.random(size):
        after = min(int(np.searchsorted(transition[at].cumsum(), uniform)), len(letters) - 1)
        nats -= math.log(transition[at, after])
        at = after
        text.append(letters[at])
    return "".join(text), nats / size


@pytest.mark.parametrize("cell", ["elman", "elman --nonlinearity relu", "gru", "lstm"])
def test_held_out_loss_comes_within_2_percent_of_a_markov_source(tmp_path, monkeypatch, run, cell):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text(markov_text(60_000, seed=1)[0])
    held_out, expected = markov_text(20_000, seed=2)
    (tmp_path / "held-out").write_text(held_out)
    code, _, err = run("train", "text", *SMALL, "--cell", *cell.split(), "--steps", 400)
    assert code == 0, err
    code, out, _ = run("score", "--document", "held-out", "--rows", 8, "--json")
    scored = json.loads(out)
    loss = scored["nats"] / scored["predicted_tokens"]
    assert 0.98 * expected < loss < 1.02 * expected


def test_plain_sgd_learns_with_its_own_defaults(tmp_path, monkeypatch, run):
    """Coupled weight decay at SGD's high rate once held it near a uniform guess."""
    monkeypatch.chdir(tmp_path)
    text, expected = markov_text(60_000, seed=1)
    (tmp_path / "text").write_text(text)
    settings = (*SMALL, "--cell", "lstm", "--optimizer", "sgd")
    code, _, err = run("train", "text", *settings, "--steps", 400)
    assert code == 0, err
    assert LanguageModel.load("model.rnnlm").training["valid_nats"] < 1.05 * expected


@pytest.fixture
def text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = markov_text(6000, seed=3, letters="abcd ef")[0]
    text = "\n".join(lines[k : k + 30] for k in range(0, 6000, 30))
    (tmp_path / "text").write_text(text)
    return "text"


@pytest.mark.parametrize(
    "settings",
    [("--steps", 12, "--dropout", 0.3), ("--epochs", 2, "--cell", "gru", "--level", "word")],
)
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(text, run, settings):
    for out, seed in (("a", 7), ("b", 7), ("c", 8)):
        code, _, err = run("train", text, *SMALL, *settings, "--seed", seed, "--out", out)
        assert code == 0, err
    contents = {name: Path(name).read_bytes() for name in "abc"}
    assert contents["a"] == contents["b"] != contents["c"]


def test_all_cells_layers_levels_and_optimizers_train_and_report(text, run):
    for settings in (
        ("--cell", "elman", "--nonlinearity", "relu", "--layers", 2, "--hidden-size", 16),
        ("--tied", "--hidden-size", 8, "--level", "byte", "--optimizer", "sgd"),
        ("--level", "word", "--vocab-size", 20, "--text", "running", "--clip", 0),
    ):
        code, out, err = run("train", text, *SMALL[2:], *settings, "--steps", 3, "--test", text)
        assert code == 0 and out == ""
        assert "validation:" in err and "nats per token" in err and "bits per character" in err
        assert "selected on" in err and "test:" in err and "rnnlm generate" in err


def test_the_best_model_is_what_the_file_holds(text, run, monkeypatch):
    """Validations that get worse after the second: the second one's weights are kept."""
    figures = iter([3.0, 2.0, 2.5, 2.6])
    monkeypatch.setattr(
        "rnnlm_cli.runs.run.evaluate", lambda *_, **__: Score(nats=next(figures), num_predicted=1)
    )
    monkeypatch.setattr("rnnlm_cli.train.schedule.MIN_VALIDATION_TOKENS", 1)
    seen = []
    keep = TrainState.keep_best
    monkeypatch.setattr(
        TrainState, "keep_best",
        lambda state, nats, network: seen.append(
            {n: t.clone() for n, t in network.state_dict().items()}
        ) or keep(state, nats, network),
    )
    assert run("train", text, *SMALL, "--steps", 3)[0] == 0
    kept = LanguageModel.load("model.rnnlm")
    assert kept.training["steps"] == 2 and kept.training["valid_nats"] == 2.6
    assert torch.equal(kept.network.embedding, seen[1]["embedding"])
    assert not torch.equal(kept.network.embedding, seen[2]["embedding"])


def test_a_first_validation_far_worse_than_a_guess_is_not_kept(text, run, monkeypatch):
    figures = iter([1e6, 2.0, 2.1, 2.2])
    monkeypatch.setattr(
        "rnnlm_cli.runs.run.evaluate", lambda *_, **__: Score(nats=next(figures), num_predicted=1)
    )
    monkeypatch.setattr("rnnlm_cli.train.schedule.MIN_VALIDATION_TOKENS", 1)
    code, _, err = run("train", text, *SMALL, "--steps", 3)
    assert code == 0 and err.count("left all bounds") == 1
    assert LanguageModel.load("model.rnnlm").training["steps"] == 2


def test_a_model_whose_loss_is_not_finite_is_not_kept(text, run, monkeypatch):
    monkeypatch.setattr(
        "rnnlm_cli.runs.run.evaluate", lambda *_, **__: Score(nats=math.nan, num_predicted=1)
    )
    code, _, err = run("train", text, *SMALL, "--steps", 3)
    assert code == 1 and "never finite" in err and not Path("model.rnnlm").exists()


def test_a_model_that_explodes_on_some_text_is_kept_without_that_figure(text, run, monkeypatch):
    figures = iter([3.0, math.inf, math.inf])
    monkeypatch.setattr(
        "rnnlm_cli.runs.run.evaluate", lambda *_, **__: Score(nats=next(figures), num_predicted=1)
    )
    code, _, err = run("train", text, *SMALL, "--steps", 1, "--test", text)
    assert code == 0 and "inf nats" in err
    summary = LanguageModel.load("model.rnnlm").training
    assert summary["valid_nats"] is None and summary["test_nats"] is None
    assert run("info", "--json")[0] == run("info")[0] == 0


def test_the_report_agrees_with_score_on_every_figure(text, run):
    Path("other").write_text(Path(text).read_text()[:900] + "xyz" * 30)  # unknown characters
    for flags in (("--min-count", 1), ()):
        _, _, err = run("train", text, *SMALL, "--steps", 5, "--test", "other", *flags)
        nats, bits = re.search(r"test: +(\S+) nats.* (\S+) bits per character", err).groups()
        scored = json.loads(run("score", "--document", "other", "--json")[1])
        assert float(nats) == pytest.approx(
            scored["nats"] / scored["predicted_tokens"], abs=2e-4
        )
        assert float(bits) == pytest.approx(scored["bits_per_char"], abs=2e-4)
        assert scored["oov"] == 90


def test_the_command_to_try_next_can_be_typed(text, run):
    """The first line may be cut; then lines with unknown tokens or like options are no use."""
    Path(text).write_text("-5 ' " + Path(text).read_text())
    Path("other").write_text("ab c d\nab ? d\n-5 d e\n - d e f\nd 'e f\n")
    _, _, err = run("train", text, *SMALL, "--steps", 2, "--valid", "other", "--min-count", 1)
    (command,) = re.findall(r"^ +rnnlm (score .*)$", err, re.MULTILINE)
    assert shlex.split(command)[1:] == ["d 'e f"]
    assert run(*shlex.split(command))[0] == 0


def test_a_second_run_keeps_the_first_model_as_old_and_says_so(text, run):
    run("train", text, *SMALL, "--steps", 2)
    first = Path("model.rnnlm").read_bytes()
    _, _, err = run("train", text, *SMALL, "--steps", 4)
    assert Path("model.rnnlm.old").read_bytes() == first
    assert "model.rnnlm.old" in err


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_step_and_keeps_the_best(text, run, monkeypatch, signum, code):
    taken = []

    def step_then_signal(*arguments):
        taken.append(train_step(*arguments))
        if len(taken) == 3:
            os.kill(os.getpid(), signum)
        return True

    monkeypatch.setattr(loop, "train_step", step_then_signal)
    usual = signal.getsignal(signum)
    exit_code, _, err = run("train", text, *SMALL, "--steps", 100_000)
    assert exit_code == code and len(taken) == 3
    assert "stopped at step 3" in err and "validation:" in err
    assert LanguageModel.load("model.rnnlm").training["steps"] == 3
    assert signal.getsignal(signum) == usual


def make_learner(network, size=64, **settings):
    tokens_N = np.arange(size, dtype=np.int32) % 7
    config = TrainConfig(batch_size=2, bptt=4, **settings)
    rows = TrainingRows(tokens_N, batch_size=2, bptt=4, sentences=False, seed=1)
    learner = Learner(network, rows, None, config)
    return learner, TrainState(network.initial_state(2), copy_tensors(network.state_dict()))


def test_steps_that_are_not_finite_are_not_taken_and_lower_the_rate_at_most_a_few_times(
    make_network,
):
    network = make_network()
    learner, state = make_learner(network)
    before = network.embedding.detach().clone()
    for scale in (1 / 2, 1 / 8, 1 / 64, 1 / 1024, 1 / 32768):
        with torch.no_grad():
            network.output_bias[3] = math.nan
        assert not train_step(learner, state, 0.1)
        go_back(learner, state)
        assert torch.equal(network.embedding, before) and network.output_bias.isfinite().all()
        assert state.rate_scale == scale
    with pytest.raises(RnnlmError, match="left all bounds 6 times"):
        go_back(learner, state)
    assert train_step(learner, state, 0.1) and not torch.equal(network.embedding, before)


def test_training_goes_on_after_a_loss_that_leaps_and_ends_in_a_sound_model(text, run, monkeypatch):
    """The weights of a validated model blown up once: the best ones so far are taken up again."""
    def leap_once(learner, state, rate):
        taken = train_step(learner, state, rate)
        if state.step == 30:
            with torch.no_grad():
                learner.network.output_weight.mul_(1000)
        return taken

    monkeypatch.setattr("rnnlm_cli.train.schedule.MIN_VALIDATION_TOKENS", 64)
    monkeypatch.setattr(loop, "train_step", leap_once)
    code, _, err = run("train", text, *SMALL, "--steps", 100)
    assert code == 0 and err.count("left all bounds") == 1 and "0.5 of the learning rate" in err
    assert LanguageModel.load("model.rnnlm").training["valid_nats"] < 2


def test_a_second_signal_acts_as_usual():
    with pytest.raises(KeyboardInterrupt), Interrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.came()
        os.kill(os.getpid(), signal.SIGINT)


def test_a_budget_of_minutes_ends_a_run_that_would_go_on(text, run, monkeypatch):
    monkeypatch.setattr("rnnlm_cli.runs.start.STARTED", time.monotonic())
    code, _, err = run("train", text, *SMALL, "--minutes", 0.05)
    steps = LanguageModel.load("model.rnnlm").training["planned_steps"]
    assert code == 0 and steps >= 1 and f"/{steps}" in err


def test_a_short_text_shrinks_the_window_and_says_so(text, run):
    code, _, err = run("train", text, "--steps", 1)
    assert code == 0 and "is short: training on windows of" in err


@pytest.mark.parametrize("rate", [1.0, 0.25])
def test_a_clipped_step_is_as_long_as_clip_times_rate(make_network, rate):
    """With plain SGD, which has no scale of its own."""
    network = make_network()
    learner, state = make_learner(network, optimizer="sgd", clip=0.01, weight_decay=0.0)
    before = torch.nn.utils.parameters_to_vector(network.parameters()).detach()
    train_step(learner, state, rate)
    after = torch.nn.utils.parameters_to_vector(network.parameters()).detach()
    assert (after - before).norm().item() == pytest.approx(0.01 * rate, rel=1e-3)


def test_accumulated_windows_give_the_mean_of_their_gradients(make_network, float64):
    network = make_network()
    whole, state = make_learner(network, size=200, optimizer="sgd", clip=None, weight_decay=0.0)
    gradients = []
    for _ in range(3):
        assert train_step(whole, state, 0.0)
        gradients.append([p.grad.clone() for p in network.parameters()])
    parts, state = make_learner(
        network, size=200, optimizer="sgd", clip=None, weight_decay=0.0, accumulate=3
    )
    assert train_step(parts, state, 0.0)
    for parameter, *each in zip(network.parameters(), *gradients, strict=True):
        torch.testing.assert_close(parameter.grad, sum(each) / 3)
    assert state.step == 1 and state.position.window == 3
