"""Generators as a function of (seed, purpose, step)."""

import torch

from rnnlm_cli.nn.randomness import make_generator


def test_generators_depend_on_seed_purpose_and_step():
    draws = {
        torch.rand((), generator=make_generator(*key)).item()
        for key in [(1, "a", 0), (2, "a", 0), (1, "b", 0), (1, "a", 1)]
    }
    assert len(draws) == 4
