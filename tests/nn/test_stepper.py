"""One token at a time against the network over whole windows."""

import pytest
import torch
from torch.testing import assert_close

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.nn import stepper as stepper_module
from rnnlm_cli.nn.stepper import Stepper

T, V = 6, 7


@pytest.fixture(autouse=True)
def in_float64(float64):
    torch.manual_seed(5)


@pytest.fixture(params=[1 << 24, 0], ids=["table", "no table"])
def table(request, monkeypatch):
    monkeypatch.setattr(stepper_module, "MAX_TABLE_SIZE", request.param)


@pytest.mark.parametrize("num_samples", [1, 3])
@pytest.mark.parametrize("cell", ["elman_tanh", "elman_relu", "gru", "lstm"])
@torch.no_grad()
def test_steps_with_resets_equal_the_window(make_network, table, cell, num_samples):
    network = make_network(cell=cell)
    for parameter in network.parameters():  # biases that are not zero
        parameter.add_(torch.randn_like(parameter) / 4)
    inputs = torch.randint(V, (T, num_samples))
    resets = torch.zeros(T, num_samples, dtype=torch.bool)
    resets[2] = True
    resets[4, 0] = True
    first = tuple(
        tuple(torch.randn_like(part) for part in layer)
        for layer in network.initial_state(num_samples)
    )
    expected, _ = network(inputs, first, resets)
    stepper = Stepper(network, first)
    stepped = [
        stepper.step(inputs[t].tolist(), resets[t].tolist() if resets[t].any() else None)
        for t in range(T)
    ]
    assert_close(torch.stack(stepped), expected)


@pytest.mark.parametrize("num_samples", [1, 3])
@torch.no_grad()
def test_an_untrained_unknown_token_has_the_mean_input_and_no_probability(
    make_network, table, num_samples
):
    network = make_network(unknown_trained=False)
    inputs = torch.tensor([[UNKNOWN_ID] * num_samples])
    state = network.initial_state(num_samples)
    expected, _ = network(inputs, state)
    logits = Stepper(network, state).step(inputs[0].tolist())
    assert_close(logits, expected[0])
    assert (logits[:, UNKNOWN_ID] == -torch.inf).all()


@torch.no_grad()
def test_steps_do_not_change_the_first_state(make_network):
    network = make_network()
    state = network.initial_state(2)
    stepper = Stepper(network, state)
    for _ in range(3):
        stepper.step([1, 2])
    assert all((part == 0).all() for layer in state for part in layer)
