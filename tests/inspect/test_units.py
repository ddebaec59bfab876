"""The ranking of units: correlations, chance, and units that are known to follow quotes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rnnlm_cli.inspect.activations import compute_activations
from rnnlm_cli.inspect.features import compute_features
from rnnlm_cli.inspect.units import find_largest, rank_units
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.nn.network import RecurrentNetwork
from tests.training import train


def runs(draw, size):
    """Draw a feature of 0 and 1 in runs of 5 to 15 tokens."""
    parts = [np.full(length, index % 2) for index, length in enumerate(draw.integers(5, 15, size))]
    return np.concatenate(parts)[:size].astype(np.float64)


def count_above_chance(ranking):
    return int((np.abs(ranking.r_U) > ranking.chance).sum())


def test_correlations_are_pearsons():
    draw = np.random.default_rng(1)
    activations_NU = draw.normal(3, 2, (211, 4)).astype(np.float32)
    activations_NU[:, 3] = 7  # a unit that does nothing
    features = {"a": draw.normal(size=211), "same": np.ones(211), "b": runs(draw, 211)}
    rankings = rank_units(activations_NU, features, num_shuffles=10)
    assert [ranking.feature for ranking in rankings] == ["a", "b"]
    for ranking in rankings:
        expected = [
            np.corrcoef(activations_NU[:, unit], features[ranking.feature])[0, 1]
            for unit in range(3)
        ]
        np.testing.assert_allclose(ranking.r_U, [*expected, 0], atol=1e-6)
        assert ranking.order == sorted(range(4), key=lambda unit: -abs([*expected, 0][unit]))
        largest = find_largest(activations_NU, features)
        assert largest[ranking.feature] == pytest.approx(max(map(abs, expected)))
    assert set(find_largest(activations_NU, features)) == {"a", "b"}


def test_a_unit_that_is_the_feature_is_first_and_above_chance():
    draw = np.random.default_rng(2)
    feature = runs(draw, 1000)
    activations_NU = draw.normal(size=(1000, 30)).astype(np.float32)
    activations_NU[:, 17] = 2 - feature
    (ranking,) = rank_units(activations_NU, {"runs": feature}, num_shuffles=50)
    assert ranking.order[0] == 17 and ranking.r_U[17] == pytest.approx(-1)
    assert count_above_chance(ranking) == 1 and 0.05 < ranking.chance < 0.3


def test_a_short_text_is_shifted_by_one_token_or_more():
    feature = np.array([0.0, 1])
    activations_NU = np.array([[1, 3], [2, 3]], np.float32)
    (ranking,) = rank_units(activations_NU, {"a": feature}, num_shuffles=10)
    assert ranking.r_U.tolist() == [1, 0] and ranking.chance == pytest.approx(1)
    feature = np.array([0.0, 0, 1])  # shifted by 1 or 2, its r with itself is -1/2
    (ranking,) = rank_units(feature[:, None].astype(np.float32), {"a": feature}, num_shuffles=10)
    assert ranking.chance == pytest.approx(0.5, abs=1e-6)


def test_units_with_runs_of_their_own_are_above_chance_in_one_of_twenty_texts():
    """A permutation of the tokens would break the runs and find units above chance in most."""
    draw = np.random.default_rng(3)
    found = []
    for _ in range(100):
        activations_NU = np.stack([runs(draw, 400) for _ in range(6)], axis=1)
        (ranking,) = rank_units(
            activations_NU.astype(np.float32), {"runs": runs(draw, 400)}, num_shuffles=100
        )
        found.append(count_above_chance(ranking) > 0)
    assert sum(found) <= 14  # 5 are expected; more than 14 happen once in seven thousand cases


def plant(size, seed, *insides, hints):
    """Return text with random letters inside and outside quotes or brackets.

    Without hints, letters and lengths are drawn alike everywhere. Quotes then exchange inside and
    outside without a difference, so the last few characters say nothing about the place: only a
    network that counts the quotes knows it. (If letters depended on the place, the echo of the
    last two letters in a random network would follow the quotes a little, and a text of a few
    thousand tokens shows that.)

    Args:
        insides: "quotes", "brackets" or both.
        hints: whether each place has a letter of its own, too, so that a network that predicts it
            has to remember the place.
    """
    draw, pieces, place = np.random.default_rng(seed), [], "outside"
    while sum(map(len, pieces)) < size:
        opening, closing = {"outside": ("", ""), "quotes": '""', "brackets": "()"}[place]
        letters = ["m", "n"]
        if hints:
            letters.append({"outside": "b", "quotes": "c", "brackets": "d"}[place])
        pieces += [opening, *draw.choice(letters, draw.integers(5, 15)), closing]
        place = str(draw.choice(insides)) if place == "outside" else "outside"
    return "".join(pieces)


@pytest.fixture(scope="module")
def planted_model(tmp_path_factory):
    """A char LSTM that is trained on planted quotes and brackets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("planted"))
        Path("planted.txt").write_text(plant(60_000, 1, "quotes", "brackets", hints=True))
        train("planted.txt", cell="lstm", steps=700, lr=0.01, seed=3)
        return LanguageModel.load("model.rnnlm")


def rank(network, model, inside, seed=2):
    text = plant(1000, seed, inside, hints=False)
    activations_NU, _ = compute_activations(
        network, model.vocabulary.encode(text), sentences=False
    )
    rankings = rank_units(activations_NU, compute_features(list(text)), num_shuffles=100)
    return next(each for each in rankings if each.feature == f"inside {inside}")


@pytest.mark.parametrize("inside", ["quotes", "brackets"])
def test_a_unit_of_a_trained_lstm_follows_planted_quotes_and_brackets(planted_model, inside):
    ranking = rank(planted_model.network, planted_model, inside)
    assert abs(ranking.r_U[ranking.order[0]]) > max(0.5, 2 * ranking.chance)
    assert count_above_chance(ranking) > 0


def test_random_networks_follow_planted_quotes_in_one_of_twenty_texts(planted_model):
    """They echo the last characters. The two quotes are the same one, but brackets differ."""
    found = []
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        network = RecurrentNetwork(planted_model.network.config, generator=generator)
        ranking = rank(network, planted_model, "quotes", seed + 100)
        found.append(count_above_chance(ranking) > 0)
    assert sum(found) <= 8  # 2 are expected; more than 8 happen once in seven thousand cases
