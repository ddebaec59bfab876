"""Sampling filters: temperature, top-k, top-p."""

import math

import numpy as np
import pytest
import torch

from rnnlm_cli.config import SampleConfig
from rnnlm_cli.generate.filters import compute_probabilities, keep_top_k, keep_top_p

P = [0.0, 0.1, 0.4, 0.2, 0.3]  # <unk> is never drawn
LOGITS = torch.tensor([[9.0, *(math.log(p) for p in P[1:])]], dtype=torch.float64)


def p(**settings):
    return compute_probabilities(LOGITS, SampleConfig(**({"temperature": 1.0} | settings)))[0]


def test_temperature_one_gives_the_probabilities_of_the_model_without_unk():
    np.testing.assert_allclose(p(), P)


def test_temperature_raises_probabilities_to_a_power():
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
        ({"top_k": 3, "top_p": 0.7}, [0, 0, 4 / 7, 0, 3 / 7]),  # 0.7 of top-k's share
    ],
)
def test_top_k_and_top_p_keep_the_most_probable_tokens(settings, expected):
    np.testing.assert_allclose(p(**settings), expected, atol=1e-12)


def test_the_most_probable_token_stays_whatever_the_share_is():
    sorted_BV = np.array([[0.1, 0.05]])
    assert keep_top_p(sorted_BV, 5e-324).tolist() == [[0.1, 0]]  # 0.15 * 5e-324 is 0


def test_ties_go_to_the_lower_id():
    many = compute_probabilities(torch.zeros(1, 1000), SampleConfig(top_k=3))
    assert np.flatnonzero(many).tolist() == [1, 2, 3]
    tied = torch.zeros(1, 5)
    assert compute_probabilities(tied, SampleConfig(top_k=1)).argmax() == 1


@pytest.mark.parametrize("filter_", [lambda p: keep_top_k(p, 2), lambda p: keep_top_p(p, 0.6)])
def test_a_filter_works_on_each_row_and_leaves_its_input_unchanged(filter_):
    given = np.array([[0.5, 0.3, 0.2], [0.7, 0.2, 0.1]])
    before = given.copy()
    kept = filter_(given)
    assert (given == before).all()
    assert kept[0].tolist() == [0.5, 0.3, 0]
    assert kept[1].tolist() == filter_(given[1:])[0].tolist()
