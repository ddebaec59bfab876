"""What may be drawn, and how often."""

import math

import numpy as np
import pytest
import torch

from rnnlm_cli.config import UNKNOWN_ID, SampleConfig
from rnnlm_cli.generate.sampler import Sampler, probabilities

P = [0.0, 0.1, 0.4, 0.2, 0.3]  # <unk> aside


def logits(*rows):
    return torch.tensor(rows or [[9.0, *(math.log(p) for p in P[1:])]], dtype=torch.float64)


def p(**settings):
    return probabilities(logits(), SampleConfig(**({"temperature": 1.0} | settings)))[0]


def test_temperature_one_is_the_model_itself_without_unk():
    np.testing.assert_allclose(p(), P)


def test_temperature_raises_to_a_power():
    expected = np.array(P) ** 2
    np.testing.assert_allclose(p(temperature=0.5), expected / expected.sum())
    np.testing.assert_allclose(p(temperature=1e-300), [0, 0, 1, 0, 0])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"top_k": 2}, [0, 0, 4 / 7, 0, 3 / 7]),
        ({"top_k": 99}, P),
        ({"top_p": 0.4}, [0, 0, 1, 0, 0]),
        ({"top_p": 0.41}, [0, 0, 4 / 7, 0, 3 / 7]),
        ({"top_p": 1e-9}, [0, 0, 1, 0, 0]),
        ({"top_k": 3, "top_p": 0.7}, [0, 0, 4 / 7, 0, 3 / 7]),  # 0.7 of what top-k left
    ],
)
def test_top_k_and_top_p_keep_the_likeliest(settings, expected):
    np.testing.assert_allclose(p(**settings), expected, atol=1e-12)


def test_ties_go_to_the_lower_id():
    many = probabilities(torch.zeros(1, 1000), SampleConfig(top_k=3))
    assert np.flatnonzero(many).tolist() == [1, 2, 3]
    tied = torch.zeros(1, 5)
    assert probabilities(tied, SampleConfig(top_k=1)).argmax() == 1
    assert Sampler(SampleConfig(temperature=0)).draw(tied).tolist() == [1]


def draws(number, **settings):
    sampler = Sampler(SampleConfig(**({"temperature": 1.0} | settings)))
    rows = logits().expand(settings.get("num_samples", 1), -1)
    return np.array([sampler.draw(rows).tolist() for _ in range(number)])


def test_draws_follow_the_probabilities():
    counts = np.bincount(draws(8000)[:, 0], minlength=5)
    chi_square = ((counts[1:] - 8000 * np.array(P[1:])) ** 2 / (8000 * np.array(P[1:]))).sum()
    assert counts[UNKNOWN_ID] == 0
    assert chi_square < 16.3  # 3 degrees of freedom, one in a thousand


def test_the_seed_decides_and_temperature_zero_ignores_it():
    assert (draws(50, seed=3) == draws(50, seed=3)).all()
    assert (draws(50, seed=3) != draws(50, seed=4)).any()
    assert (draws(5, seed=3, temperature=0) == draws(5, seed=4, temperature=0)).all()


def test_top_k_one_is_greedy():
    assert (draws(20, top_k=1) == draws(20, temperature=0)).all()


def test_a_sample_is_the_same_however_many_are_drawn_beside_it():
    assert (draws(20, num_samples=3)[:, :1] == draws(20)).all()
    three = draws(60, num_samples=3)
    assert (three[:, 0] != three[:, 1]).any()
