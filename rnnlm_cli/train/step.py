"""Truncated backpropagation through time (Williams & Peng 1990), on one page."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from rnnlm_cli.config import TrainConfig
from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.nn.randomness import make_generator
from rnnlm_cli.nn.softmax import ClassSampler
from rnnlm_cli.train.optimizer import Optimizer, clip_gradients, make_optimizers
from rnnlm_cli.train.schedule import Plan
from rnnlm_cli.train.state import TrainState
from rnnlm_cli.windows import TrainingRows

TAMING_CLIP = 1.0  # of gradients that were not clipped and went beyond all bounds
MAX_ROLLBACKS = 5  # times: to 1/2 of the rate, 1/4 of that, 1/8 of that, ...


@dataclass
class Learner:
    """A network, the windows it learns from, and what changes its weights."""

    network: RecurrentNetwork
    rows: TrainingRows
    classes: ClassSampler | None  # what the softmax is estimated from; None takes it in full
    config: TrainConfig
    optimizers: list[Optimizer] = field(init=False)

    def __post_init__(self) -> None:
        self.forget()

    @property
    def tokens_per_step(self) -> int:
        """B * T, times the windows that are accumulated."""
        return self.rows.batch_size * self.rows.bptt * self.config.accumulate

    def forget(self) -> None:
        """Begin with fresh averages of the gradients."""
        sparse = self.classes is not None
        self.optimizers = make_optimizers(self.network, self.config, sparse=sparse)


def train_step(learner: Learner, state: TrainState, rate: float) -> bool:
    """Read some windows, go back through each, and change the weights once.

    The state is carried to the next window but the gradient is not.

    Returns: False, the weights untouched, where loss or gradient is not finite.
    """
    network, config = learner.network, learner.config
    for parameter in network.parameters():
        parameter.grad = None
    nats, network_state = 0.0, state.network_state
    for number in range(state.step * config.accumulate, (state.step + 1) * config.accumulate):
        window, state.position = learner.rows.window(state.position, number)
        inputs_TB, targets_TB, resets_TB = (tensor.to(network.device) for tensor in window)
        draw = None if learner.classes is None else learner.classes.draw(
            make_generator(config.seed, "classes", number)
        )
        loss, network_state = network.compute_loss(
            inputs_TB, targets_TB, network_state, resets_TB,
            dropout_generator=make_generator(config.seed, "dropout", number), sample=draw,
        )
        (loss / config.accumulate).backward()
        network_state = tuple(tuple(part.detach() for part in layer) for layer in network_state)
        nats += loss.item() / config.accumulate
    clip = config.clip or (TAMING_CLIP if state.num_undone else None)
    state.gradient_norm = clip_gradients(network, clip)

    state.step += 1
    if not (math.isfinite(nats) and math.isfinite(state.gradient_norm)):
        return False
    for optimizer in learner.optimizers:
        optimizer.step(rate)
    state.network_state = network_state
    state.loss = nats if math.isnan(state.loss) else 0.9 * state.loss + 0.1 * nats
    return True


def go_back(learner: Learner, state: TrainState) -> None:
    """Take up the best weights so far again, and go on at a lower rate, with clipped gradients.

    Raises: RnnlmError where that was done MAX_ROLLBACKS times already.
    """
    if state.num_undone == MAX_ROLLBACKS:
        raise RnnlmError(
            f"training: loss or gradient left all bounds {MAX_ROLLBACKS + 1} times, the last "
            f"time in step {state.step}; a smaller learning rate is needed. Begin anew with "
            "--restart and a lower --lr or --clip; the best model so far stays"
        )
    state.num_undone += 1
    state.rate_scale /= 2**state.num_undone
    learner.network.load_state_dict(state.best_weights)
    learner.forget()
    batch_size = len(state.network_state[0][0])
    state.network_state = learner.network.initial_state(batch_size)
    state.loss = math.nan


def fit(
    learner: Learner, plan: Plan, state: TrainState, *,
    after_step: Callable[[float], None], undone: Callable[[], None],
    validate: Callable[[], None], stops: Callable[[], bool],
) -> None:
    """Train until the plan ends, or until `stops` says so.

    Args:
        after_step: called when all about a step is done, with its rate.
        undone: called when training went back.
    """
    while state.step < plan.total_steps and not stops():
        step = state.step
        rate = state.rate_scale * plan.rate(step, peak=learner.config.peak_lr)
        if not train_step(learner, state, rate):
            go_back(learner, state)
            undone()
        if plan.validates_after(step):
            validate()
        after_step(rate)
