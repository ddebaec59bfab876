"""Rollback after divergence: the best weights again, with a lower learning rate."""

import math

from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.train.learner import Learner
from rnnlm_cli.train.state import TrainState

MAX_ROLLBACKS = 5  # the n-th rollback divides the learning rate by 2**n
ROLLBACK_CLIP = 1.0  # maximum gradient norm after a rollback, if there was no clipping


def roll_back(learner: Learner, state: TrainState) -> None:
    """Return to the best weights, and lower the learning rate.

    The optimizers lose their moments, the hidden state becomes zero, and the moving average of the
    loss begins anew. The place in the text and the number of steps stay.

    Raises: RnnlmError after MAX_ROLLBACKS rollbacks.
    """
    if state.num_rollbacks == MAX_ROLLBACKS:
        raise RnnlmError(
            f"training: the loss diverged {MAX_ROLLBACKS + 1} times, the last time in step "
            f"{state.step}; a smaller learning rate is needed. Begin anew with --restart and a "
            "lower --lr or --clip; the best model so far is kept"
        )
    state.num_rollbacks += 1
    state.lr_scale /= 2**state.num_rollbacks
    learner.network.load_state_dict(state.best_weights)
    learner.reset_optimizers()
    batch_size = len(state.network_state[0][0])
    state.network_state = learner.network.initial_state(batch_size)
    state.loss = math.nan


def clip_norm(learner: Learner, state: TrainState) -> float | None:
    """Return the maximum gradient norm of the next step; None does not clip."""
    return learner.config.clip or (ROLLBACK_CLIP if state.num_rollbacks else None)
