"""One training step, by truncated backpropagation through time (Williams & Peng 1990)."""

import math
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from rnnlm_cli.nn.dropout import DropoutSource
from rnnlm_cli.nn.network import States
from rnnlm_cli.nn.randomness import make_generator
from rnnlm_cli.nn.softmax import ClassSample
from rnnlm_cli.threads import one_thread, run_together, split_rows
from rnnlm_cli.train.learner import Learner
from rnnlm_cli.train.optimizer import clip_gradients
from rnnlm_cli.train.state import TrainState
from rnnlm_cli.windows import Window


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
        window_nats, network_state = backpropagate(learner, window, network_state, number)
        nats += window_nats / config.accumulate
    with one_thread():
        state.gradient_norm = clip_gradients(network, clip)
        state.step += 1
        if not (math.isfinite(nats) and math.isfinite(state.gradient_norm)):
            return False
        for optimizer in learner.optimizers:
            optimizer.step(lr)
    state.network_state = network_state
    state.loss = nats if math.isnan(state.loss) else 0.9 * state.loss + 0.1 * nats
    return True


class _Part(NamedTuple):
    """The result of some rows of a window: their part of the loss and of the gradients."""

    nats: float
    gradients: tuple[Tensor, ...]
    state: States


def backpropagate(
    learner: Learner, window: Window, network_state: States, number: int
) -> tuple[float, States]:
    """Add the gradients of one window to those of the parameters.

    Each thread takes some rows of the window forward and back, and the gradients of the threads
    are added in the order of the rows.

    Args:
        network_state: the hidden state before the window.
        number: the number of the window, counted over the whole run. It seeds what is random.
    Returns: (mean loss in nats, hidden state after the window).
    """
    network, config = learner.network, learner.config
    sample = None if learner.classes is None else learner.classes.draw(
        make_generator(config.seed, "classes", number)
    )
    parts = run_together([
        partial(_backpropagate_rows, learner, window, network_state, number, sample, rows)
        for rows in split_rows(window.inputs_TB.shape[1], network.device)
    ])
    with one_thread():
        for parameter, *gradients in zip(
            network.parameters(), *(part.gradients for part in parts), strict=True
        ):
            for gradient in gradients:
                parameter.grad = (
                    gradient if parameter.grad is None else parameter.grad.add_(gradient)
                )
        after = tuple(
            tuple(torch.cat(tensors) for tensors in zip(*layer, strict=True))
            for layer in zip(*(part.state for part in parts), strict=True)
        )
    return sum(part.nats for part in parts), after


def _backpropagate_rows(
    learner: Learner, window: Window, network_state: States, number: int,
    sample: ClassSample | None, rows: slice,
) -> _Part:
    """Compute the part of the loss and of the gradients that some rows of a window contribute."""
    network, config = learner.network, learner.config
    inputs_TB, targets_TB, resets_TB = (
        tensor[:, rows].contiguous().to(network.device) for tensor in window
    )
    before = tuple(tuple(tensor[rows] for tensor in layer) for layer in network_state)
    loss, after = network.compute_loss(
        inputs_TB, targets_TB, before, resets_TB,
        dropout=DropoutSource(config.seed, number, rows.start), sample=sample,
    )
    share = inputs_TB.shape[1] / window.inputs_TB.shape[1]
    gradients = torch.autograd.grad(
        loss * (share / config.accumulate), [*network.parameters()]
    )
    return _Part(
        loss.item() * share, gradients,
        tuple(tuple(tensor.detach() for tensor in layer) for layer in after),
    )
