"""The hand-written recurrences against torch.nn, the cells' single step, and finite differences."""

from itertools import combinations

import pytest
import torch
from torch.testing import assert_close

from rnnlm_cli.nn import RecurrentLayer, matmul
from rnnlm_cli.nn.cells import CELLS
from rnnlm_cli.nn.unroll import project, run_window

T, B, E, H = 6, 3, 4, 5
CELL_NAMES = list(CELLS)


@pytest.fixture(autouse=True)
def in_float64(float64):
    torch.manual_seed(7)


def make_layers_with_weights_of(oracle, cell, input_size, hidden_size, num_layers):
    """Return our layers with the weights of a torch.nn module."""
    sizes = [input_size] + [hidden_size] * (num_layers - 1)
    layers = [RecurrentLayer(cell, size, hidden_size) for size in sizes]
    for index, layer in enumerate(layers):
        for name, parameter in layer.named_parameters():
            parameter.data.copy_(getattr(oracle, f"{name}_l{index}").data)
    return layers


def make_random_state(cell, *shape):
    return tuple(torch.randn(*shape, requires_grad=True) for _ in range(CELLS[cell].num_states))


def run_layers(layers, x, states, resets=None):
    after = []
    for layer, state in zip(layers, states, strict=True):
        x, state = layer(x, state, resets)
        after.append(state)
    return x, after


def compute_probe_loss(y, state):
    """Weight every output and final state differently, so that a wrong gradient shows."""
    total = (y * torch.arange(y.numel()).reshape(y.shape).cos()).sum()
    return total + sum((s * (k + 2) * s).sum() for k, s in enumerate(state))


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_outputs_states_and_every_gradient_equal_torch(make_torch_module, cell, num_layers):
    oracle = make_torch_module(cell, E, H, num_layers)
    layers = make_layers_with_weights_of(oracle, cell, E, H, num_layers)
    x = torch.randn(T, B, E, requires_grad=True)
    first = make_random_state(cell, num_layers, B, H)

    expected_y, expected_after = oracle(x, first if cell == "lstm" else first[0])
    expected_after = expected_after if cell == "lstm" else (expected_after,)
    wanted = [x, *first, *oracle.parameters()]
    expected = torch.autograd.grad(compute_probe_loss(expected_y, expected_after), wanted)

    y, after = run_layers(layers, x, [tuple(s[k] for s in first) for k in range(num_layers)])
    after = tuple(torch.stack(states) for states in zip(*after, strict=True))
    parameters = [p for layer in layers for p in layer.parameters()]
    gradients = torch.autograd.grad(compute_probe_loss(y, after), [x, *first, *parameters])

    assert_close(y, expected_y)
    assert_close(after, expected_after)
    assert_close(gradients, expected)


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_the_window_equals_single_steps_with_resets_in_every_gradient(cell):
    layer = RecurrentLayer(cell, E, H)
    x = torch.randn(T, B, E, requires_grad=True)
    first = make_random_state(cell, B, H)
    resets = torch.rand(T, B) < 0.4
    resets[0, 1] = resets[3] = True

    state, outputs = first, []
    for t in range(T):
        state = tuple(s * ~resets[t, :, None] for s in state)
        gates_x = torch.nn.functional.linear(x[t], layer.weight_ih, layer.bias_ih)
        state = CELLS[cell].step(gates_x, state, layer.weight_hh, layer.bias_hh)
        outputs.append(state[0])
    wanted = [x, *first, *layer.parameters()]
    expected_y = torch.stack(outputs)
    expected = torch.autograd.grad(compute_probe_loss(expected_y, state), wanted)

    y, after = layer(x, first, resets)
    assert_close(y, expected_y)
    assert_close(after, state)
    assert_close(torch.autograd.grad(compute_probe_loss(y, after), wanted), expected)


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_resets_equal_separate_sequences(make_torch_module, cell, num_layers):
    oracle = make_torch_module(cell, E, H, num_layers)
    layers = make_layers_with_weights_of(oracle, cell, E, H, num_layers)
    x = torch.randn(T, B, E)
    resets = torch.zeros(T, B, dtype=torch.bool)
    cut = 4
    resets[cut] = True
    states = [tuple(s.detach() for s in make_random_state(cell, B, H)) for _ in layers]

    y, after = run_layers(layers, x, states, resets)

    start = tuple(torch.stack(s) for s in zip(*states, strict=True))
    head, _ = oracle(x[:cut], start if cell == "lstm" else start[0])
    tail, end = oracle(x[cut:])
    assert_close(y, torch.cat([head, tail]))
    end = end if cell == "lstm" else (end,)
    assert_close(tuple(torch.stack(s) for s in zip(*after, strict=True)), end)


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_gradients_equal_finite_differences(cell):
    layer = RecurrentLayer(cell, E, H)
    resets = torch.zeros(T, B, dtype=torch.bool)
    resets[2, 0] = True

    def run(x, *rest):
        state, parameters = rest[: CELLS[cell].num_states], rest[CELLS[cell].num_states :]
        named = dict(zip(dict(layer.named_parameters()), parameters, strict=True))
        y, after = torch.func.functional_call(layer, named, (x, state, resets))
        return y, *after

    x = torch.randn(T, B, E, requires_grad=True)
    assert torch.autograd.gradcheck(run, (x, *make_random_state(cell, B, H), *layer.parameters()))


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_each_gradient_is_the_same_if_only_some_are_wanted(cell):
    layer = RecurrentLayer(cell, E, H)
    tensors = {"x": torch.randn(T, B, E), **dict(layer.named_parameters())}
    first = tuple(s.detach() for s in make_random_state(cell, B, H))
    tensors |= {f"state{k}": part for k, part in enumerate(first)}

    def gradients(wanted):
        given = {name: t.detach().requires_grad_(name in wanted) for name, t in tensors.items()}
        x, *rest = given.values()
        weights, state = rest[:4], tuple(rest[4:])
        y, after = run_window(
            cell, project(cell, x, weights[0], *weights[2:]), weights[1], weights[3], None, state
        )
        return torch.autograd.grad(compute_probe_loss(y, after), [given[name] for name in wanted])

    names = list(tensors)
    every = dict(zip(names, gradients(names), strict=True))
    for size in (1, 2):
        for wanted in combinations(names, size):
            assert_close(gradients(wanted), tuple(every[name] for name in wanted))


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_packed_products_equal_plain_ones(cell, monkeypatch):
    """The test is in float32, for which MKL has packed products. Without MKL both are plain."""
    torch.set_default_dtype(torch.float32)
    layer, x = RecurrentLayer(cell, E, H), torch.randn(20, B, E)
    plain, _ = layer(x, layer.initial_state(B))
    monkeypatch.setattr(matmul, "MIN_PACKED_SIZE", 1)
    packed, _ = layer(x, layer.initial_state(B))
    assert_close(packed, plain)
