"""Temperature scaling: networks whose logits are a known multiple of the right ones."""

import numpy as np
import pytest
import torch

from rnnlm_cli.config import BOUNDARY_ID, UNKNOWN_ID
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.score import calibrate as room
from rnnlm_cli.score.calibrate import NUM_ROWS, calibrate_temperature
from rnnlm_cli.score.evaluate import WARM_UP_TOKENS

V = 7
GRID_STEP = 0.05


class CountingNetwork(RecurrentNetwork):
    """A network that records the number of tokens of every pass."""

    def read(self, inputs_TB, *arguments):
        self.pass_sizes.append(inputs_TB.numel())
        return super().read(inputs_TB, *arguments)


@pytest.fixture
def make_unigram_network(make_network):
    """A factory of networks whose logits are `factor` times ln p, whatever they have read."""

    def make(p_V, factor):
        network = CountingNetwork(make_network(unknown_trained=False).config)
        network.pass_sizes = []
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
            p_V = torch.tensor(p_V, dtype=torch.float64).clamp(min=1e-30)
            network.output_bias.copy_(factor * p_V.log())
        return network

    return make


@torch.no_grad()
def make_markov_network(make_network, p_VV, factor):
    """Return a network whose logits are `factor` times ln p of the token after the last one."""
    network = make_network(
        cell="elman_relu", num_layers=1, embedding_size=V, hidden_size=V, unknown_trained=True
    )
    for parameter in network.parameters():
        parameter.zero_()
    network.embedding.copy_(torch.eye(V))
    network.layers[0].weight_ih.copy_(torch.eye(V))
    network.output_weight.copy_(factor * torch.tensor(p_VV).log().T)
    return network


@pytest.mark.parametrize("sentences", [False, True])
@pytest.mark.parametrize("factor", [0.7, 0.85, 1.0, 1.15, 1.5])
def test_logits_that_are_c_times_too_large_are_calibrated_by_c(
    make_unigram_network, factor, sentences
):
    """The text has every token exactly as often as its probability says."""
    counts_V = [0, 128, 512, 256, 64, 32, 32]
    tokens_N = np.random.default_rng(1).permutation(np.repeat(np.arange(V), counts_V))
    network = make_unigram_network(np.array(counts_V) / sum(counts_V), factor)
    text = tokens_N.astype(np.int32)
    assert calibrate_temperature(network, text, sentences=sentences) == factor


@pytest.mark.parametrize("sentences", [False, True])
@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_the_tokens_before_a_position_count(make_network, factor, sentences):
    """The text is drawn from the chain, and a bounded part of it is read."""
    draw = np.random.default_rng(2)
    p_VV = draw.dirichlet(np.full(V, 0.5), V) + 1e-3
    p_VV /= p_VV.sum(axis=1, keepdims=True)
    text = np.full(30_000, BOUNDARY_ID, np.int32)
    for at, uniform in enumerate(draw.random(len(text) - 1), 1):
        text[at] = min(np.searchsorted(p_VV[text[at - 1]].cumsum(), uniform), V - 1)
    network = make_markov_network(make_network, p_VV, factor)
    found = calibrate_temperature(network, text, sentences=sentences)
    assert found == pytest.approx(factor, abs=GRID_STEP + 1e-9)


@pytest.mark.parametrize("sentences", [False, True])
def test_a_bounded_part_is_read_that_is_spread_over_the_text(
    make_unigram_network, monkeypatch, sentences
):
    """Any part of the text alone would need a temperature at an end of the grid."""
    monkeypatch.setattr(room, "MIN_POSITIONS", 16)
    monkeypatch.setattr(room, "MAX_LOGITS", 64 * V)
    lines = [[2, 2, 2, BOUNDARY_ID]] * 1200 + [[3, 3, 3, BOUNDARY_ID]] * 400
    text = np.array(lines, np.int32).flatten()
    network = make_unigram_network([0, 4 / 16, 9 / 16, 3 / 16, 0, 0, 0], 1.2)
    assert calibrate_temperature(network, text, sentences=sentences) == 1.2
    num_warm_up = 0 if sentences else NUM_ROWS * WARM_UP_TOKENS
    assert sum(network.pass_sizes) == 64 + num_warm_up


@pytest.mark.parametrize(
    ("max_positions", "max_logits", "min_positions", "num_read"),
    [(320, 1000 * V, 50, 320), (1000, 320 * V, 50, 320), (1000, 320 * V, 400, 400)],
)
def test_the_number_of_positions_has_bounds(
    make_unigram_network, monkeypatch, max_positions, max_logits, min_positions, num_read
):
    monkeypatch.setattr(room, "MAX_POSITIONS", max_positions)
    monkeypatch.setattr(room, "MAX_LOGITS", max_logits)
    monkeypatch.setattr(room, "MIN_POSITIONS", min_positions)
    network = make_unigram_network([0, *np.full(6, 1 / 6)], 1.0)
    text = np.full(9000, BOUNDARY_ID, np.int32)  # lines of one token
    text[:8000] = 2  # and one that is longer than all that is read
    calibrate_temperature(network, text, sentences=True)
    assert sum(network.pass_sizes) == num_read


@pytest.mark.parametrize("tokens", [[], [UNKNOWN_ID], [UNKNOWN_ID] * 40])
@pytest.mark.parametrize("sentences", [False, True])
def test_a_text_without_tokens_that_have_a_probability_calibrates_nothing(
    make_unigram_network, tokens, sentences
):
    network = make_unigram_network([0, *np.full(6, 1 / 6)], 1.0)
    text = np.array(tokens, np.int32)
    assert calibrate_temperature(network, text, sentences=sentences) is None
