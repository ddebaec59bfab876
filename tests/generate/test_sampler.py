"""Sampler: random draws, and their dependence on the seed and the sample."""

import math

import numpy as np
import torch

from rnnlm_cli.config import UNKNOWN_ID, SampleConfig
from rnnlm_cli.generate.sampler import Sampler

P = [0.0, 0.1, 0.4, 0.2, 0.3]  # <unk> is never drawn


def logits(*rows):
    return torch.tensor(rows or [[9.0, *(math.log(p) for p in P[1:])]], dtype=torch.float64)


def draws(number, **settings):
    sampler = Sampler(SampleConfig(**({"temperature": 1.0} | settings)))
    rows = logits().expand(settings.get("num_samples", 1), -1)
    return np.array([sampler.draw(rows).tolist() for _ in range(number)])


def test_draws_follow_the_probabilities():
    counts = np.bincount(draws(8000)[:, 0], minlength=5)
    chi_square = ((counts[1:] - 8000 * np.array(P[1:])) ** 2 / (8000 * np.array(P[1:]))).sum()
    assert counts[UNKNOWN_ID] == 0
    assert chi_square < 16.3  # 3 degrees of freedom, one in a thousand


def test_draws_depend_on_the_seed_except_at_temperature_zero():
    assert (draws(50, seed=3) == draws(50, seed=3)).all()
    assert (draws(50, seed=3) != draws(50, seed=4)).any()
    assert (draws(5, seed=3, temperature=0) == draws(5, seed=4, temperature=0)).all()


def test_the_greedy_draw_prefers_the_lower_id_and_skips_unk():
    assert Sampler(SampleConfig(temperature=0)).draw(torch.zeros(1, 5)).tolist() == [1]


def test_top_k_one_is_greedy():
    assert (draws(20, top_k=1) == draws(20, temperature=0)).all()


def test_a_sample_does_not_depend_on_the_number_of_samples():
    assert (draws(20, num_samples=3)[:, :1] == draws(20)).all()
    three = draws(60, num_samples=3)
    assert (three[:, 0] != three[:, 1]).any()
