"""Predictors: they read tokens and predict the next one. The network is one, a mixture another.

A predictor has no memory: like the network, it takes a state and returns the next one. Its
predictions are distributions over the whole vocabulary. Reading a text in windows of any size, or
token by token, gives the same distributions up to rounding.

Legend: T time, B batch (rows), M positions (T * B, the rows of the first step first), V vocabulary
size, F figures of a token.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnlm_cli.nn.network import RecurrentNetwork, States
from rnnlm_cli.nn.softmax import BLOCK_LOGITS, split_positions

Figures = NDArray[np.float64]


class Predictions(Protocol):
    """The distributions of the next token at M positions."""

    @property
    def shape(self) -> tuple[int, int]:
        """The number of positions and the vocabulary size, (M, V)."""

    def select(self, positions: slice) -> Self:
        """Return the predictions at some of the positions."""

    def compute_nats(self, targets_M: Tensor) -> Tensor:
        """Return -ln p of one token at each position, (M,)."""

    def compute_log_p(self) -> Tensor:
        """Return ln p of every token at each position, (M, V)."""


class Predictor(ABC):
    """Reads tokens and predicts the next one."""

    @property
    @abstractmethod
    def base_network(self) -> RecurrentNetwork:
        """The network that determines the device, and whether <unk> has a probability."""

    @property
    def device(self) -> torch.device:
        """The device of its tensors."""
        return self.base_network.device

    @property
    def unknown_trained(self) -> bool:
        """True if <unk> has a probability."""
        return self.base_network.config.unknown_trained

    @property
    def adapts(self) -> bool:
        """True if the predictions depend on the whole preceding text. Only one row is read then."""
        return False

    @property
    def max_window(self) -> int | None:
        """The maximum length of the windows that it should read; None for any."""
        return None

    @abstractmethod
    def initial_state(self, num_rows: int) -> Any:
        """Return the state before the first token of each row."""

    @abstractmethod
    def read(self, inputs_TB: Tensor, state: Any, resets_TB: Tensor) -> tuple[Predictions, Any]:
        """Read a window.

        Args:
            inputs_TB: the token before each position.
            state: the result of `initial_state`, or the state that the last call returned.
            resets_TB: where true, everything before that input is forgotten.
        Returns: the predictions of the token at each position, and the next state.
        """


@dataclass(frozen=True)
class NetworkPredictor(Predictor):
    """The predictor that a network alone is."""

    network: RecurrentNetwork

    @property
    def base_network(self) -> RecurrentNetwork:
        """The network."""
        return self.network

    def initial_state(self, num_rows: int) -> States:
        """Return the hidden state of zeros."""
        return self.network.initial_state(num_rows)

    @torch.inference_mode()
    def read(
        self, inputs_TB: Tensor, state: States, resets_TB: Tensor
    ) -> tuple["NetworkPredictions", States]:
        """Read a window; see `Predictor.read`."""
        y_TBH, after = self.network.read(inputs_TB, state, resets_TB)
        return NetworkPredictions(self.network, y_TBH.flatten(0, 1)), after


@dataclass(frozen=True)
class NetworkPredictions:
    """The softmax over the outputs of a network.

    Args:
        y_MH: the outputs of its last layer.
    """

    network: RecurrentNetwork
    y_MH: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """The number of positions and the vocabulary size, (M, V)."""
        return len(self.y_MH), self.network.config.vocab_size

    def select(self, positions: slice) -> "NetworkPredictions":
        """Return the predictions at some of the positions."""
        return NetworkPredictions(self.network, self.y_MH[positions])

    @torch.inference_mode()
    def compute_nats(self, targets_M: Tensor) -> Tensor:
        """Return -ln p of one token at each position, (M,)."""
        return self.network.compute_surprisal(self.y_MH, targets_M)

    @torch.inference_mode()
    def compute_log_p(self) -> Tensor:
        """Return ln p of every token at each position, (M, V)."""
        return self.network.compute_log_p(self.y_MH)


@dataclass(frozen=True)
class FigureChoice:
    """The figures that are computed for each token, F of them, in this order.

    1. its surprisal, -ln p;
    2. and 3. if `with_distribution`: the entropy of the prediction in nats, and the rank of the
       token: 1 more than the number of tokens that were more likely;
    4. if `token_class` is not empty: -ln of the probability of all tokens of that class together;
    5. for each of `temperatures`: -ln p of the token when the logits are divided by it.
    """

    with_distribution: bool = False
    token_class: tuple[int, ...] = ()
    temperatures: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """The number of figures, F."""
        return (
            1 + 2 * self.with_distribution + bool(self.token_class) + len(self.temperatures)
        )

    def compute(self, predictions: Predictions, targets_M: Tensor) -> Figures:
        """Return the figures of one token at each position, (F, M)."""
        if self.size == 1:
            return predictions.compute_nats(targets_M).double().cpu().numpy()[None]
        blocks = [
            self._compute_block(predictions.select(block), targets_M[block])
            for block in split_positions(*predictions.shape, BLOCK_LOGITS)
        ]
        return np.concatenate(blocks, axis=1)

    @torch.inference_mode()
    def _compute_block(self, predictions: Predictions, targets_M: Tensor) -> Figures:
        log_p_MV = predictions.compute_log_p()
        log_p_M1 = log_p_MV.gather(1, targets_M[:, None])
        figures = [-log_p_M1[:, 0]]
        if self.with_distribution:
            # entr(p) = -p ln p is 0 where p is 0
            figures += [
                torch.special.entr(log_p_MV.exp()).sum(dim=1),
                1 + (log_p_MV > log_p_M1).sum(dim=1),
            ]
        if self.token_class:
            figures.append(-log_p_MV[:, list(self.token_class)].logsumexp(dim=1))
        figures += [_temper(log_p_MV, log_p_M1[:, 0], each) for each in self.temperatures]
        return torch.stack([figure.double() for figure in figures]).cpu().numpy()


def _temper(log_p_MV: Tensor, log_p_M: Tensor, temperature: float) -> Tensor:
    """Return -ln p of one token at each position when the logits are divided by a temperature.

    Args:
        log_p_MV: ln p of every token at temperature 1, which serves as the logits. None is above
            0, and the largest is at least -ln V, so that the sum of the exponentials neither
            overflows nor vanishes.
        log_p_M: ln p of the token.
    """
    return (log_p_MV / temperature).exp_().sum(dim=1).log_() - log_p_M / temperature
