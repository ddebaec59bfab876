"""The continuous cache: words that came after similar contexts become more likely again.

Grave et al. 2017 (arXiv 1612.04426). The cache holds the last N outputs of the network, h_i, and
the token that came after each of them, x_{i+1}:

    p_cache(w)  is proportional to  sum over i of 1[w = x_{i+1}] exp(theta h_t . h_i)
    p(w) = (1 - weight) p_network(w) + weight p_cache(w)

Nothing is trained. While the cache is empty, p is p_network.

Legend: T time, M positions (one row), N pairs in the cache, K pairs in the cache at any position
of a window, H hidden size, V vocabulary size.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.score.dynamic import DynamicPredictions, DynamicPredictor
from rnnlm_cli.score.predictor import NetworkPredictions, NetworkPredictor, Predictor

BLOCK_POSITIONS = 256  # computed at once


class CacheState(NamedTuple):
    """The state of a predictor with a cache.

    Args:
        base: the state of the predictor whose outputs are cached.
        keys_NH: the outputs of the network in the cache, the oldest first.
        tokens_N: the token that came after each of them.
        last_H: the last output, whose token is the next input; None before the first.
    """

    base: Any
    keys_NH: Tensor
    tokens_N: Tensor
    last_H: Tensor | None


@dataclass(frozen=True)
class CachePredictor(Predictor):
    """The predictor that mixes a network with its continuous cache.

    Args:
        base: the network, which may learn from the text meanwhile.
        size: the maximum number of tokens in the cache, N.
        theta: the flatness: 0 counts all pairs alike, and larger values prefer similar contexts.
        weight: of the cache in the mixture.
    """

    base: NetworkPredictor | DynamicPredictor
    size: int
    theta: float
    weight: float

    @property
    def base_network(self) -> RecurrentNetwork:
        """The network whose outputs are cached, with the weights of the model."""
        return self.base.base_network

    @property
    def adapts(self) -> bool:
        """True, because the predictions depend on the whole preceding text."""
        return True

    @property
    def max_window(self) -> int | None:
        """The maximum of the network."""
        return self.base.max_window

    def initial_state(self, num_rows: int) -> CacheState:
        """Return the state of the network and an empty cache."""
        return CacheState(
            self.base.initial_state(num_rows), torch.empty(0, 0, device=self.device),
            torch.empty(0, dtype=torch.int64, device=self.device), None,
        )

    @torch.no_grad()
    def read(
        self, inputs_TB: Tensor, state: CacheState, resets_TB: Tensor
    ) -> tuple["CachePredictions", CacheState]:
        """Read a window of one row; see `Predictor.read`. A reset does not empty the cache."""
        network, base_state = self.base.read(inputs_TB, state.base, resets_TB)
        y_TH, inputs_T = network.y_MH, inputs_TB[:, 0]
        # The pair of input t is the output before it, so position t can use the pairs up to t.
        first, keys = 1, [y_TH[:-1]]
        if state.last_H is not None:
            first, keys = 0, [state.keys_NH.reshape(-1, y_TH.shape[1]), state.last_H[None], *keys]
        keys_KH = torch.cat(keys)
        tokens_K = torch.cat([state.tokens_N, inputs_T[first:]])
        num_before_M = len(state.keys_NH) + 1 - first + torch.arange(len(y_TH), device=self.device)
        predictions = CachePredictions(
            self, network, keys_KH, tokens_K, num_before_M
        )
        return predictions, CacheState(
            base_state, keys_KH[-self.size :], tokens_K[-self.size :], y_TH[-1]
        )


@dataclass(frozen=True)
class CachePredictions:
    """The distributions of the network, mixed with those of the cache.

    Args:
        keys_KH, tokens_K: the pairs that are in the cache at any of the positions.
        ends_M: at each position, the number of pairs that came before it; the last `size` of them
            are in the cache.
    """

    predictor: CachePredictor
    network: NetworkPredictions | DynamicPredictions
    keys_KH: Tensor
    tokens_K: Tensor
    ends_M: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """The number of positions and the vocabulary size, (M, V)."""
        return self.network.shape

    def select(self, positions: slice) -> "CachePredictions":
        """Return the predictions at some of the positions."""
        return CachePredictions(
            self.predictor, self.network.select(positions), self.keys_KH, self.tokens_K,
            self.ends_M[positions],
        )

    @torch.no_grad()
    def compute_nats(self, targets_M: Tensor) -> Tensor:
        """Return -ln p of one token at each position, (M,)."""
        log_p_M = -self.network.compute_nats(targets_M).double()
        for begin in range(0, len(targets_M), BLOCK_POSITIONS):
            block = slice(begin, begin + BLOCK_POSITIONS)
            shares_MK, tokens_K = self._compute_shares(block)
            is_target_MK = tokens_K == targets_M[block, None]
            cached_M = torch.where(is_target_MK, shares_MK, 0.0).sum(dim=1)
            log_p_M[block] = self._mix(log_p_M[block], cached_M, self.ends_M[block])
        return -log_p_M

    @torch.no_grad()
    def compute_log_p(self) -> Tensor:
        """Return ln p of every token at each position, (M, V), in float64."""
        log_p_MV = self.network.compute_log_p().double()
        for begin in range(0, len(log_p_MV), BLOCK_POSITIONS):
            block = slice(begin, begin + BLOCK_POSITIONS)
            shares_MK, tokens_K = self._compute_shares(block)
            cached_MV = torch.zeros_like(log_p_MV[block])
            cached_MV.scatter_add_(1, tokens_K.expand(len(shares_MK), -1), shares_MK)
            log_p_MV[block] = self._mix(log_p_MV[block], cached_MV, self.ends_M[block, None])
        return log_p_MV

    def _compute_shares(self, block: slice) -> tuple[Tensor, Tensor]:
        """Return the share of each pair in p_cache, (M, K), and the tokens of the pairs, (K,).

        Only pairs that are in the cache at one of the positions are returned.
        """
        ends_M1 = self.ends_M[block, None]
        first, last = max(0, int(ends_M1[0]) - self.predictor.size), int(ends_M1[-1])
        keys_KH, tokens_K = self.keys_KH[first:last], self.tokens_K[first:last]
        place_K = torch.arange(first, last, device=keys_KH.device)
        cached_MK = (place_K < ends_M1) & (place_K >= ends_M1 - self.predictor.size)
        scores_MK = (self.network.y_MH[block] @ keys_KH.t()).double() * self.predictor.theta
        shares_MK = scores_MK.masked_fill(~cached_MK, -math.inf).softmax(dim=1)
        return shares_MK.nan_to_num(0.0), tokens_K  # NaN: an empty cache

    def _mix(self, log_p: Tensor, cached: Tensor, ends: Tensor) -> Tensor:
        """Return ln of the mixture; where the cache is empty, of the network alone."""
        weight = torch.where(ends > 0, self.predictor.weight, 0.0).double()
        return torch.logaddexp(log_p + torch.log1p(-weight), (weight * cached).log())
