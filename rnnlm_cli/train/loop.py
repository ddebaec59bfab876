"""Truncated backpropagation through time (Williams & Peng 1990), on one page."""

import math
from collections.abc import Callable

import torch
from torch.nn.functional import cross_entropy

from rnnlm_cli.config import TrainConfig
from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.nn.model import RecurrentNetwork
from rnnlm_cli.nn.randomness import generator
from rnnlm_cli.train.schedule import Plan, learning_rate
from rnnlm_cli.train.state import TrainState
from rnnlm_cli.windows import TrainingRows

MOST_SKIPPED = 20  # steps in a row


def make_optimizer(network: RecurrentNetwork, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019) or plain SGD; weight decay spares the biases."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": config.decay},
        {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.peak_lr)
    return torch.optim.AdamW(groups, lr=config.peak_lr, fused=True)


def train_step(
    network: RecurrentNetwork,
    optimizer: torch.optim.Optimizer,
    rows: TrainingRows,
    config: TrainConfig,
    state: TrainState,
    rate: float,
) -> None:
    """Read one window, go back through it, and change the weights.

    The gradient is clipped by its global norm (Pascanu et al. 2013); the state is carried to the
    next window but the gradient is not.
    """
    window, state.position = rows.window(state.position, state.step)
    inputs_TB, targets_TB, resets_TB = (tensor.to(network.device) for tensor in window)
    dropout = generator(config.seed, "dropout", state.step)
    logits_TBV, network_state = network(
        inputs_TB, state.network_state, resets_TB, dropout_generator=dropout
    )
    loss = cross_entropy(logits_TBV.flatten(0, 1), targets_TB.flatten())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    clip = math.inf if config.clip is None else config.clip
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), clip)

    state.step += 1
    if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
        _skip(network, state)
        return
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    state.network_state = tuple(tuple(part.detach() for part in layer) for layer in network_state)
    state.num_skipped = 0
    state.loss = loss.item() if math.isnan(state.loss) else 0.9 * state.loss + 0.1 * loss.item()


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
    config: TrainConfig,
    plan: Plan,
    state: TrainState,
    *,
    after_step: Callable[[], None],
    validate: Callable[[], None],
    stops: Callable[[], bool],
) -> None:
    """Train until the plan ends, or until `stops` says so."""
    optimizer = make_optimizer(network, config)
    while state.step < plan.total_steps and not stops():
        step = state.step
        rate = learning_rate(plan.progress(step + 1), peak=config.peak_lr)
        train_step(network, optimizer, rows, config, state, rate)
        after_step()
        if plan.validates_after(step):
            validate()
