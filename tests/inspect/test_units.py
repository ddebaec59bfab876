"""The ranking of units: correlations, chance, and units that are known to follow quotes."""

from pathlib import Path

import numpy as np
import pytest

from rnnlm_cli.inspect.activations import compute_activations
from rnnlm_cli.inspect.features import compute_features
from rnnlm_cli.inspect.units import find_largest, rank_units
from rnnlm_cli.inspect.untrained import make_untrained
from rnnlm_cli.language_model import LanguageModel
from tests.training import train


def runs(draw, size):
    """Draw a feature of 0 and 1 in runs of 5 to 15 tokens."""
    parts = [np.full(length, index % 2) for index, length in enumerate(draw.integers(5, 15, size))]
    return np.concatenate(parts)[:size].astype(np.float64)


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
    assert ranking.num_above_chance == 1 and 0.05 < ranking.chance < 0.3


def test_units_with_runs_of_their_own_are_above_chance_in_one_of_twenty_texts():
    """A permutation of the tokens would break the runs and find units above chance in most."""
    draw = np.random.default_rng(3)
    found = []
    for _ in range(100):
        activations_NU = np.stack([runs(draw, 400) for _ in range(6)], axis=1)
        (ranking,) = rank_units(
            activations_NU.astype(np.float32), {"runs": runs(draw, 400)}, num_shuffles=100
        )
        found.append(ranking.num_above_chance > 0)
    assert sum(found) <= 14  # 5 are expected; more than 14 happen once in ten thousand cases


def plant(size, seed, *insides, hints):
    """Return text in which a pair of letters depends on being inside quotes or not.

    Each letter of these pairs is as frequent inside as outside, so that the last letter does not
    tell the place; the quotes and brackets before it do.

    Args:
        insides: "quotes", "brackets" or both.
        hints: whether each place has a letter of its own, too, from which a network learns sooner
            to remember the place.
    """
    draw, pieces, place = np.random.default_rng(seed), [], "outside"
    while sum(map(len, pieces)) < size:
        opening, closing = {"outside": ("", ""), "quotes": '""', "brackets": "()"}[place]
        letters = ["xz", "ay"] if place == "quotes" else ["xy", "az"]
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


def rank(network, model, inside):
    text = plant(1000, 2, inside, hints=False)
    activations_NU, _ = compute_activations(
        network, model.vocabulary.encode(text), sentences=False
    )
    rankings = rank_units(activations_NU, compute_features(list(text)), num_shuffles=100)
    return next(each for each in rankings if each.feature == f"inside {inside}")


@pytest.mark.parametrize("inside", ["quotes", "brackets"])
def test_a_unit_of_a_trained_lstm_follows_planted_quotes_and_brackets(planted_model, inside):
    ranking = rank(planted_model.network, planted_model, inside)
    assert abs(ranking.r_U[ranking.order[0]]) > max(0.5, 2 * ranking.chance)
    assert ranking.num_above_chance > 0


def test_no_unit_of_a_random_network_follows_planted_quotes(planted_model):
    """It echoes the last letters, and the brackets too; the two quotes are the same letter."""
    assert rank(make_untrained(planted_model), planted_model, "quotes").num_above_chance == 0
