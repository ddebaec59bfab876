"""Minutes into steps, against a clock of our own."""

import numpy as np
import pytest

from rnnlm_cli.config import TrainConfig
from rnnlm_cli.text.corpus import Corpus, Part
from rnnlm_cli.text.vocabulary import Vocabulary
from rnnlm_cli.train import budget as room
from rnnlm_cli.train.budget import Budget, Speed, measure_speed
from rnnlm_cli.train.learner import Learner
from rnnlm_cli.train.schedule import make_plan
from rnnlm_cli.windows import TrainingRows


@pytest.fixture
def clock(monkeypatch):
    """A clock that only goes when told."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(room.time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.mark.parametrize("paces", [(1.0, 1.0), (2.0, 2.0), (0.5, 0.5), (1.0, 2.5), (2.0, 0.7)])
def test_a_run_ends_within_10_percent_whatever_the_machine_does(clock, paces):
    """The pace, against the calibrated one, in the first and in the second half of the time."""
    budget = Budget(120, started=clock.now - 5, finish_seconds=0.2)  # five seconds went before
    assert budget.plan_last_evaluation(corpus_of(50_000), 3e-5) == (50_000, 2048)
    plan = make_plan(budget.choose_steps(Speed(1e-4, 3e-5), tokens_per_step=1000), 1000)
    budget.begin(plan, 0)
    assert 120 - 5 - 1.5 - 3 < plan.total_steps * 0.1 < 120 - 5 - 1.5
    step = 0
    while step < plan.total_steps:
        clock.now += 0.1 * paces[clock.now > 160]
        step += 1
        if plan.validates_after(step - 1):
            clock.now += plan.validation_tokens * 3e-5
        budget.correct(plan, step, has_validated=plan.validates_after(step - 1))
    clock.now += 1.5  # the last evaluation
    assert clock.now - 95 == pytest.approx(120, rel=0.1)
    assert bool(plan.corrections) == (paces != (1.0, 1.0))


@pytest.mark.parametrize("factor", [40, 1 / 40])
def test_a_calibration_in_a_busy_second_does_no_harm(clock, factor):
    """Nor does one that is far too fast: after a few steps, the plan is that of the real pace."""
    budget = Budget(120, started=clock.now)
    plan = make_plan(budget.choose_steps(Speed(1e-4 * factor, 3e-5), tokens_per_step=1000), 1000)
    expected = make_plan(budget.choose_steps(Speed(1e-4, 3e-5), tokens_per_step=1000), 1000)
    budget.begin(plan, 0)
    for step in range(64):
        clock.now += 0.1
        budget.correct(plan, step + 1, has_validated=False)
        assert plan.progress(step + 1) == pytest.approx((clock.now - 100) / 120, abs=0.05)
    assert plan.total_steps == pytest.approx(expected.total_steps, rel=0.05)
    assert plan.num_validations == expected.num_validations
    assert plan.validation_tokens == pytest.approx(expected.validation_tokens, rel=0.05)


def test_the_last_evaluation_takes_at_most_a_tenth_of_the_budget(clock):
    corpus = corpus_of(1_000_000)
    budget = Budget(60, clock.now, finish_seconds=0.5)
    assert budget.plan_last_evaluation(corpus, 1e-4) == (60_000, 2048)  # 6 s of 60; no test text
    assert budget.reserve == pytest.approx(6.7, abs=0.01)
    assert Budget(3600, clock.now).plan_last_evaluation(corpus, 1e-4)[0] == 1_000_000


def corpus_of(size):
    tokens_N = (np.arange(size) % 6 + 1).astype(np.int32)
    vocabulary = Vocabulary("char", ("<unk>", "\n", *"abcde"))
    counts_V = np.bincount(tokens_N, minlength=7)
    return Corpus(vocabulary, Part(tokens_N, size), Part(tokens_N, size), None, counts_V)


def test_the_calibration_leaves_the_network_untouched(make_network):
    network, corpus = make_network(), corpus_of(500)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    rows = TrainingRows(corpus.train.tokens_N, batch_size=2, bptt=8, sentences=False, seed=1)
    learner = Learner(network, rows, None, TrainConfig(batch_size=2, bptt=8, accumulate=2), [])
    speed = measure_speed(learner, corpus.valid, sentences=False, budget_seconds=1.0)
    assert speed.training > 0 and speed.evaluation > 0
    assert all(parameter.grad is None for parameter in network.parameters())
    for name, tensor in network.state_dict().items():
        assert tensor.equal(before[name])
