"""The sampling settings that a finished model recommends."""

import numpy as np
import pytest
import torch

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.runs.outcome import DEFAULT_SAMPLING, choose_sampling
from rnnlm_cli.text.corpus import Part

COUNTS_V = [0, 128, 512, 256, 64, 32, 32]


@pytest.fixture
def make_unigram_network(make_network):
    """A factory of networks whose logits are `factor` times ln p of the tokens in COUNTS_V."""

    def make(factor):
        network = make_network(unknown_trained=False)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
            network.output_bias.copy_(factor * torch.tensor(COUNTS_V).clamp(min=1).log())
        return network

    return make


@pytest.mark.parametrize(
    ("factor", "temperature"),
    [(0.3, 0.56), (0.9, 0.72), (1.0, 0.8), (1.15, 0.92), (1.25, 1.0), (3.0, 1.2)],
)
@pytest.mark.parametrize("sentences", [False, True])
def test_the_temperature_is_a_fifth_below_the_calibrated_one(
    make_unigram_network, factor, temperature, sentences
):
    tokens_N = np.random.default_rng(1).permutation(np.repeat(np.arange(7), COUNTS_V))
    valid = Part(tokens_N.astype(np.int32), len(tokens_N))
    sampling = choose_sampling(make_unigram_network(factor), valid, sentences=sentences)
    assert sampling == {"temperature": temperature}


@pytest.mark.parametrize("tokens", [[], [UNKNOWN_ID] * 5])
def test_without_a_token_to_measure_the_temperature_is_the_usual_one(
    make_unigram_network, tokens
):
    valid = Part(np.array(tokens, np.int32), len(tokens))
    sampling = choose_sampling(make_unigram_network(1.5), valid, sentences=False)
    assert sampling == DEFAULT_SAMPLING == {"temperature": 0.8}
