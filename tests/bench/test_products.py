"""The bare matrix products of the bench."""

import torch

from rnnlm_cli.bench.products import choose_faster_product


def test_a_product_is_the_same_in_either_order():
    x_BK, weight_KN = torch.randn(3, 4), torch.randn(4, 5)
    out = choose_faster_product(x_BK, weight_KN)()
    torch.testing.assert_close(out if out.shape == (3, 5) else out.t(), x_BK @ weight_KN)
