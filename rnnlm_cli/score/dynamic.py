"""Dynamic evaluation: the network learns from each part of a text after that part is scored.

Krause et al. 2018 (arXiv 1709.07432). The text is divided into segments. Each one is predicted
with the weights that the segments before it have left. Then one step of gradient descent on its
loss changes the weights, and a decay draws them back to those of the model:

    m = mean of the squares of the gradients of the segments so far
    weights = weights - lr gradient / (sqrt(m) + epsilon) + decay (weights of the model - weights)

The paper takes m from the training text. A model file does not hold it, so it is the mean over the
segments of the scored text that came before, a matrix at a time. Every prediction depends on what
came before it only, and the model itself is never changed.

Legend: T time, M positions (one row).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.nn.network import RecurrentNetwork, States
from rnnlm_cli.score.predictor import NetworkPredictions, Predictor

EPSILON = 1e-8


class DynamicState(NamedTuple):
    """The state of a predictor that learns.

    Args:
        network: with the weights that predict the present segment.
        squares: for each parameter, the sum of the mean squares of its gradients.
        num_steps: the number of steps so far.
        before, after: the hidden states before the present segment and after what was read of it.
        inputs_T, resets_T: what was read of the present segment.
    """

    network: RecurrentNetwork
    squares: tuple[float, ...]
    num_steps: int
    before: States
    after: States
    inputs_T: Tensor
    resets_T: Tensor


@dataclass(frozen=True)
class DynamicPredictor(Predictor):
    """The predictor that a network is while it learns from the text.

    Args:
        segment: the number of tokens between two steps.
        lr: the learning rate.
        decay: the share by which each step draws the weights back to those of the model.
    """

    model: RecurrentNetwork
    segment: int
    lr: float
    decay: float

    @property
    def base_network(self) -> RecurrentNetwork:
        """The network with the weights of the model."""
        return self.model

    @property
    def adapts(self) -> bool:
        """True, because the predictions depend on the whole preceding text."""
        return True

    @property
    def max_window(self) -> int:
        """One segment, so that the weights of several need not be kept at once."""
        return self.segment

    def initial_state(self, num_rows: int) -> DynamicState:
        """Return the hidden state of zeros, and the weights of the model."""
        assert num_rows == 1
        network = self.model.with_weights(self.model.state_dict())
        state = network.initial_state(1)
        return DynamicState(
            network, (0.0,) * len([*network.parameters()]), 0, state, state,
            torch.empty(0, dtype=torch.int64, device=self.device),
            torch.empty(0, dtype=torch.bool, device=self.device),
        )

    @torch.no_grad()
    def read(
        self, inputs_TB: Tensor, state: DynamicState, resets_TB: Tensor
    ) -> tuple["DynamicPredictions", DynamicState]:
        """Read a window of one row; see `Predictor.read`. The inputs are the targets before."""
        parts, begin = [], 0
        while begin < len(inputs_TB):
            if len(state.inputs_T) == self.segment:
                state = self._learn(state, inputs_TB[begin, 0])
            end = begin + self.segment - len(state.inputs_T)
            inputs_T1, resets_T1 = inputs_TB[begin:end], resets_TB[begin:end]
            y_TBH, after = state.network.read(inputs_T1, state.after, resets_T1)
            parts.append(NetworkPredictions(state.network, y_TBH[:, 0]))
            state = state._replace(
                after=after, inputs_T=torch.cat([state.inputs_T, inputs_T1[:, 0]]),
                resets_T=torch.cat([state.resets_T, resets_T1[:, 0]]),
            )
            begin = end
        return DynamicPredictions(parts), state

    def _learn(self, state: DynamicState, next_input: Tensor) -> DynamicState:
        """Take a step on the segment that was read; the next input is its last target."""
        targets_T = torch.cat([state.inputs_T[1:], next_input[None]])
        begun = state._replace(
            before=state.after, inputs_T=state.inputs_T[:0], resets_T=state.resets_T[:0]
        )
        if not self.unknown_trained and bool((targets_T == UNKNOWN_ID).any()):
            return begun  # a token without probability has no gradient
        weights = [*state.network.parameters()]
        with torch.enable_grad():
            for weight in weights:
                weight.requires_grad_()
            loss, _ = state.network.compute_loss(
                state.inputs_T[:, None], targets_T[:, None], state.before, state.resets_T[:, None]
            )
            gradients = torch.autograd.grad(loss, weights)
        num_steps = state.num_steps + 1
        squares = tuple(
            square + gradient.square().mean().item()
            for square, gradient in zip(state.squares, gradients, strict=True)
        )
        adapted = {
            name: self._step(weight, original, gradient, square / num_steps)
            for (name, weight), original, gradient, square in zip(
                state.network.named_parameters(), self.model.parameters(), gradients, squares,
                strict=True,
            )
        }
        return begun._replace(
            network=self.model.with_weights(adapted), squares=squares, num_steps=num_steps
        )

    def _step(self, weight: Tensor, original: Tensor, gradient: Tensor, square: float) -> Tensor:
        """Return the next value of a parameter."""
        stepped = weight.detach() - self.lr / (square ** 0.5 + EPSILON) * gradient
        return torch.lerp(stepped, original, self.decay)


@dataclass(frozen=True)
class DynamicPredictions:
    """The distributions of one network after another, each for a part of the positions."""

    parts: Sequence[NetworkPredictions]

    @property
    def shape(self) -> tuple[int, int]:
        """The number of positions and the vocabulary size, (M, V)."""
        return sum(part.shape[0] for part in self.parts), self.parts[0].shape[1]

    @property
    def y_MH(self) -> Tensor:
        """The outputs of the networks."""
        return torch.cat([part.y_MH for part in self.parts])

    def select(self, positions: slice) -> "DynamicPredictions":
        """Return the predictions at some of the positions."""
        begin, end, _ = positions.indices(self.shape[0])
        parts, place = [], 0
        for part in self.parts:
            size = part.shape[0]
            parts.append(part.select(slice(max(0, begin - place), max(0, end - place))))
            place += size
        return DynamicPredictions(parts)

    def compute_nats(self, targets_M: Tensor) -> Tensor:
        """Return -ln p of one token at each position, (M,)."""
        targets = targets_M.split([part.shape[0] for part in self.parts])
        pairs = zip(self.parts, targets, strict=True)
        return torch.cat([part.compute_nats(part_M) for part, part_M in pairs])

    def compute_log_p(self) -> Tensor:
        """Return ln p of every token at each position, (M, V)."""
        return torch.cat([part.compute_log_p() for part in self.parts])
