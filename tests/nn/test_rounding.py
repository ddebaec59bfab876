"""Weights rounded to int8 by rows."""

import torch

from rnnlm_cli.nn.rounding import round_to_int8


def test_weights_are_rounded_by_at_most_half_a_scale():
    weight = torch.randn(9, 30, dtype=torch.float64) * torch.logspace(-20, 20, 9)[:, None]
    values, scale = (torch.from_numpy(each) for each in round_to_int8(weight))
    assert values.dtype == torch.int8 and scale.dtype == torch.float32
    assert (values.abs().amax(dim=1) == 127).all()
    # a quotient of up to 127 is rounded by 4e-6 before it is rounded to an integer
    error = (weight - values * scale.double()[:, None]).abs()
    assert (error <= scale.double()[:, None] * (0.5 + 2e-5)).all()


def test_rows_of_zeros_and_almost_zeros_are_rounded_to_zero():
    weight = torch.tensor([[0.0, 0.0], [3e-43, -2e-45], [1.0, -2.0]])
    values, scale = round_to_int8(weight)
    assert values.tolist() == [[0, 0], [0, 0], [64, -127]]
    assert (scale > 0).all()
