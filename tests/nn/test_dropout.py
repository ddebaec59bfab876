"""Dropout masks."""

import torch

from rnnlm_cli.nn.dropout import apply_dropout
from rnnlm_cli.nn.randomness import make_generator


def test_dropout_keeps_the_mean():
    x = torch.ones(1000, 40, dtype=torch.float64)
    dropped = apply_dropout(x, 0.4, make_generator(1, "dropout", 0))
    assert set(dropped.unique().tolist()) == {0.0, 1 / 0.6}
    assert abs(dropped.mean().item() - 1) < 0.02  # five standard deviations
