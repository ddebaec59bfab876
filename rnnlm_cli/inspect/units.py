"""The hidden units that follow a feature of the text, ranked by correlation.

Some units of trained networks follow what people can name: quotes, brackets, the position in the
line (Karpathy et al. 2015, "Visualizing and Understanding Recurrent Networks"). With hundreds of
units, one of them follows any feature a little by chance, so the chance level is measured too.

Legend: N tokens of a text, U hidden units of all layers, F features, S shuffles.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.inspect.activations import Activations
from rnnlm_cli.inspect.features import Feature

Correlations = NDArray[np.float32]

CHANCE_QUANTILE = 0.95
SHUFFLES_PER_BLOCK = 20  # bounds the memory
SHUFFLE_SEED = 0


@dataclass(frozen=True)
class FeatureRanking:
    """The units ranked by how well they follow a feature.

    Args:
        feature: its name.
        r_U: the correlation (Pearson's r) of each unit's activation with the feature.
        chance: the chance level of the largest absolute correlation; see `rank_units`.
    """

    feature: str
    r_U: Correlations
    chance: float

    @property
    def order(self) -> list[int]:
        """The units by falling absolute correlation."""
        order: list[int] = np.argsort(-np.abs(self.r_U), kind="stable").tolist()
        return order


def rank_units(
    activations_NU: Activations, features: Mapping[str, Feature], *, num_shuffles: int
) -> list[FeatureRanking]:
    """Rank the units for each feature.

    The chance level comes from shuffled features: a feature is shifted along the text by a random
    distance, and its end goes to the beginning. So it keeps its runs, which make correlations by
    chance larger, and loses its connection with the activations. The chance level is the 95 %
    quantile, over the shuffles, of the largest absolute correlation of all units.

    Args:
        features: by name, each (N,). Those that have the same value everywhere are left out.
        num_shuffles: S, at least 1.
    """
    names, features_FN = _stack(features)
    if not names:
        return []
    standard_NU = _standardise(activations_NU)
    r_FU = features_FN @ standard_NU / np.float32(len(standard_NU))
    chance_F = _compute_chance(standard_NU, features_FN, num_shuffles)
    return [FeatureRanking(*each) for each in zip(names, r_FU, chance_F.tolist(), strict=True)]


def find_largest(
    activations_NU: Activations, features: Mapping[str, Feature]
) -> dict[str, float]:
    """Return the largest absolute correlation of all units with each feature; see `rank_units`."""
    names, features_FN = _stack(features)
    r_FU = features_FN @ _standardise(activations_NU) / np.float32(len(activations_NU))
    return dict(zip(names, np.abs(r_FU).max(axis=1).tolist(), strict=True))


def _stack(features: Mapping[str, Feature]) -> tuple[list[str], Correlations]:
    """Return the names of the features that vary, and their standardised values, (F, N)."""
    varied = {name: each for name, each in features.items() if len(each) and np.ptp(each) > 0}
    size = max(map(len, features.values()), default=0)
    columns_NF = np.array(list(varied.values()), np.float64).reshape(-1, size).T
    return list(varied), _standardise(columns_NF).T


def _standardise(values: NDArray[Any]) -> Correlations:
    """Return columns with mean 0 and variance 1; a column of equal values becomes zeros."""
    centred = (values - values.mean(axis=0, dtype=np.float64)).astype(np.float32)
    deviation = np.sqrt(np.square(centred).mean(axis=0, dtype=np.float64))
    standard: Correlations = (centred / np.where(deviation > 0, deviation, 1)).astype(np.float32)
    return standard


def _compute_chance(
    standard_NU: Correlations, features_FN: Correlations, num_shuffles: int
) -> NDArray[np.float64]:
    """Return the chance level of each feature, (F,)."""
    num_features, num_tokens = features_FN.shape
    margin = max(1, num_tokens // 10)  # shorter distances would keep some of the connection
    draw = np.random.Generator(np.random.Philox(key=[SHUFFLE_SEED, 0]))
    distances_S = draw.integers(margin, num_tokens - margin, num_shuffles, endpoint=True)
    largest: list[NDArray[np.float32]] = []
    for begin in range(0, num_shuffles, SHUFFLES_PER_BLOCK):  # a product of several is faster
        shuffled = [
            np.roll(features_FN, distance, axis=1)
            for distance in distances_S[begin : begin + SHUFFLES_PER_BLOCK]
        ]
        r = np.concatenate(shuffled) @ standard_NU / np.float32(num_tokens)
        largest.append(np.abs(r).max(axis=1).reshape(-1, num_features))
    chance_F: NDArray[np.float64] = np.quantile(np.concatenate(largest), CHANCE_QUANTILE, axis=0)
    return chance_F
