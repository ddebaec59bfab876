"""All that changes while training, in one place."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from rnnlm_cli.nn.model import States
from rnnlm_cli.windows import START, Position


@dataclass
class TrainState:
    """Where a run stands.

    Args:
        network_state: the carried state of every layer, detached.
        step: how many steps are done.
        position: where the next window begins.
        loss: nats per token, an average that forgets, of about the last ten steps.
        num_skipped: steps in a row that were not taken, as their gradient was not finite.
        best_nats: the lowest validation nats so far, on the fixed part of the validation text.
        best_step: after how many steps; 0 before the first validation.
        best_weights: the network's parameters then.
    """

    network_state: States
    step: int = 0
    position: Position = START
    loss: float = math.nan
    num_skipped: int = 0
    best_nats: float = math.inf
    best_step: int = 0
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    def keep_best(self, nats: float, network: torch.nn.Module) -> bool:
        """Note a validation; copy the weights if it is the best so far, and say whether it is."""
        if not nats < self.best_nats:  # nor where it is not a number
            return False
        self.best_nats, self.best_step = nats, self.step
        self.best_weights = {
            name: tensor.detach().clone() for name, tensor in network.state_dict().items()
        }
        return True
