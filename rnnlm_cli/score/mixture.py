"""Mixtures of predictors over one vocabulary: ensembles, and interpolation with an n-gram model.

    p(token) = sum over k of weight_k p_k(token)

Every component is a distribution over the whole vocabulary, so the mixture is one too. The weights
do not depend on the text. Expectation maximisation finds those that make a held-out text most
likely.

Legend: K components, T time, B batch (rows), M positions, N tokens of a text, V vocabulary size.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnlm_cli.errors import ConfigError
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.score.predictor import Predictions, Predictor
from rnnlm_cli.score.score import Nats
from rnnlm_cli.score.scorer import Scorer
from rnnlm_cli.text.vocabulary import Vocabulary

Weights = NDArray[np.float64]
TOLERANCE = 1e-9  # nats per token; expectation maximisation ends when it gains less
MAX_ITERATIONS = 1000


@dataclass(frozen=True)
class MixturePredictor(Predictor):
    """The predictor that averages the probabilities of others.

    Args:
        predictors: the components. They have the same vocabulary and device.
        weights: one for each; they sum to 1.
    """

    predictors: Sequence[Predictor]
    weights: Sequence[float]

    @property
    def base_network(self) -> RecurrentNetwork:
        """The network of the first component."""
        return self.predictors[0].base_network

    @property
    def adapts(self) -> bool:
        """True if a component adapts."""
        return any(each.adapts for each in self.predictors)

    @property
    def max_window(self) -> int | None:
        """The smallest maximum of a component; None if none has one."""
        limits = [each.max_window for each in self.predictors if each.max_window is not None]
        return min(limits, default=None)

    def initial_state(self, num_rows: int) -> tuple[Any, ...]:
        """Return the state of every component."""
        return tuple(each.initial_state(num_rows) for each in self.predictors)

    def read(
        self, inputs_TB: Tensor, state: tuple[Any, ...], resets_TB: Tensor
    ) -> tuple["MixturePredictions", tuple[Any, ...]]:
        """Read a window; see `Predictor.read`."""
        pairs = [
            each.read(inputs_TB, part, resets_TB)
            for each, part in zip(self.predictors, state, strict=True)
        ]
        predictions = MixturePredictions([each for each, _ in pairs], self.weights)
        return predictions, tuple(after for _, after in pairs)


@dataclass(frozen=True)
class MixturePredictions:
    """The weighted mean of the distributions of several predictors."""

    parts: Sequence[Predictions]
    weights: Sequence[float]

    @property
    def shape(self) -> tuple[int, int]:
        """The number of positions and the vocabulary size, (M, V)."""
        return self.parts[0].shape

    def select(self, positions: slice) -> "MixturePredictions":
        """Return the predictions at some of the positions."""
        return MixturePredictions([each.select(positions) for each in self.parts], self.weights)

    @torch.inference_mode()
    def compute_nats(self, targets_M: Tensor) -> Tensor:
        """Return -ln p of one token at each position, (M,)."""
        return -self._mix([-each.compute_nats(targets_M) for each in self.parts])

    @torch.inference_mode()
    def compute_log_p(self) -> Tensor:
        """Return ln p of every token at each position, (M, V)."""
        return self._mix([each.compute_log_p() for each in self.parts])

    def _mix(self, log_ps: Sequence[Tensor]) -> Tensor:
        """Return the logarithm of the weighted mean of probabilities, in float64."""
        stacked = torch.stack([log_p.double() for log_p in log_ps])
        log_weights_K = torch.tensor(self.weights, dtype=torch.float64, device=stacked.device).log()
        return torch.logsumexp(
            stacked + log_weights_K.reshape(-1, *[1] * (stacked.dim() - 1)), dim=0
        )


class Mixture(Scorer):
    """Models that are averaged in probability. It has the methods of a single model.

    Args:
        models: one or more with the same vocabulary, such as a LanguageModel or an AdaptingModel
            and an NgramModel.
        weights: one for each model, of 0 or more; they sum to 1. None gives all the same weight.
    Raises: ConfigError if the models do not go together, or if the weights are not of this kind.
    """

    def __init__(self, models: Sequence[Scorer], weights: Sequence[float] | None = None) -> None:
        if not models:
            raise ConfigError("models: none given; one or more are needed")
        first, *others = models
        for other in others:
            _require_same_kind(first, other)
        size = len(models)
        self.models = tuple(models)
        self.weights = tuple(weights) if weights is not None else (1 / size,) * size
        if (
            len(self.weights) != size or any(weight < 0 for weight in self.weights)
            or abs(sum(self.weights) - 1) > 1e-6
        ):
            raise ConfigError(
                f"weights: {[*self.weights]} given; {size} numbers of 0 or more that sum to 1 are "
                "needed"
            )
        super().__init__(
            MixturePredictor([each.predictor for each in models], self.weights), first.vocabulary,
            sentences=first.sentences, encoding=first.encoding,
            token_counts_V=first.token_counts_V,
        )

    def tune(self, texts: Iterable[str], *, closing: bool | None = None) -> "Mixture":
        """Return a mixture of the same models whose weights suit a held-out text.

        The weights are found by expectation maximisation; see `find_weights`.

        Args:
            texts: the sentences of the text, or, for models of running text, its chunks.
            closing: whether to predict the closing boundary of sentences; see `score_many`.
        """
        held_out = [*texts]
        nats = [_compute_held_out_nats(each, held_out, closing) for each in self.models]
        return Mixture(self.models, [*find_weights(np.stack(nats))])


def find_weights(nats_KN: Nats) -> Weights:
    """Find the weights of a mixture by expectation maximisation (Jelinek & Mercer 1980).

    Each iteration raises the likelihood. A weight becomes the mean share of its component in the
    probability of the tokens.

    Args:
        nats_KN: -ln p of each token of a held-out text by each component; infinite for p = 0.
            Tokens to which no component gives a probability are left out.
    Returns: the weights, (K,), which sum to 1.
    """
    nats_KN = nats_KN[:, np.isfinite(nats_KN).any(axis=0)]
    weights_K: Weights = np.full(len(nats_KN), 1 / len(nats_KN))
    if not nats_KN.size:
        return weights_K
    least_N = nats_KN.min(axis=0)
    ratios_KN = np.exp(least_N - nats_KN)  # probabilities, scaled so that none underflows
    before = np.inf
    for _ in range(MAX_ITERATIONS):
        mixed_N = weights_K @ ratios_KN
        nats_per_token = float((least_N - np.log(mixed_N)).mean())
        if before - nats_per_token < TOLERANCE:
            break
        before = nats_per_token
        weights_K = weights_K * (ratios_KN / mixed_N).mean(axis=1)
        weights_K = weights_K / weights_K.sum()
    return weights_K


def _compute_held_out_nats(model: Scorer, texts: Sequence[str], closing: bool | None) -> Nats:
    """Return -ln p of every scored token of a held-out text, in order."""
    if model.sentences:
        scores = model.score_many(texts, closing=closing, with_tokens=True)
    else:
        scores = iter([model.score_document("".join(texts), with_tokens=True)])
    return np.array([
        token.nats for score in scores for token in score.tokens or () if token.nats is not None
    ])


def _require_same_kind(first: Scorer, other: Scorer) -> None:
    """Raise ConfigError if two models cannot be mixed, with the reason."""
    reason = _find_difference(first, other)
    if reason is not None:
        raise ConfigError(
            f"-m: the models do not go together ({reason}); models with the same vocabulary, "
            "trained alike, are needed. Train both on the same text with the same --level, "
            "--min-count and --vocab-size"
        )


def _find_difference(first: Scorer, other: Scorer) -> str | None:
    """Return the difference that keeps two models from being mixed; None if there is none."""
    if first.vocabulary != other.vocabulary:
        return _compare_vocabularies(first.vocabulary, other.vocabulary)
    if first.sentences != other.sentences:
        return "one is trained on sentences, the other on running text"
    if first.predictor.unknown_trained != other.predictor.unknown_trained:
        return "one has a probability for <unk>, the other does not"
    if first.predictor.device != other.predictor.device:
        return f"one is on {first.predictor.device}, the other on {other.predictor.device}"
    return None


def _compare_vocabularies(first: Vocabulary, other: Vocabulary) -> str:
    """Return the difference between two vocabularies in words."""
    if first.level != other.level:
        return f"one is of level {first.level}, the other of level {other.level}"
    of_first, of_other = set(first.tokens), set(other.tokens)
    only_first = [token for token in first.tokens if token not in of_other]
    only_other = [token for token in other.tokens if token not in of_first]
    if not only_first and not only_other:
        return "the vocabularies have the same tokens in another order"
    example = (only_first or only_other)[0]
    return (
        f"the vocabularies have {len(only_first) + len(only_other):,} tokens that only one of them "
        f"has, such as {example!r}"
    )
