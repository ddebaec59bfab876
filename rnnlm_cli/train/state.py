"""Everything that changes while a network is trained, in one place."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor

from rnnlm_cli.nn.network import States
from rnnlm_cli.windows import START, Position

NUMBERS = (
    "step", "loss", "gradient_norm", "lr_scale", "num_rollbacks", "best_nats", "best_step",
    "validations_since_best",
)
MIN_DIVERGENCE = 0.5  # nats above the best validation loss; a smaller rise is no divergence
MAX_FIRST_LOSS = 20.0  # a first validation loss more than this above ln V counts as divergence


@dataclass
class TrainState:
    """The state of a training run between two steps.

    Args:
        network_state: the hidden state carried to the next window, for every layer, detached.
        best_weights: the parameters with the lowest validation loss, those after `best_step`
            steps; the initial ones before the first validation.
        step: number of steps done.
        position: where the next window begins.
        loss: training loss in nats per token, a moving average over about ten steps.
        gradient_norm: of the last step, before clipping.
        lr_scale: factor on the scheduled learning rate; every rollback lowers it.
        num_rollbacks: number of rollbacks.
        best_nats: the lowest validation loss, in nats per token.
        best_step: number of steps before that validation; 0 before the first one.
        validations_since_best: number of validations since then.
    """

    network_state: States
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    step: int = 0
    position: Position = START
    loss: float = math.nan
    gradient_norm: float = math.nan
    lr_scale: float = 1.0
    num_rollbacks: int = 0
    best_nats: float = math.inf
    best_step: int = 0
    validations_since_best: int = 0

    @property
    def has_best(self) -> bool:
        """True if a validation has found a finite loss."""
        return math.isfinite(self.best_nats)

    def has_diverged(self, nats: float, uniform_nats: float) -> bool:
        """Return whether a validation loss shows divergence, not overfitting.

        The loss has diverged if it is not a number, or has jumped to half way between the best
        loss and that of a uniform guess.

        Args:
            nats: the validation loss, per token.
            uniform_nats: ln V, the loss of a uniform guess.
        """
        limit = uniform_nats + MAX_FIRST_LOSS
        if self.has_best:
            limit = max((self.best_nats + uniform_nats) / 2, self.best_nats + MIN_DIVERGENCE)
        return not nats <= limit  # true for NaN

    def record_validation(self, nats: float, network: torch.nn.Module) -> bool:
        """Record a validation loss; keep a copy of the weights if it is the lowest so far.

        Args:
            nats: the loss per token; NaN is never the lowest.
        Returns: whether it is the lowest.
        """
        self.validations_since_best += 1
        if not nats < self.best_nats:
            return False
        self.best_nats, self.best_step, self.validations_since_best = nats, self.step, 0
        self.best_weights = copy_tensors(network.state_dict())
        return True

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as plain data; NaN and infinity become None, as JSON has neither."""
        data: dict[str, Any] = {"position": list(self.position)}
        for name in NUMBERS:
            value = getattr(self, name)
            data[name] = value if math.isfinite(value) else None
        return data

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], network_state: States, best_weights: dict[str, Tensor]
    ) -> Self:
        """Return the state with these numbers and tensors, the inverse of `to_dict`.

        Raises: TypeError, ValueError or KeyError for data of another structure.
        """
        unset = cls(())
        state = cls(network_state, best_weights)
        epoch, window = data["position"]
        state.position = Position(epoch, window)
        for name in NUMBERS:
            value = data[name]
            setattr(state, name, getattr(unset, name) if value is None else value)
        return state


def copy_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return copies that later changes of the tensors do not reach."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}
