"""How a run ended, and what its model file says of it."""

import math
from dataclasses import dataclass
from typing import Any

from rnnlm_cli.score.score import Score
from rnnlm_cli.train.schedule import Plan
from rnnlm_cli.train.state import TrainState
from rnnlm_cli.train.step import Learner


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        valid: how the model that was kept does on the validation text.
        test: the same on the test text, if there is one.
        early: whether validations that did not get better ended it.
        signum: the signal that stopped it, if one did.
    """

    valid: Score
    test: Score | None
    step: int
    total_steps: int
    early: bool
    signum: int | None


def summary(
    learner: Learner, plan: Plan, state: TrainState, *, valid_nats: float, test_nats: float | None
) -> dict[str, Any]:
    """How the best model so far came about, and what it reached, in nats per token.

    Plain numbers and words, the same for the same run.
    """
    config = learner.config
    return {
        "steps": state.best_step,
        "tokens": state.best_step * plan.tokens_per_step,
        "planned_steps": plan.total_steps,
        "corpus_tokens": len(learner.rows.tokens_N),
        "bptt": config.bptt,
        "batch_size": config.batch_size,
        "accumulate": config.accumulate,
        "optimizer": config.optimizer,
        "lr": config.peak_lr,
        "weight_decay": config.decay,
        "clip": config.clip,
        "seed": config.seed,
        "valid_nats": _if_finite(valid_nats),
        "test_nats": None if test_nats is None else _if_finite(test_nats),
    }


def _if_finite(nats: float) -> float | None:
    """JSON, which model files are described in, has no infinity."""
    return nats if math.isfinite(nats) else None
