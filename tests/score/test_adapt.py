"""The continuous cache and dynamic evaluation, beside plain loops over the same equations."""

import copy

import numpy as np
import pytest
import torch

from rnnlm_cli.config import AdaptConfig
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.model_file import Model
from rnnlm_cli.score.adapt import AdaptingModel
from rnnlm_cli.score.cache import CachePredictor
from rnnlm_cli.score.dynamic import DynamicPredictor
from rnnlm_cli.score.evaluate import compute_document_figures
from rnnlm_cli.score.mixture import Mixture
from rnnlm_cli.score.predictor import FigureChoice, NetworkPredictor
from rnnlm_cli.text.vocabulary import Vocabulary

V = 7
VOCABULARY = Vocabulary("char", ("<unk>", "\n", *"abcde"))
TOKENS = np.random.default_rng(5).integers(1, V, 40).astype(np.int32)
CACHE = {"size": 6, "theta": 0.8, "weight": 0.3}
LEARNING = {"segment": 4, "lr": 0.05, "decay": 0.1}


@pytest.fixture(autouse=True)
def in_float64(float64):
    pass


@torch.no_grad()
def score_with_cache_by_hand(network, tokens, size, theta, weight):
    state, before, last, nats, pairs = network.initial_state(1), 1, None, [], []
    for target in tokens.tolist():
        if last is not None:
            pairs.append((last, before))
        y, state = network.read(torch.tensor([[before]]), state)
        last = y[0, 0]
        p_V = network.compute_log_p(last[None])[0].exp()
        if pairs:
            cached_V = torch.zeros(V)
            for key, token in pairs[-size:]:
                cached_V[token] += (theta * last @ key).exp()
            p_V = (1 - weight) * p_V + weight * cached_V / cached_V.sum()
        nats.append(-p_V[target].log().item())
        before = target
    return np.array(nats)


def score_while_learning_by_hand(network, tokens, segment, lr, decay):
    """Follow the equations of rnnlm_cli.score.dynamic with torch.optim's kind of loop."""
    network = copy.deepcopy(network).requires_grad_(True)
    originals = [parameter.detach().clone() for parameter in network.parameters()]
    squares, nats, state = [0.0] * len(originals), [], network.initial_state(1)
    inputs = [1, *tokens[:-1].tolist()]
    for number, begin in enumerate(range(0, len(tokens), segment), 1):
        window = torch.tensor(inputs[begin : begin + segment])[:, None]
        targets = torch.tensor(tokens[begin : begin + segment])[:, None].long()
        logits, state = network(window, tuple(
            tuple(part.detach() for part in layer) for layer in state
        ))
        losses = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), reduction="none"
        )
        nats += losses.tolist()
        network.zero_grad()
        losses.mean().backward()
        with torch.no_grad():
            for index, parameter in enumerate(network.parameters()):
                squares[index] += (parameter.grad ** 2).mean().item()
                parameter -= lr * parameter.grad / ((squares[index] / number) ** 0.5 + 1e-8)
                parameter += decay * (originals[index] - parameter)
    return np.array(nats)


def test_the_cache_follows_its_equations(make_network):
    network = make_network()
    predictor = CachePredictor(NetworkPredictor(network), **CACHE)
    nats = compute_document_figures(predictor, TOKENS)[0]
    np.testing.assert_allclose(nats, score_with_cache_by_hand(network, TOKENS, **CACHE))
    assert not np.allclose(nats, compute_document_figures(NetworkPredictor(network), TOKENS)[0])


def test_dynamic_evaluation_follows_its_equations(make_network):
    network = make_network()
    nats = compute_document_figures(DynamicPredictor(network, **LEARNING), TOKENS)[0]
    expected = score_while_learning_by_hand(network, TOKENS, **LEARNING)
    np.testing.assert_allclose(nats, expected, rtol=1e-6)


def make_predictors(network):
    learning = DynamicPredictor(network, **LEARNING)
    return {
        "cache": CachePredictor(NetworkPredictor(network), **CACHE), "dynamic": learning,
        "both": CachePredictor(learning, **CACHE),
    }


@pytest.mark.parametrize("name", ["cache", "dynamic", "both"])
@pytest.mark.parametrize("batch_tokens", [1, 3, 7])
def test_windows_of_any_size_give_the_same_scores(make_network, name, batch_tokens):
    predictor = make_predictors(make_network())[name]
    whole = compute_document_figures(predictor, TOKENS)
    parts = compute_document_figures(predictor, TOKENS, batch_tokens=batch_tokens)
    np.testing.assert_allclose(parts, whole)


@pytest.mark.parametrize("name", ["cache", "dynamic", "both"])
def test_the_distribution_sums_to_one_and_gives_the_scores(make_network, name):
    predictor = make_predictors(make_network())[name]
    choice = FigureChoice(token_class=tuple(range(V)))
    nats, nats_of_all = compute_document_figures(predictor, TOKENS, choice=choice)
    np.testing.assert_allclose(nats_of_all, 0, atol=1e-12)
    np.testing.assert_allclose(nats, compute_document_figures(predictor, TOKENS)[0])


@pytest.mark.parametrize("name", ["cache", "dynamic", "both"])
def test_a_score_depends_on_nothing_that_comes_later(make_network, name):
    predictor = make_predictors(make_network())[name]
    changed = TOKENS.copy()
    changed[21:] = 2
    before, after = (compute_document_figures(predictor, t)[0] for t in (TOKENS, changed))
    np.testing.assert_array_equal(before[:21], after[:21])


def test_the_model_is_not_changed_and_each_document_begins_anew(make_network):
    network = make_network(unknown_trained=False)
    model = LanguageModel(Model(network, VOCABULARY, False, "utf-8", {}))
    weights = copy.deepcopy(network.state_dict())
    adapting = AdaptingModel(model, AdaptConfig(cache=5, dynamic=True, dynamic_lr=0.05))
    first, second = (adapting.score_document("abcadx\nbe" * 9) for _ in range(2))
    assert first == second
    assert first.nats != model.score_document("abcadx\nbe" * 9).nats
    assert first.score.num_unscored == 9 and np.isfinite(first.nats)
    torch.testing.assert_close(network.state_dict(), weights, rtol=0, atol=0)


def test_only_a_single_network_can_adapt(make_network):
    model = LanguageModel(Model(make_network(), VOCABULARY, False, "utf-8", {}))
    with pytest.raises(ConfigError, match=r"^--cache and --dynamic: given with several"):
        AdaptingModel(Mixture([model, model]), AdaptConfig(cache=5))
    with pytest.raises(ConfigError, match="reads the text as one row"):
        AdaptingModel(model, AdaptConfig(cache=5)).score_document("abc", num_rows=2)
    with pytest.raises(ConfigError, match=r"^texts: sentences given to a model"):
        AdaptingModel(model, AdaptConfig(dynamic=True)).score_many(["abc"])


def test_an_adapting_model_can_be_mixed_with_another(make_network):
    model, other = (
        LanguageModel(Model(make_network(cell=cell), VOCABULARY, False, "utf-8", {}))
        for cell in ("lstm", "gru")
    )
    adapting = AdaptingModel(model, AdaptConfig(cache=5, dynamic=True, dynamic_segment=3))
    text = "abcad\nbe" * 9
    mixed = Mixture([adapting, other]).score_document(text, with_tokens=True)
    parts = [each.score_document(text, with_tokens=True) for each in (adapting, other)]
    expected = [
        -np.log(sum(np.exp(-token.nats) for token in tokens) / 2)
        for tokens in zip(*(part.tokens for part in parts), strict=True)
    ]
    np.testing.assert_allclose([token.nats for token in mixed.tokens], expected)
