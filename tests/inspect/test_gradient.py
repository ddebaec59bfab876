"""The gradients by lag against a known answer, finite differences and the rules of resets."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from rnnlm_cli.config import BOUNDARY_ID, UNKNOWN_ID, GradientConfig, ModelConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.inspect import gradient
from rnnlm_cli.inspect.gradient import GradientCurve, measure_gradient
from rnnlm_cli.inspect.untrained import make_untrained
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.model_file import Model, load_model
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.runs.start import start_run
from rnnlm_cli.text.vocabulary import Vocabulary
from tests.training import SMALL_SETTINGS, request

V, E, H = 7, 4, 5  # those of make_network
STEP = 1e-6  # of central differences in float64


def measure(network, tokens, *, sentences=False, **settings):
    return measure_gradient(
        network, np.asarray(tokens, np.int32), sentences=sentences,
        config=GradientConfig(**settings),
    )


def norms(curves):
    return np.stack([curve.mean_norm_K for curve in curves])


@pytest.fixture
def linear_network():
    """An Elman ReLU network with positive states only, and W_hh = 0.9 times a permutation."""
    network = RecurrentNetwork(ModelConfig(
        cell="elman_relu", vocab_size=V, embedding_size=E, hidden_size=H, num_layers=1,
        unknown_trained=True,
    ))
    with torch.no_grad():
        for each in network.parameters():
            each.abs_()
        (layer,) = network.recurrent_layers
        layer.weight_hh.copy_(0.9 * torch.eye(H)[[2, 0, 4, 1, 3]])
    return network


def test_a_linear_recurrence_of_norm_09_shrinks_the_gradient_by_09_a_step(
    linear_network, make_tokens
):
    (curve,) = measure(linear_network, make_tokens(500, vocab_size=V), max_lag=200, positions=11)
    factors = curve.mean_norm_K[1:] / curve.mean_norm_K[:-1]
    np.testing.assert_allclose(factors, 0.9, rtol=1e-6)
    assert curve.decay == pytest.approx(0.9, rel=1e-6)
    assert curve.half_life == pytest.approx(math.log(2) / -math.log(0.9), rel=1e-6)
    assert curve.faint_lag == 44  # 0.9 ** 43 = 0.0108, 0.9 ** 44 = 0.0097
    assert curve.count_K.tolist() == [11] * 201


def test_a_gradient_whose_squares_are_too_small_for_float64_is_measured(
    linear_network, make_tokens
):
    with torch.no_grad():
        linear_network.recurrent_layers[0].weight_hh.mul_(1e-3 / 0.9)
    (curve,) = measure(linear_network, make_tokens(200, vocab_size=V), max_lag=90, positions=3)
    assert 0 < curve.mean_norm_K[-1] < 1e-260
    assert curve.decay == pytest.approx(1e-3, rel=1e-6)


def find_loss(network, tokens, lag, layer_number, part, change_H):
    """The loss of the last token, if a part of the hidden state is changed `lag` steps before.

    The layers are those of training, each over the whole text. A change of c also changes the
    h = o tanh(c) of its step.
    """
    targets_TB = torch.tensor(tokens)[:, None]
    inputs_TB = torch.cat([torch.tensor([[BOUNDARY_ID]]), targets_TB[:-1]])
    cut = len(tokens) - lag
    x = network.embedding[inputs_TB]
    for number, layer in enumerate(network.recurrent_layers, start=1):
        y_TBH, state = layer(x[:cut], layer.initial_state(1))
        if number == layer_number:
            h, c = state
            changed_h = h + change_H if part == "h" else h / c.tanh() * (c + change_H).tanh()
            state = (changed_h, c if part == "h" else c + change_H)
            y_TBH = torch.cat([y_TBH[:-1], changed_h[None]])
        if lag:
            y_TBH = torch.cat([y_TBH, layer(x[cut:], state)[0]])
        x = y_TBH
    return network.compute_surprisal(x[-1], targets_TB[-1]).item()


def find_difference_norm(network, tokens, lag, layer, part):
    """The norm of the gradient of the last token's loss, by central differences."""
    with torch.no_grad():
        differences = [
            find_loss(network, tokens, lag, layer, part, STEP * each_H)
            - find_loss(network, tokens, lag, layer, part, -STEP * each_H)
            for each_H in torch.eye(H)
        ]
    return np.linalg.norm(differences) / (2 * STEP)


@pytest.mark.parametrize("lag", [0, 1, 4])
def test_finite_differences_of_the_layers_of_training_agree(make_network, float64, lag):
    network, tokens = make_network(), [2, 5, 3, 6, 4, 2, 3, 6]
    curves = measure(network, tokens, max_lag=4, positions=1)  # of the loss of tokens[4]
    assert [(each.layer, each.part) for each in curves] == [(1, "h"), (1, "c"), (2, "h"), (2, "c")]
    for curve in curves:
        expected = find_difference_norm(network, tokens[:5], lag, curve.layer, curve.part)
        assert curve.mean_norm_K[lag] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("ends", [range(2, 7), (2, 4, 6)])
def test_positions_are_spread_evenly_and_warmed_up_from_the_beginning(make_network, float64, ends):
    network, tokens = make_network(), [2, 5, 3, 6, 4, 2]
    curves = measure(network, tokens, max_lag=1, positions=len(ends))
    for curve in curves:
        expected = [
            find_difference_norm(network, tokens[:end], 1, curve.layer, curve.part)
            for end in ends
        ]
        assert curve.mean_norm_K[1] == pytest.approx(np.mean(expected), rel=1e-6)


def test_positions_of_a_short_text_begin_in_its_middle(make_network):
    curve, *_ = measure(make_network(), [2, 5, 3, 6, 4, 2, 3, 4, 5], max_lag=10, positions=100)
    assert curve.count_K.tolist() == [5, 5, 5, 5, 5, 4, 3, 2, 1, 0, 0]


def test_no_gradient_crosses_the_boundary_of_sentences(make_network, float64):
    network, sentence = make_network(), [5, 6, 2, 3, BOUNDARY_ID]
    settings = {"max_lag": 4, "positions": 5}  # of all tokens of the second sentence
    curves = measure(network, [2, 3, 4, BOUNDARY_ID, *sentence], sentences=True, **settings)
    other = measure(network, [6, 6, 2, BOUNDARY_ID, *sentence], sentences=True, **settings)
    np.testing.assert_array_equal(norms(curves), norms(other))
    for curve in curves:
        assert curve.count_K.tolist() == [5, 4, 3, 2, 1]
        expected = find_difference_norm(network, sentence, 4, curve.layer, curve.part)
        assert curve.mean_norm_K[4] == pytest.approx(expected, rel=1e-6)
    running = measure(network, [2, 3, 4, BOUNDARY_ID, *sentence], **settings)
    assert running[0].count_K.tolist() == [5] * 5


def test_a_lag_that_no_sentence_has_is_nan_and_not_fitted(make_network):
    curves = measure(
        make_network(), [5, 6, 2, BOUNDARY_ID] * 5, sentences=True, max_lag=5, positions=100
    )
    for curve in curves:
        assert np.isnan(curve.mean_norm_K).tolist() == [False] * 4 + [True] * 2
        assert 0 < curve.decay < 1


@pytest.mark.parametrize("sentences", [False, True])
@pytest.mark.parametrize("cell", ["elman_tanh", "elman_relu", "gru", "lstm"])
def test_batches_change_nothing(make_network, make_tokens, monkeypatch, cell, sentences):
    network, tokens = make_network(cell=cell), make_tokens(60, line=9, vocab_size=V)
    settings = {"sentences": sentences, "max_lag": 6, "positions": 11}
    whole = measure(network, tokens, **settings)
    monkeypatch.setattr(gradient, "BLOCK_NUMBERS", 3000)  # 2 rows, or 1 of the larger cells
    assert_close(norms(measure(network, tokens, **settings)), norms(whole), rtol=1e-12, atol=0)


def test_the_weights_of_the_network_stay_as_they_are(make_network, make_tokens):
    network = make_network()
    before = {name: each.clone() for name, each in network.state_dict().items()}
    measure(network, make_tokens(40, vocab_size=V), max_lag=3, positions=2)
    assert_close(network.state_dict(), before, rtol=0, atol=0)
    assert all(each.requires_grad and each.grad is None for each in network.parameters())


def test_an_unknown_token_without_probability_is_read_and_not_differentiated(make_network):
    tokens = [2, 3, 4, 5, UNKNOWN_ID, 6, UNKNOWN_ID, 2]
    for trained, count in ((False, 2), (True, 4)):
        curves = measure(
            make_network(unknown_trained=trained), tokens, max_lag=4, positions=100
        )
        assert np.isfinite(norms(curves)).all()
        assert curves[0].count_K.tolist() == [count] * 5


@pytest.mark.parametrize(
    ("tokens", "sentences", "message"),
    [
        ([], False, "has 0 tokens"),
        ([2], False, "has 1 tokens of this model, and none to differentiate; two or more"),
        ([2, UNKNOWN_ID, UNKNOWN_ID], False, "has 3 tokens of this model, and none"),
        ([2, BOUNDARY_ID, BOUNDARY_ID, 3], False, None),
        ([2, BOUNDARY_ID, 3, BOUNDARY_ID], True, None),
        ([BOUNDARY_ID] * 9, True, "every line has one token at most"),
    ],
)
def test_a_text_without_lags_is_refused_in_one_line(make_network, tokens, sentences, message):
    network = make_network(unknown_trained=False)
    if message is None:
        measure(network, tokens, sentences=sentences)
        return
    with pytest.raises(TextError, match=message) as error:
        measure(network, tokens, sentences=sentences)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("means", "decay", "half_life", "faint_lag"),
    [
        ([7.0, 0.8, 0.4, 0.2, 0.1], 0.5, 1.0, None),
        ([7.0, 0.8, 0.4, 0.2, 0.05], None, None, 4),
        ([7.0, 0.8, 0.0, 0.2, math.nan], 0.5, 1.0, 2),
        ([7.0, 0.8, math.inf, 0.2], 0.5, 1.0, None),
        ([7.0, 0.25, 0.5, 1.0], 2.0, None, None),
        ([7.0, 0.25, 0.25], 1.0, None, None),
        ([7.0, 0.01, 0.0, 0.0], None, None, 1),
    ],
)
def test_the_decay_is_fitted_to_the_positive_lags_from_1(means, decay, half_life, faint_lag):
    curve = GradientCurve(1, "h", np.array(means), np.ones(len(means), np.int64))
    assert curve.faint_lag == faint_lag
    if means[-1] == 0.05:  # a curved line: the slope that numpy fits
        decay = math.exp(np.polyfit([1, 2, 3, 4], np.log(means[1:]), 1)[0])
        half_life = -math.log(2, decay)
    assert curve.decay == (None if decay is None else pytest.approx(decay))
    assert curve.half_life == (None if half_life is None else pytest.approx(half_life))


def test_the_untrained_network_has_the_weights_that_training_began_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("the quick brown fox\n" * 60)
    with start_run(request("text.txt", **SMALL_SETTINGS, seed=5, steps=2)) as run:
        expected = {name: each.clone() for name, each in run.learner.network.state_dict().items()}
        run.train()
    model = LanguageModel(load_model("model.rnnlm"))
    assert_close(make_untrained(model).state_dict(), expected, rtol=0, atol=0)
    assert not torch.equal(model.network.embedding, expected["embedding"])


@pytest.mark.parametrize("seed", [None, "5"])
def test_a_model_without_a_seed_gets_the_weights_of_seed_0(make_network, seed):
    network = make_network()
    models = [
        Model(network, Vocabulary("char", ("<unk>", "\n", *"abcde")), False, "utf-8", training)
        for training in ({"seed": seed}, {"seed": 0})
    ]
    found, expected = (make_untrained(LanguageModel(each)).state_dict() for each in models)
    assert_close(found, expected, rtol=0, atol=0)
