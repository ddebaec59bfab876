"""Truncated backpropagation through time (Williams & Peng 1990), on one page."""

import math
from collections.abc import Callable, Sequence

from rnnlm_cli.config import TrainConfig
from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.nn.model import RecurrentNetwork
from rnnlm_cli.nn.randomness import generator
from rnnlm_cli.nn.softmax import ClassSampler
from rnnlm_cli.train.optimizer import Optimizer, clip_gradients, make_optimizers
from rnnlm_cli.train.schedule import Plan, learning_rate
from rnnlm_cli.train.state import TrainState
from rnnlm_cli.windows import TrainingRows

MOST_SKIPPED = 20  # steps in a row


def train_step(
    network: RecurrentNetwork,
    optimizers: Sequence[Optimizer],
    rows: TrainingRows,
    classes: ClassSampler | None,
    config: TrainConfig,
    state: TrainState,
    rate: float,
) -> None:
    """Read one window, go back through it, and change the weights.

    The state is carried to the next window but the gradient is not.
    """
    window, state.position = rows.window(state.position, state.step)
    inputs_TB, targets_TB, resets_TB = (tensor.to(network.device) for tensor in window)
    loss, network_state = network.loss(
        inputs_TB, targets_TB, state.network_state, resets_TB,
        dropout_generator=generator(config.seed, "dropout", state.step),
        draw=None if classes is None else classes.draw(
            generator(config.seed, "classes", state.step)
        ),
    )
    for parameter in network.parameters():
        parameter.grad = None
    loss.backward()
    norm = clip_gradients(network, config.clip)

    state.step += 1
    nats = loss.item()
    if not (math.isfinite(nats) and math.isfinite(norm)):
        _skip(network, state)
        return
    for optimizer in optimizers:
        optimizer.step(rate)
    state.network_state = tuple(tuple(part.detach() for part in layer) for layer in network_state)
    state.num_skipped = 0
    state.loss = nats if math.isnan(state.loss) else 0.9 * state.loss + 0.1 * nats


def _skip(network: RecurrentNetwork, state: TrainState) -> None:
    """Leave the weights as they are and go on from the zero state; give up after some in a row."""
    batch_size = len(state.network_state[0][0])
    state.network_state = network.initial_state(batch_size)
    state.num_skipped += 1
    if state.num_skipped == MOST_SKIPPED:
        raise RnnlmError(
            f"training: loss or gradient was not finite in {MOST_SKIPPED} steps in a row, the "
            f"last being step {state.step}; a smaller learning rate is needed. Try a lower --lr or "
            "--clip; a model that was saved before stays"
        )


def fit(
    network: RecurrentNetwork,
    rows: TrainingRows,
    classes: ClassSampler | None,
    config: TrainConfig,
    plan: Plan,
    state: TrainState,
    *,
    after_step: Callable[[], None],
    validate: Callable[[], None],
    stops: Callable[[], bool],
) -> None:
    """Train until the plan ends, or until `stops` says so."""
    optimizers = make_optimizers(network, config, sparse=classes is not None)
    while state.step < plan.total_steps and not stops():
        step = state.step
        rate = learning_rate(plan.progress(step + 1), peak=config.peak_lr)
        train_step(network, optimizers, rows, classes, config, state, rate)
        after_step()
        if plan.validates_after(step):
            validate()
