"""All that changes while training, in one place."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor

from rnnlm_cli.nn.network import States
from rnnlm_cli.windows import START, Position

NUMBERS = (
    "step", "loss", "gradient_norm", "rate_scale", "num_undone", "best_nats", "best_step",
    "since_best",
)
MIN_DIVERGENCE = 0.5  # nats above the best
MAX_FIRST_LOSS = 20.0  # nats above a guess, of a first validation: tokens can be that unexpected


@dataclass
class TrainState:
    """Where a run stands.

    Args:
        network_state: the carried state of every layer, detached.
        best_weights: the network's parameters after `best_step` steps.
        step: how many steps are done.
        position: where the next window begins.
        loss: nats per token, an average that forgets, of about the last ten steps.
        gradient_norm: of the last step, before clipping.
        rate_scale: what the plan's learning rate is multiplied by: less with every time that
            training went back.
        num_undone: how often it did.
        best_nats: the lowest validation nats so far, on the fixed part of the validation text.
        best_step: after how many steps; 0 before the first validation.
        since_best: how many validations there were since.
    """

    network_state: States
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    step: int = 0
    position: Position = START
    loss: float = math.nan
    gradient_norm: float = math.nan
    rate_scale: float = 1.0
    num_undone: int = 0
    best_nats: float = math.inf
    best_step: int = 0
    since_best: int = 0

    @property
    def has_best(self) -> bool:
        """Whether a validation found a finite loss."""
        return math.isfinite(self.best_nats)

    def has_leapt(self, nats: float, guess: float) -> bool:
        """Whether a validation is half way back to a guess: a rate too high, not overfitting.

        Args:
            guess: the nats of one, ln V.
        """
        most = guess + MAX_FIRST_LOSS
        if self.has_best:
            most = max((self.best_nats + guess) / 2, self.best_nats + MIN_DIVERGENCE)
        return not nats <= most  # nor where it is no number

    def keep_best(self, nats: float, network: torch.nn.Module) -> bool:
        """Note a validation; copy the weights if it is the best so far, and say whether it is."""
        self.since_best += 1
        if not nats < self.best_nats:  # nor where it is not a number
            return False
        self.best_nats, self.best_step, self.since_best = nats, self.step, 0
        self.best_weights = copy_tensors(network.state_dict())
        return True

    def numbers(self) -> dict[str, Any]:
        """All but the tensors, as plain data; what is not finite, which JSON has not, as null."""
        data: dict[str, Any] = {"position": list(self.position)}
        for name in NUMBERS:
            value = getattr(self, name)
            data[name] = value if math.isfinite(value) else None
        return data

    @classmethod
    def of(
        cls, numbers: Mapping[str, Any], network_state: States, best_weights: dict[str, Tensor]
    ) -> Self:
        """The inverse of `numbers`, with the tensors. Raises: TypeError or KeyError."""
        unset = cls(())
        state = cls(network_state, best_weights)
        epoch, window = numbers["position"]
        state.position = Position(epoch, window)
        for name in NUMBERS:
            value = numbers[name]
            setattr(state, name, getattr(unset, name) if value is None else value)
        return state


def copy_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that later changes do not reach."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}
