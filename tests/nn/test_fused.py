"""The cells that numba compiles, against the plain recurrences and in float64."""

import math
import os
import subprocess
import sys

import pytest
import torch
from torch.testing import assert_close

from rnnlm_cli.nn import RecurrentLayer, choice, kernels, matmul
from rnnlm_cli.nn.cells import CELLS
from rnnlm_cli.nn.matmul import Products

pytest.importorskip("numba", reason="numba is not installed (the extra `fast`)")

T, B, E, H = 6, 5, 4, 19
# Both are exact to the rounding of float32, but round differently.
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(params=["compiled", "oneDNN", "torch.mm"])
def products(request, monkeypatch):
    """Run windows compiled as a whole, with BLAS, or step by step with another library."""
    if request.param == "oneDNN":
        if not kernels.has_onednn():
            pytest.skip("this PyTorch has no oneDNN")
        monkeypatch.setattr(kernels, "CAPABILITIES", {"sse4a": True})
        monkeypatch.setattr(matmul, "MIN_ONEDNN_WORK", 1)
    if request.param == "torch.mm":
        monkeypatch.setattr("rnnlm_cli.nn.fused.products.SGEMM_ADDRESS", None)
    return request.param


def run(layer, x, state, resets, monkeypatch, *, fused):
    """Return outputs, final states and all gradients; outputs have different weights."""
    monkeypatch.setattr(choice, "MIN_FUSED_SIZE", 0 if fused else 1 << 40)
    y, after = layer(x, state, resets)
    probe = (y * torch.arange(y.numel()).reshape(y.shape).cos()).sum()
    probe = probe + sum((part * (k + 2) * part).sum() for k, part in enumerate(after))
    return y, after, torch.autograd.grad(probe, [x, *state, *layer.parameters()])


@pytest.mark.parametrize("with_resets", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_outputs_states_and_gradients_equal_those_in_float64(
    products, monkeypatch, cell, with_resets
):
    torch.manual_seed(7)
    layer = RecurrentLayer(cell, E, H)
    x = torch.randn(T, B, E, requires_grad=True)
    state = tuple(torch.randn(B, H, requires_grad=True) for _ in range(CELLS[cell].num_states))
    resets = None
    if with_resets:
        resets = torch.rand(T, B) < 0.3
        resets[0, 1] = resets[3] = True
    fused = run(layer, x, state, resets, monkeypatch, fused=True)

    exact = RecurrentLayer(cell, E, H).double()
    exact.load_state_dict(layer.state_dict())
    inputs, *exact_state = (each.detach().double().requires_grad_() for each in (x, *state))
    plain = run(exact, inputs, tuple(exact_state), resets, monkeypatch, fused=True)
    for ours, expected in zip(fused, plain, strict=True):
        assert_close(ours, expected, check_dtype=False, **TOLERANCE)


@pytest.mark.parametrize("cell", CELLS)
def test_bfloat16_gives_the_same_up_to_its_rounding(monkeypatch, cell):
    monkeypatch.setattr(matmul, "MIN_BFLOAT16_WORK", 1)
    torch.manual_seed(7)
    layer, x = RecurrentLayer(cell, E, H), torch.randn(T, B, E, requires_grad=True)
    state = layer.initial_state(B)
    for part in state:
        part.requires_grad_()
    expected = run(layer, x, state, None, monkeypatch, fused=False)
    layer.products = Products("bfloat16")
    for fused in (False, True):
        rounded = run(layer, x, state, None, monkeypatch, fused=fused)
        # 8 bits of each operand, and sums of up to 30 terms of size 1
        for ours, plain in zip(rounded, expected, strict=True):
            assert_close(ours, plain, rtol=0.05, atol=0.1)
        assert not torch.equal(rounded[0], expected[0])


@pytest.mark.parametrize("cell", CELLS)
def test_the_inputs_of_a_window_are_not_changed(monkeypatch, cell):
    torch.manual_seed(7)
    layer, x = RecurrentLayer(cell, E, H), torch.randn(T, B, E, requires_grad=True)
    state = tuple(torch.randn(B, H, requires_grad=True) for _ in range(CELLS[cell].num_states))
    resets = torch.rand(T, B) < 0.3
    before = [each.detach().clone() for each in (x, *state, resets, *layer.parameters())]
    run(layer, x, state, resets, monkeypatch, fused=True)
    assert_close([each.detach() for each in (x, *state, resets, *layer.parameters())], before)


@pytest.mark.parametrize("cell", CELLS)
def test_nan_and_infinity_stay_visible(monkeypatch, cell):
    """A run finds divergence by them."""
    monkeypatch.setattr(choice, "MIN_FUSED_SIZE", 0)
    layer, x = RecurrentLayer(cell, E, H), torch.zeros(T, B, E)
    x[2, 1, 0] = torch.nan
    y, _ = layer(x, layer.initial_state(B))
    assert y[:2].isfinite().all() and y[2:, 1].isnan().all() and y[:, 2:].isfinite().all()


def test_tanh_and_sigmoid_are_exact_to_two_units_in_the_last_place_of_1():
    from rnnlm_cli.nn.fused.pointwise import sigmoid, tanh

    x = torch.cat([torch.linspace(-12, 12, 20_001), torch.tensor([0.0, 1e-30, -1e-6, 1e9, -1e9])])
    for ours, exact in ((tanh, torch.tanh), (sigmoid, torch.sigmoid)):
        got = torch.tensor([float(ours(each)) for each in x.numpy()])
        assert_close(got, exact(x.double()).float(), rtol=5e-7, atol=2e-7)


def test_another_type_and_a_small_window_take_the_plain_recurrence(monkeypatch):
    from rnnlm_cli.nn.recurrence import RECURRENCES

    monkeypatch.setattr(choice, "MIN_FUSED_SIZE", 100)
    large = torch.zeros(5, 4, 5)
    assert choice.choose_recurrence("gru", large) is not RECURRENCES["gru"]
    for gates in (large[:4], large.double(), large.to("meta")):
        assert choice.choose_recurrence("gru", gates) is RECURRENCES["gru"]


RUN_TANH = """
from rnnlm_cli.nn.fused.pointwise import tanh
import numpy as np
print(float(tanh(np.float32(0.5))), sum(tanh.stats.cache_hits.values()))
"""


def run_tanh(cache_folder):
    """Compute tanh(0.5) in a new process; return it, and how often its code was on disk."""
    environment = os.environ | {"XDG_CACHE_HOME": str(cache_folder)}
    process = subprocess.run(
        [sys.executable, "-c", RUN_TANH], env=environment, capture_output=True, text=True,
        check=True,
    )
    assert process.stderr == ""
    value, hits = process.stdout.split()
    assert float(value) == pytest.approx(math.tanh(0.5))
    return int(hits)


@pytest.mark.skipif(sys.platform != "linux", reason="XDG_CACHE_HOME names the cache on Linux")
def test_machine_code_is_kept_and_damage_to_it_does_no_harm(tmp_path):
    assert run_tanh(tmp_path) == 0
    assert run_tanh(tmp_path) == 1
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept and all(path.is_relative_to(tmp_path / "rnnlm-compiled") for path in kept)
    for damage in (b"", b"not a pickle", kept[0].read_bytes()[:40]):
        for path in kept:
            path.write_bytes(damage)
        assert run_tanh(tmp_path) == 0
    shared = tmp_path / "shared"
    assert run_tanh(shared) == 0 and run_tanh(shared) == 1
    (folder,) = (shared / "rnnlm-compiled").iterdir()
    folder.chmod(0o777)  # others could have put their code there
    assert run_tanh(shared) == 0
    (tmp_path / "file").write_bytes(b"")
    assert run_tanh(tmp_path / "file") == 0  # no folder can be made there
