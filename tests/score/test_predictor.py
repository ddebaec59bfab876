"""Predictors: the figures of a token, and reading in windows of any size."""

import numpy as np
import pytest
import torch

from rnnlm_cli.score import predictor as room
from rnnlm_cli.score.predictor import FigureChoice, NetworkPredictor

V = 7


@pytest.fixture(autouse=True)
def in_float64(float64):
    pass


def read_all(predictor, tokens):
    """Return the predictions of tokens that are read from the boundary."""
    inputs = torch.tensor([1, *tokens[:-1]])[:, None]
    resets = torch.zeros(len(tokens), 1, dtype=torch.bool)
    resets[0] = True
    return predictor.read(inputs, predictor.initial_state(1), resets)[0]


@pytest.mark.parametrize("unknown_trained", [True, False])
def test_figures_equal_those_worked_out_from_the_distribution(
    make_network, monkeypatch, unknown_trained
):
    monkeypatch.setattr(room, "BLOCK_LOGITS", 2 * V)  # two positions at once
    tokens = [3, 1, 5, 2, 6]
    predictions = read_all(
        NetworkPredictor(make_network(unknown_trained=unknown_trained)), tokens
    )
    choice = FigureChoice(with_distribution=True, token_class=(2, 4))
    figures = choice.compute(predictions, torch.tensor(tokens))
    assert figures.shape == (choice.size, len(tokens))
    for token, p_V, (nats, entropy, rank, class_nats) in zip(
        tokens, predictions.compute_log_p().exp().numpy(), figures.T, strict=True
    ):
        assert nats == pytest.approx(-np.log(p_V[token]))
        assert entropy == pytest.approx(-sum(p * np.log(p) for p in p_V if p > 0))
        assert rank == sorted(p_V, reverse=True).index(p_V[token]) + 1
        assert class_nats == pytest.approx(-np.log(p_V[2] + p_V[4]))


@pytest.mark.parametrize("unknown_trained", [True, False])
def test_a_temperature_divides_the_logits(make_network, monkeypatch, unknown_trained):
    monkeypatch.setattr(room, "BLOCK_LOGITS", 2 * V)  # two positions at once
    tokens, temperatures = [3, 1, 5, 2, 6], (0.7, 1.0, 1.9)
    network = make_network(unknown_trained=unknown_trained)
    predictions = read_all(NetworkPredictor(network), tokens)
    with torch.no_grad():
        logits_MV, _ = network(torch.tensor([1, *tokens[:-1]])[:, None], network.initial_state(1))
    choice = FigureChoice(temperatures=temperatures)
    figures = choice.compute(predictions, torch.tensor(tokens))
    assert figures.shape == (choice.size, len(tokens)) == (4, 5)
    for nats_M, temperature in zip(figures, (1.0, *temperatures), strict=True):
        expected = -(logits_MV[:, 0] / temperature).log_softmax(dim=1).numpy()
        np.testing.assert_allclose(nats_M, expected[range(len(tokens)), tokens])


def test_the_surprisal_alone_is_the_first_of_all_figures(make_network):
    tokens = [3, 1, 5]
    predictions = read_all(NetworkPredictor(make_network()), tokens)
    alone = FigureChoice().compute(predictions, torch.tensor(tokens))
    full = FigureChoice(with_distribution=True).compute(predictions, torch.tensor(tokens))
    np.testing.assert_allclose(alone, full[:1])
