"""The bare matrix products of the bench."""

import pytest
import torch

from rnnlm_cli.bench import products
from rnnlm_cli.bench.products import choose_fastest_product


def test_a_product_is_the_same_in_every_way_to_compute_it(monkeypatch):
    """The fastest candidate is the one that the clock says; here each one is, in turn."""
    x_MK, weight_NK = torch.randn(3, 4), torch.randn(5, 4)
    for fastest in range(4):
        seconds = [float(candidate != fastest) for candidate in range(4)]
        times = iter([second for second in seconds for _ in range(products.TRIALS)])
        monkeypatch.setattr(products, "measure_seconds", lambda run, device, t=times: next(t))
        try:
            out = choose_fastest_product(x_MK, weight_NK)()
        except StopIteration:
            pytest.fail("more candidates than expected")
        torch.testing.assert_close(out if out.shape == (3, 5) else out.t(), x_MK @ weight_NK.T)
