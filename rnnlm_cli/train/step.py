"""One training step, by truncated backpropagation through time (Williams & Peng 1990)."""

import math

from rnnlm_cli.nn.randomness import make_generator
from rnnlm_cli.train.learner import Learner
from rnnlm_cli.train.optimizer import clip_gradients
from rnnlm_cli.train.state import TrainState


def train_step(learner: Learner, state: TrainState, lr: float, clip: float | None) -> bool:
    """Read the next windows, backpropagate through each, and update the weights once.

    The hidden state is carried to the next window; the gradient is not. The gradient is the mean
    over `accumulate` windows. `state` is updated in place.

    Args:
        lr: the learning rate.
        clip: the maximum norm of the gradient; None does not clip.
    Returns: False if the loss or the gradient is not finite. The weights are unchanged then, but
        the step counts as done: its number and the place in the text have advanced.
    """
    network, config = learner.network, learner.config
    for parameter in network.parameters():
        parameter.grad = None
    nats, network_state = 0.0, state.network_state
    for number in range(state.step * config.accumulate, (state.step + 1) * config.accumulate):
        window, state.position = learner.rows.read_window(state.position, number)
        inputs_TB, targets_TB, resets_TB = (tensor.to(network.device) for tensor in window)
        sample = None if learner.classes is None else learner.classes.draw(
            make_generator(config.seed, "classes", number)
        )
        loss, network_state = network.compute_loss(
            inputs_TB, targets_TB, network_state, resets_TB,
            dropout_generator=make_generator(config.seed, "dropout", number), sample=sample,
        )
        (loss / config.accumulate).backward()
        network_state = tuple(tuple(part.detach() for part in layer) for layer in network_state)
        nats += loss.item() / config.accumulate
    state.gradient_norm = clip_gradients(network, clip)

    state.step += 1
    if not (math.isfinite(nats) and math.isfinite(state.gradient_norm)):
        return False
    for optimizer in learner.optimizers:
        optimizer.step(lr)
    state.network_state = network_state
    state.loss = nats if math.isnan(state.loss) else 0.9 * state.loss + 0.1 * nats
    return True
