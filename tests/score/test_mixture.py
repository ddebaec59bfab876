"""Mixtures of models: the distribution, the weights, and models that do not go together."""

import math

import numpy as np
import pytest
import torch

from rnnlm_cli.errors import ConfigError
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.model_file import Model
from rnnlm_cli.score.mixture import Mixture, find_weights
from rnnlm_cli.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary("char", ("<unk>", "\n", *"abcde"))


@pytest.fixture(autouse=True)
def in_float64(float64):
    pass


@pytest.fixture
def make_model(make_network):
    def make(seed, *, vocabulary=VOCABULARY, sentences=False, **settings):
        network = make_network(vocab_size=len(vocabulary), **settings)
        with torch.no_grad():
            generator = torch.Generator().manual_seed(seed)
            for parameter in network.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator) / 2)
        return LanguageModel(Model(network, vocabulary, sentences, "utf-8", {}))

    return make


def test_a_mixture_is_the_mean_of_the_probabilities(make_model):
    models, weights = [make_model(seed) for seed in (1, 2, 3)], [0.5, 0.2, 0.3]
    mixture = Mixture(models, weights)
    expected = sum(
        weight * model.next_token_distribution("ab")
        for weight, model in zip(weights, models, strict=True)
    )
    torch.testing.assert_close(mixture.next_token_distribution("ab"), expected)
    score = mixture.score("abc", with_tokens=True)
    assert score.tokens[2].nats == pytest.approx(-math.log(expected[4]))


def test_the_members_of_an_ensemble_have_equal_weights(make_model):
    assert Mixture([make_model(1), make_model(2)]).weights == (0.5, 0.5)


def test_a_mixture_of_a_model_with_itself_is_that_model(make_model):
    model = make_model(1, unknown_trained=False)
    texts = ["abc", "", "eddx"]
    for one, two in zip(
        model.score_many(texts), Mixture([model, model]).score_many(texts), strict=True
    ):
        assert one.nats == pytest.approx(two.nats)
        assert one.score.num_unscored == two.score.num_unscored


def test_the_weights_are_those_of_the_highest_likelihood():
    generator = np.random.default_rng(1)
    nats_KN = generator.exponential([[2.0], [2.7]], (2, 400))
    first, second = find_weights(nats_KN)
    assert first + second == pytest.approx(1)
    grid = np.linspace(0.001, 0.999, 999)
    losses = [
        -np.log(share * np.exp(-nats_KN[0]) + (1 - share) * np.exp(-nats_KN[1])).mean()
        for share in grid
    ]
    assert first == pytest.approx(grid[np.argmin(losses)], abs=0.002)


def test_a_component_that_never_predicts_the_text_gets_no_weight():
    weights = find_weights(np.array([[1.0, 2.0, np.inf], [np.inf] * 3]))
    assert weights.tolist() == pytest.approx([1, 0])
    assert find_weights(np.empty((2, 0))).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("sentences", [True, False])
def test_tuned_weights_lower_the_loss_of_their_text(make_model, sentences):
    models = [make_model(seed, sentences=sentences) for seed in (1, 2)]
    lines = ["abcab", "ba", "edc"] * 9
    texts = lines if sentences else ["\n".join(lines)]

    def compute_loss(mixture):
        if sentences:
            return sum(score.nats for score in mixture.score_many(texts))
        return mixture.score_document(texts[0]).nats

    tuned = Mixture(models).tune(iter(texts))
    losses = [
        compute_loss(Mixture(models, [share, 1 - share])) for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert compute_loss(tuned) <= min(losses) * (1 + 1e-6)


@pytest.mark.parametrize(("settings", "reason"), [
    ({"vocabulary": Vocabulary("char", ("<unk>", "\n", *"abcdx"))}, "2 tokens .* such as 'e'"),
    ({"vocabulary": Vocabulary("char", ("<unk>", "\n", *"abced"))}, "in another order"),
    ({"vocabulary": Vocabulary("word", ("<unk>", "\n", *"abcde"))}, "the other of level word"),
    ({"sentences": True}, "one is trained on sentences"),
    ({"unknown_trained": False}, "a probability for <unk>"),
])
def test_models_that_do_not_go_together_are_refused_with_the_reason(make_model, settings, reason):
    with pytest.raises(ConfigError, match=f"^-m: the models do not go together .*{reason}"):
        Mixture([make_model(1), make_model(2, **settings)])


@pytest.mark.parametrize("weights", [[0.5], [0.7, 0.4], [1.5, -0.5]])
def test_weights_that_are_no_shares_are_refused(make_model, weights):
    with pytest.raises(ConfigError, match=r"^weights: "):
        Mixture([make_model(1), make_model(2)], weights)


def test_no_models_at_all_are_refused():
    with pytest.raises(ConfigError, match=r"^models: none given"):
        Mixture([])
