"""The plan of a run: its learning rates, validations and corrections."""

import pytest

from rnnlm_cli.train.schedule import make_plan, scheduled_lr


def test_the_learning_rate_warms_up_to_its_peak_and_falls_near_zero():
    assert scheduled_lr(0.05, peak=2.0) == pytest.approx(2.0)
    assert scheduled_lr(0.025, peak=2.0) == pytest.approx(1.0)
    assert scheduled_lr(1.0, peak=2.0) == pytest.approx(0.02)
    falling = [scheduled_lr(k / 100, peak=1.0) for k in range(5, 101)]
    assert falling == sorted(falling, reverse=True)


def test_twenty_validations_read_at_most_a_twentieth_and_one_is_at_the_end():
    plan = make_plan(2000, tokens_per_step=1024)
    points = [step for step in range(2000) if plan.validates_after(step)]
    assert len(points) == 20 and points[-1] == 1999
    assert plan.validation_tokens <= 0.05 * 100 * 1024


@pytest.mark.parametrize("total", [1, 2, 7, 40])
def test_short_runs_validate_at_the_end_only(total):
    plan = make_plan(total, tokens_per_step=64)
    assert [step for step in range(total) if plan.validates_after(step)] == [total - 1]


def test_progress_has_no_jump_if_the_end_is_moved():
    plan = make_plan(1000, tokens_per_step=1024)
    before = plan.progress(400)
    plan.move_end(400, 700)
    assert plan.progress(400) == pytest.approx(before)
    assert plan.progress(700) == pytest.approx(1)
    plan.move_end(500, 2000)
    steps = [plan.progress(step) for step in range(500, 2001)]
    assert steps == sorted(steps) and steps[-1] == pytest.approx(1)
    assert plan.corrections == [(400, 700), (500, 2000)]
    left = sum(plan.validates_after(step) for step in range(500, 2000))
    assert left == 8  # of 20, at progress 0.6
    plan.move_end(600, 500)  # too late: it ends now
    assert plan.total_steps == 600 and plan.progress(600) == 1
