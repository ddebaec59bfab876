"""Draws compiled by numba, against the filters."""

from itertools import compress, product

import numpy as np
import pytest

from rnnlm_cli.config import SampleConfig
from rnnlm_cli.generate import filters
from rnnlm_cli.generate.sampler import make_bias

pytest.importorskip("numba", reason="numba is not installed (the extra `fast`)")

from rnnlm_cli.generate.fused_draw import draw_token

VOCAB_SIZES = [2, 5, 40, 257, 512]
TEMPERATURES = [0.1, 0.8, 3.0]
SHAPES = {
    "flat": lambda noise_V: 0.1 * noise_V,
    "usual": lambda noise_V: 3 * noise_V,
    "peaked": lambda noise_V: 300 * noise_V,  # some probabilities are 0 in float64
    "tied": lambda noise_V: np.round(noise_V),
    "sparse": lambda noise_V: np.where(noise_V < -0.5, -np.inf, noise_V),
}


def draw_fused(logits_V, uniform, bias_V, config):
    return draw_token(
        logits_V, uniform, bias_V, config.temperature, config.top_k, config.typical, config.top_p,
        config.min_p, np.full((3, len(logits_V)), np.nan),
    )


def draw_by_filters(logits_V, uniforms, bias_V, config):
    """Return the first tokens whose cumulative weights are above the shares `uniforms`."""
    biased_BV = filters.add_bias(logits_V[None], bias_V)
    kept_BV = filters.truncate(biased_BV, config)
    (cumulative_V,) = filters.apply_temperature(kept_BV, config.temperature).cumsum(axis=1)
    return [int(np.argmax(cumulative_V > uniform * cumulative_V[-1])) for uniform in uniforms]


@pytest.mark.parametrize(
    "is_on", list(product([False, True], repeat=4)),
    ids=lambda is_on: "+".join(compress(["top_k", "typical", "top_p", "min_p"], is_on)) or "none",
)
def test_a_fused_draw_equals_the_draw_by_the_filters(is_on):
    """No setting is on a border of rounding, where the two may differ."""
    generator = np.random.default_rng([7, *is_on])
    for vocab_size, temperature, shape in product(VOCAB_SIZES, TEMPERATURES, SHAPES):
        settings = {
            "top_k": int(generator.integers(1, vocab_size + 3)),
            "typical": float(generator.uniform(0.05, 1)),
            "top_p": float(generator.uniform(0.05, 1)),
            "min_p": float(np.exp(generator.uniform(-7, 0))),
        }
        config = SampleConfig(temperature=temperature, **dict(compress(settings.items(), is_on)))
        logits_V = SHAPES[shape](generator.normal(size=vocab_size)).astype(np.float32)
        logits_V[1] = max(logits_V[1], 0.0)  # so that one token is possible
        forbidden = [token for token in range(2, vocab_size) if generator.random() < 0.1]
        bias_V = make_bias(vocab_size, forbidden=forbidden, biases=[(1, 0.5)])
        before_V = logits_V.copy()
        uniforms = [0.0, *generator.random(2).tolist(), 1 - 2**-53]
        drawn = [draw_fused(logits_V, uniform, bias_V, config) for uniform in uniforms]
        expected = draw_by_filters(logits_V, uniforms, bias_V, config)
        assert drawn == expected, (vocab_size, temperature, shape, settings)
        np.testing.assert_array_equal(logits_V, before_V)


def test_a_token_whose_probability_is_0_in_float64_is_not_kept_by_typical():
    """exp(-800) is 0, but at temperature 1000 the second token would have exp(-0.8) = 0.45."""
    logits_V = np.array([-np.inf, 0, -800], np.float32)
    config = SampleConfig(temperature=1000.0, typical=0.5)
    assert draw_fused(logits_V, 0.9, make_bias(3), config) == 1


def test_the_uniform_number_is_a_place_in_the_cumulative_distribution():
    """Forbidden are tokens 0 and 3; the others have 1/4, 1/2 and 1/4, up to 1/4, 3/4 and 1."""
    logits_V = np.log(np.array([9, 1, 2, 9, 1], np.float32))
    bias_V = make_bias(5, forbidden=[3])
    drawn = [
        draw_fused(logits_V, uniform, bias_V, SampleConfig(temperature=1.0))
        for uniform in (0.0, 0.24, 0.26, 0.74, 0.76, 1 - 2**-53)
    ]
    assert drawn == [1, 1, 2, 2, 4, 4]


@pytest.mark.parametrize("temperature", [1e-300, 1e-3, 1.0, 1000.0])
def test_the_only_possible_token_is_drawn(temperature):
    logits_V = np.array([7, -np.inf, -80, 5, -np.inf], np.float32)
    bias_V = make_bias(5, forbidden=[3])
    for settings in ({}, {"top_k": 3}, {"typical": 0.9}, {"top_p": 0.9}, {"min_p": 0.1}):
        config = SampleConfig(temperature=temperature, **settings)
        for uniform in (0.0, 0.5, 1 - 2**-53):
            assert draw_fused(logits_V, uniform, bias_V, config) == 2
