"""Mixed precision: under autocast the hand-written functions work, and stay in float32."""

import pytest
import torch
from torch.testing import assert_close

from rnnlm_cli.nn import RecurrentLayer
from rnnlm_cli.nn.cells import CELLS
from rnnlm_cli.nn.softmax import ClassSample, compute_full_loss, compute_sampled_loss

T, B, E, H, V = 6, 3, 4, 5, 7
RESETS = torch.tensor([[0, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 1], [0, 0, 0], [0, 0, 1]]).bool()
LOW_PRECISION = [torch.bfloat16, torch.float16]


def autocast(dtype):
    return torch.autocast("cpu", dtype=dtype)


@pytest.mark.parametrize("dtype", LOW_PRECISION)
@pytest.mark.parametrize("cell", CELLS)
def test_outputs_and_gradients_of_a_layer_are_those_without_autocast(cell, dtype):
    torch.manual_seed(7)
    layer = RecurrentLayer(cell, E, H)
    x = torch.randn(T, B, E, dtype=dtype, requires_grad=True)
    weight_of_y = torch.randn(T, B, H)
    y, after = layer(x.float(), layer.initial_state(B), RESETS)
    expected = torch.autograd.grad(y, [x, *layer.parameters()], weight_of_y)
    with autocast(dtype):  # the layers below give inputs of low precision
        cast_y, cast_after = layer(x, layer.initial_state(B), RESETS)
        inside = torch.autograd.grad(
            cast_y, [x, *layer.parameters()], weight_of_y, retain_graph=True
        )
    outside = torch.autograd.grad(cast_y, [x, *layer.parameters()], weight_of_y)
    assert_close(cast_y, y)
    assert_close(cast_after, after)
    assert_close(inside, expected)
    assert_close(outside, expected)


@pytest.mark.parametrize("cell", CELLS)
def test_a_layer_agrees_with_torch_nn_under_autocast(cell, make_torch_module):
    torch.manual_seed(7)
    module = make_torch_module(cell, E, H)
    layer = RecurrentLayer(cell, E, H)
    layer.load_state_dict(
        {name.removesuffix("_l0"): tensor for name, tensor in module.state_dict().items()}
    )
    x = torch.randn(T, B, E)
    with autocast(torch.bfloat16):
        expected, y = module(x)[0], layer(x, layer.initial_state(B))[0]
        expected_gradients, gradients = (
            torch.autograd.grad(each.float().sum(), [*network.parameters()])
            for each, network in ((expected, module), (y, layer))
        )
    tolerance = {"rtol": 0.05, "atol": 0.05}  # torch.nn multiplies in bfloat16
    assert_close(y, expected.float(), **tolerance)
    assert_close(gradients, expected_gradients, **tolerance)


@pytest.mark.parametrize("sampled", [False, True])
def test_the_losses_under_autocast_are_those_without_it(sampled):
    torch.manual_seed(7)
    y, weight = torch.randn(B, H, requires_grad=True), torch.randn(V, H, requires_grad=True)
    bias, targets = torch.randn(V, requires_grad=True), torch.tensor([2, 6, 2])
    sample = ClassSample(torch.tensor([1, 2, 5]), torch.tensor([0.9, 0.5, 0.2]).log())

    def differentiate():
        if sampled:
            loss = compute_sampled_loss(y, weight, bias, targets, sample)
        else:
            loss = compute_full_loss(y, weight, bias, targets)
        y_gradient, weight_gradient, bias_gradient = torch.autograd.grad(loss, [y, weight, bias])
        return loss, y_gradient, weight_gradient.to_dense(), bias_gradient

    expected = differentiate()
    with autocast(torch.bfloat16):
        assert_close(differentiate(), expected)


@pytest.fixture
def cuda_autocast():
    """The state that `torch.autocast("cuda")` makes, on a machine without CUDA too."""
    enabled = torch.is_autocast_enabled("cuda")
    torch.set_autocast_enabled("cuda", True)
    yield
    torch.set_autocast_enabled("cuda", enabled)


def test_the_sampled_loss_works_while_autocast_is_on_for_cuda(cuda_autocast):
    """PyTorch's custom_fwd makes tuples anew from an iterator, which a NamedTuple refuses."""
    y, weight, bias = torch.randn(B, H), torch.randn(V, H), torch.randn(V)
    sample = ClassSample(torch.arange(1, V), torch.zeros(V - 1))
    targets = torch.tensor([2, 6, 2])
    loss = compute_sampled_loss(y, weight, bias, targets, sample)
    bias[0] = -torch.inf  # the sample holds all other classes
    assert_close(loss, compute_full_loss(y, weight, bias, targets))
