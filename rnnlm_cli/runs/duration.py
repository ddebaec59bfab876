"""From what was asked for to a plan: for a new run, one that goes on, one that is to go on longer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from rnnlm_cli.runs.checkpoint import Checkpoint
from rnnlm_cli.text.corpus import Corpus
from rnnlm_cli.train.budget import FINISH_SECONDS, PICTURE_SECONDS, Budget, Speed, measure_speed
from rnnlm_cli.train.schedule import Plan
from rnnlm_cli.train.step import Learner

FINAL_TOKENS = 1 << 17  # of the last evaluation, where no clock bounds it,
FINAL_PART = 0.1  # or as many as this part of the tokens trained, if they are more

More = Mapping[str, float | None]  # minutes, epochs and steps that a run is to go on for


@dataclass
class Planned:
    """How far a run goes.

    Args:
        budget: None where steps or epochs are counted, not seconds.
        final_tokens: how many validation and test tokens the last evaluation reads.
        seconds: what the run has taken so far.
    """

    plan: Plan
    budget: Budget | None
    final_tokens: tuple[int, int]
    seconds: float = 0.0


def first_plan(learner: Learner, corpus: Corpus, *, sentences: bool, started: float) -> Planned:
    """The plan of a new run.

    Args:
        started: `time.monotonic()` when the process began: the clock of a run by minutes.
    """
    config = learner.config
    size = learner.tokens_per_step
    minutes = config.budget_minutes
    if minutes is None:
        steps = config.steps or _steps_of_epochs(learner, 0, config.epochs or 1)
        plan = Plan(steps, size)
        return Planned(plan, None, _unhurried_final_tokens(plan, corpus))
    budget = Budget(60 * minutes, started)
    speed = measure_speed(
        learner, corpus.valid, sentences=sentences, budget_seconds=budget.seconds
    )
    steps, final_tokens = _fitting(budget, speed, size, corpus)
    return Planned(Plan(steps, size), budget, final_tokens)


def taken_up(
    checkpoint: Checkpoint, learner: Learner, corpus: Corpus, more: More, *, started: float
) -> Planned:
    """The plan of a run that was interrupted, or was finished and is to go on."""
    step, finished = checkpoint.state.step, checkpoint.finished
    plan, size = checkpoint.plan, checkpoint.plan.tokens_per_step
    budget = None
    if checkpoint.budget is not None:
        budget = Budget(
            checkpoint.budget, started - checkpoint.seconds, reserve=checkpoint.reserve
        )
    final_tokens = checkpoint.final_tokens
    minutes, epochs, steps = (more.get(name) for name in ("minutes", "epochs", "steps"))
    if minutes is not None:
        under_way = budget if not finished else None
        left = 0.0 if under_way is None else max(under_way.left(), 0.0)
        timed = Budget(
            checkpoint.seconds + left + 60 * minutes, started - checkpoint.seconds
        )
        speed = measure_speed(
            learner, corpus.valid, sentences=checkpoint.settings.text.sentences,
            budget_seconds=60 * minutes,
        )
        fitting, final_tokens = _fitting(timed, speed, size, corpus)
        planned = 0 if under_way is None else plan.total_steps - step
        plan = plan.extended(step, max(fitting - planned, 1), finished=finished)
        # The clock rules only where it ruled before: counted steps are not given up for it.
        budget = timed if finished or under_way is not None else None
    elif epochs is not None or steps is not None:
        count = steps or _steps_of_epochs(learner, checkpoint.state.position.epoch, epochs or 1)
        plan = plan.extended(step, int(count), finished=finished)
        final_tokens = _unhurried_final_tokens(plan, corpus)
        budget = None
    return Planned(plan, budget, final_tokens, checkpoint.seconds)


def _steps_of_epochs(learner: Learner, first: int, epochs: float) -> int:
    count: Callable[[int], int] = learner.rows.num_windows
    windows = sum(count(first + epoch) for epoch in range(int(epochs)))
    return max(1, windows // learner.config.accumulate)


def _fitting(
    budget: Budget, speed: Speed, size: int, corpus: Corpus
) -> tuple[int, tuple[int, int]]:
    """The steps that fit into what is left, and the tokens of the last evaluation."""
    final_tokens = budget.final_tokens(corpus, speed)
    last_words = FINISH_SECONDS + (PICTURE_SECONDS if find_spec("matplotlib") else 0.0)
    steps = budget.steps(
        speed, tokens_per_step=size, final_tokens=sum(final_tokens), last_words=last_words
    )
    return steps, final_tokens


def _unhurried_final_tokens(plan: Plan, corpus: Corpus) -> tuple[int, int]:
    """All of an ordinary text; of a huge one what is in proportion to the training."""
    trained = plan.total_steps * plan.tokens_per_step
    most = max(FINAL_TOKENS, int(FINAL_PART * trained))
    num_test = 0 if corpus.test is None else len(corpus.test.tokens_N)
    return min(most, len(corpus.valid.tokens_N)), min(most, num_test)
