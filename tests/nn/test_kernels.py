"""The public replacements of PyTorch's private kernels: with and without them, equal results."""

import re
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from rnnlm_cli.nn import RecurrentLayer, kernels
from rnnlm_cli.nn.cells import CELLS
from rnnlm_cli.train.optimizer import DenseAdamW, clip_gradients

T, B, E, H = 6, 3, 4, 5
KERNELS = [
    "SIGMOID_BACKWARD", "TANH_BACKWARD", "THRESHOLD_BACKWARD", "MKL_PACK", "MKL_LINEAR",
    "ONEDNN_PACK", "ONEDNN_LINEAR", "FUSED_ADAMW", "FOREACH_ADD", "FOREACH_MUL", "FOREACH_NORM",
]


@pytest.fixture(params=["private kernels", "public operations"])
def either_way(request, monkeypatch):
    if request.param == "public operations":
        for name in KERNELS:
            monkeypatch.setattr(kernels, name, None)


@pytest.fixture
def in_float64(float64):
    torch.manual_seed(5)


def test_the_list_of_kernels_is_complete():
    names = [name for name in vars(kernels) if name.isupper() and name != "CAPABILITIES"]
    assert sorted(names) == sorted(KERNELS)


def test_no_other_file_names_a_private_kernel():
    package_folder = Path(kernels.__file__).parents[1]
    for path in sorted(package_folder.rglob("*.py")):
        if path != Path(kernels.__file__):
            assert not re.search(r"torch\._[a-z]|torch\.ops\.", path.read_text("utf-8")), path


@pytest.mark.parametrize("cell", list(CELLS))
def test_recurrence_gradients_equal_torch(either_way, in_float64, make_torch_module, cell):
    oracle = make_torch_module(cell, E, H)
    layer = RecurrentLayer(cell, E, H)
    for name, parameter in layer.named_parameters():
        parameter.data.copy_(getattr(oracle, f"{name}_l0"))
    x = torch.randn(T, B, E, requires_grad=True)
    dy = torch.randn(T, B, H)
    expected_y, _ = oracle(x)
    y, _ = layer(x, layer.initial_state(B))
    assert_close(y, expected_y)
    assert_close(
        torch.autograd.grad(y, [x, *layer.parameters()], dy),
        torch.autograd.grad(expected_y, [x, *oracle.parameters()], dy),
    )


def test_derivatives_may_overwrite_either_input(either_way, in_float64):
    grad, y = torch.randn(B, H), torch.rand(B, H) - 0.5
    for apply, expected in (
        (kernels.apply_sigmoid_derivative, grad * y * (1 - y)),
        (kernels.apply_tanh_derivative, grad * (1 - y * y)),
        (kernels.apply_relu_derivative, grad * (y > 0)),
    ):
        for index in range(2):
            inputs = [grad.clone(), y.clone()]
            returned = apply(*inputs, out=inputs[index])
            assert returned is inputs[index]
            assert_close(returned, expected)


def test_adamw_equals_torch_optim(either_way, in_float64):
    ours = [torch.randn(H, E, requires_grad=True), torch.randn(E, requires_grad=True)]
    expected = [parameter.detach().clone().requires_grad_() for parameter in ours]
    optimizer = DenseAdamW(ours[:1], ours[1:], 0.2)
    oracle = torch.optim.AdamW([
        {"params": expected[:1], "weight_decay": 0.2}, {"params": expected[1:], "weight_decay": 0}
    ], lr=0.1)
    for _ in range(4):
        for mine, other in zip(ours, expected, strict=True):
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.clone()
        optimizer.step(0.1)
        oracle.step()
    assert_close(ours, expected)


def test_clipping_scales_the_whole_gradient_to_the_norm(either_way, in_float64, make_network):
    network = make_network()
    for parameter in network.parameters():
        parameter.grad = torch.randn_like(parameter)
    before = torch.cat([parameter.grad.flatten() for parameter in network.parameters()])
    assert clip_gradients(network, 0.5) == pytest.approx(before.norm().item())
    after = torch.cat([parameter.grad.flatten() for parameter in network.parameters()])
    assert_close(after, before * 0.5 / before.norm())
