"""The length of a run, in steps and evaluated tokens: for new, resumed and extended runs."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from rnnlm_cli.text.corpus import Corpus
from rnnlm_cli.train.budget import Budget, measure_speed
from rnnlm_cli.train.learner import Learner
from rnnlm_cli.train.schedule import Plan, make_plan

MIN_FINAL_TOKENS = 1 << 17  # of the last evaluation without a time limit,
FINAL_SHARE = 0.1  # or this share of the tokens trained, if that is more
FINISH_SECONDS = 0.3  # for writing the files and the report
SAMPLING_SECONDS = 0.2  # for choosing the sampling temperature
PLOT_SECONDS = 0.5  # for plotting the losses


@dataclass(frozen=True)
class SavedDuration:
    """The duration of a run as its checkpoint keeps it.

    Args:
        budget_seconds: the time limit; None if steps or epochs are counted.
        reserve: seconds of the time limit that are kept for the end.
        final_tokens: numbers of validation and test tokens that the last evaluation reads.
        seconds: time spent so far.
    """

    plan: Plan
    budget_seconds: float | None
    reserve: float
    final_tokens: tuple[int, int]
    seconds: float

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "SavedDuration":
        """Return the duration for the plain data of `dataclasses.asdict`."""
        valid, test = data["final_tokens"]
        plan = Plan(**data["plan"])
        plan.corrections = [(step, total) for step, total in plan.corrections]
        return cls(**{**data, "plan": plan, "final_tokens": (valid, test)})


@dataclass
class Duration:
    """The duration of a run that is under way.

    Args:
        plan: its steps and validations.
        budget: its time limit; None if steps or epochs are counted.
        final_tokens: numbers of validation and test tokens that the last evaluation reads.
        started: `time.monotonic()` when this process began.
        seconds_before: time that the run had spent in earlier processes.
    """

    plan: Plan
    budget: Budget | None
    final_tokens: tuple[int, int]
    started: float
    seconds_before: float = 0.0

    def seconds(self) -> float:
        """Return the time that the run has taken, in all processes."""
        return self.seconds_before + time.monotonic() - self.started

    def begin(self, step: int) -> None:
        """Start the clock of the steps, after `step` steps are done."""
        if self.budget is not None:
            self.budget.begin(self.plan, step)

    def correct(self, step: int, *, has_validated: bool) -> None:
        """Move the end of the plan if it would miss the time limit; see `Budget.correct`."""
        if self.budget is not None:
            self.budget.correct(self.plan, step, has_validated=has_validated)

    def note_validation(self, seconds: float, corpus: Corpus) -> None:
        """Plan the last evaluation anew, by the seconds that a validation took."""
        if self.budget is not None:
            num_tokens = min(self.plan.validation_tokens, len(corpus.valid.tokens_N))
            self.final_tokens = self.budget.plan_last_evaluation(corpus, seconds / num_tokens)

    def save(self) -> SavedDuration:
        """Return what the checkpoint keeps."""
        budget = self.budget
        return SavedDuration(
            self.plan, None if budget is None else budget.seconds,
            0.0 if budget is None else budget.reserve, self.final_tokens, self.seconds(),
        )


def plan_run(learner: Learner, corpus: Corpus, *, sentences: bool, started: float) -> Duration:
    """Plan a new run.

    Args:
        started: `time.monotonic()` when the process began, from which a time limit counts.
    """
    config = learner.config
    tokens_per_step, minutes = learner.tokens_per_step, config.budget_minutes
    if minutes is None:
        steps = config.steps or _count_steps(learner, 0, config.epochs or 1)
        plan = make_plan(steps, tokens_per_step)
        return Duration(plan, None, _final_tokens_without_limit(plan, corpus), started)
    budget = Budget(60 * minutes, started, finish_seconds=_finish_seconds())
    steps, final_tokens = _fit_into(budget, learner, corpus, sentences, budget.seconds)
    return Duration(make_plan(steps, tokens_per_step), budget, final_tokens, started)


def resume_plan(saved: SavedDuration, *, started: float) -> Duration:
    """Return the duration of an interrupted run in a new process."""
    budget = None
    if saved.budget_seconds is not None:
        budget = Budget(
            saved.budget_seconds, started - saved.seconds, reserve=saved.reserve,
            finish_seconds=_finish_seconds(),
        )
    return Duration(saved.plan, budget, saved.final_tokens, started, saved.seconds)


def extend_run(
    duration: Duration, learner: Learner, corpus: Corpus, more: Mapping[str, Any], *,
    sentences: bool, step: int, epoch: int, finished: bool,
) -> None:
    """Give a run more minutes, epochs or steps.

    Args:
        duration: that of the resumed run; changed in place.
        more: the budget that is added, by the name of its option.
        step: number of steps done.
        epoch: number of epochs done.
        finished: whether the run had ended, so that a new plan begins.
    """
    plan = duration.plan
    if "minutes" not in more:
        steps = more.get("steps") or _count_steps(learner, epoch, more["epochs"])
        duration.plan = plan.extend(step, steps, finished=finished)
        duration.final_tokens = _final_tokens_without_limit(duration.plan, corpus)
        duration.budget = None
        return
    seconds = 60 * more["minutes"]
    running = None if finished else duration.budget
    left = 0.0 if running is None else max(running.left(), 0.0)
    began = duration.started - duration.seconds_before
    budget = Budget(
        duration.seconds_before + left + seconds, began, finish_seconds=_finish_seconds()
    )
    steps, duration.final_tokens = _fit_into(budget, learner, corpus, sentences, seconds)
    planned = 0 if running is None else plan.total_steps - step
    duration.plan = plan.extend(step, max(steps - planned, 1), finished=finished)
    # An unfinished run by steps or epochs gets no time limit: its steps are not cut short.
    duration.budget = budget if finished or running is not None else None


def _count_steps(learner: Learner, first_epoch: int, num_epochs: int) -> int:
    """Return the number of steps of some epochs."""
    windows = sum(
        learner.rows.count_windows(epoch) for epoch in range(first_epoch, first_epoch + num_epochs)
    )
    return max(1, windows // learner.config.accumulate)


def _fit_into(
    budget: Budget, learner: Learner, corpus: Corpus, sentences: bool, budget_seconds: float
) -> tuple[int, tuple[int, int]]:
    """Return the steps that fit into the time limit, and the tokens of the last evaluation.

    Args:
        budget_seconds: the time to be planned, which bounds the time of the calibration.
    """
    speed = measure_speed(
        learner, corpus.valid, sentences=sentences, budget_seconds=budget_seconds
    )
    final_tokens = budget.plan_last_evaluation(corpus, speed.evaluation)
    return budget.choose_steps(speed, tokens_per_step=learner.tokens_per_step), final_tokens


def _finish_seconds() -> float:
    """Return the seconds to keep for what follows the last evaluation."""
    plot_seconds = PLOT_SECONDS if find_spec("matplotlib") else 0.0
    return FINISH_SECONDS + SAMPLING_SECONDS + plot_seconds


def _final_tokens_without_limit(plan: Plan, corpus: Corpus) -> tuple[int, int]:
    """Return the tokens of the last evaluation: the whole text or, if it is huge, at most 10 % of
    the number of training tokens.
    """
    trained = plan.total_steps * plan.tokens_per_step
    limit = max(MIN_FINAL_TOKENS, int(FINAL_SHARE * trained))
    num_test = 0 if corpus.test is None else len(corpus.test.tokens_N)
    return min(limit, len(corpus.valid.tokens_N)), min(limit, num_test)
