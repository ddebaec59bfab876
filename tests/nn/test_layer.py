"""The public calls of a recurrent layer: project, recur, initial weights, checks of shapes."""

import pytest
import torch
from torch.testing import assert_close

from rnnlm_cli.config import ModelConfig
from rnnlm_cli.nn import RecurrentLayer
from rnnlm_cli.nn.cells import CELLS
from rnnlm_cli.nn.network import RecurrentNetwork

T, B, E, H = 6, 3, 4, 5
CELL_NAMES = list(CELLS)


@pytest.fixture(autouse=True)
def in_float64(float64):
    torch.manual_seed(7)


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_projected_distinct_inputs_give_the_outputs_and_gradients_of_repeated_inputs(cell):
    layer, num_distinct = RecurrentLayer(cell, E, H), 4
    distinct = torch.randn(num_distinct, E, requires_grad=True)
    indices = torch.randint(num_distinct - 1, (T, B))  # the last distinct input is never read
    first = tuple(part.normal_().requires_grad_() for part in layer.initial_state(B))
    weight_of_y = torch.randn(T, B, H)
    resets = torch.rand(T, B) < 0.3
    wanted = [distinct, *first, *layer.parameters()]
    expected_y, expected_after = layer(distinct[indices], first, resets)
    expected = torch.autograd.grad(expected_y, wanted, weight_of_y)
    gates = layer.project(distinct).index_select(0, indices.flatten()).view(T, B, -1)
    y, after = layer.recur(gates, first, resets)
    assert_close(y, expected_y)
    assert_close(after, expected_after)
    assert_close(torch.autograd.grad(y, wanted, weight_of_y), expected)


@pytest.mark.parametrize("cell", CELL_NAMES)
@torch.no_grad()
def test_a_projection_is_linear_in_the_input_and_holds_the_outer_bias(cell):
    layer = RecurrentLayer(cell, E, H)
    layer.bias_ih.normal_()
    layer.bias_hh.normal_()
    x = torch.randn(T, B, E)
    bias = layer.bias_ih + layer.bias_hh
    if cell == "gru":  # r multiplies the bias of the third gate
        bias[2 * H :] = layer.bias_ih[2 * H :]
    assert_close(layer.project(x), x @ layer.weight_ih.T + bias)
    assert_close(layer.project(x[0]), layer.project(x)[0])


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_the_recurrence_has_a_gradient_for_gates_of_any_origin(cell):
    layer = RecurrentLayer(cell, E, H)
    gates = torch.randn(T, B, len(layer.bias_ih), requires_grad=True)

    def run(gates_TBG):
        return layer.recur(gates_TBG.clone(), layer.initial_state(B))[0]

    assert torch.autograd.gradcheck(run, (gates,))


def test_the_initial_forget_bias_is_one_and_relu_starts_from_the_identity():
    lstm, relu = RecurrentLayer("lstm", E, H), RecurrentLayer("elman_relu", E, H)
    assert_close(lstm.bias_ih + lstm.bias_hh, torch.tensor([0.0, 1, 0, 0]).repeat_interleave(H))
    assert_close(relu.weight_hh.detach(), torch.eye(H))
    config = {"vocab_size": 7, "embedding_size": E, "hidden_size": H, "cell": "elman_relu"}
    # Stacked layers are scaled, so that activations do not explode.
    stack = RecurrentNetwork(ModelConfig(num_layers=2, **config))
    for layer in stack.recurrent_layers:
        assert_close(layer.weight_hh.detach(), torch.eye(H) / 2)


@pytest.mark.parametrize("cell", ["elman_tanh", "gru", "lstm"])
def test_initial_recurrent_matrices_are_orthogonal(cell):
    for gate in RecurrentLayer(cell, E, H).weight_hh.detach().split(H):
        assert_close(gate @ gate.T, torch.eye(H))


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_wrong_shapes_raise_an_error_that_names_the_tensor(cell):
    layer = RecurrentLayer(cell, E, H)
    state = layer.initial_state(B)
    with pytest.raises(ValueError, match="x_TBE"):
        layer(torch.zeros(T, B, E + 1), state)
    with pytest.raises(ValueError, match="state"):
        layer(torch.zeros(T, B + 1, E), state)
    with pytest.raises(ValueError, match="resets_TB"):
        layer(torch.zeros(T, B, E), state, torch.zeros(T, B + 1, dtype=torch.bool))
    with pytest.raises(ValueError, match="x is"):
        layer.project(torch.zeros(B, E + 1))
    gates = layer.project(torch.zeros(T, B, E))
    with pytest.raises(ValueError, match="gates_TBG"):
        layer.recur(gates[0], state)
    with pytest.raises(ValueError, match="contiguous"):
        layer.recur(gates[:1].expand(T, -1, -1), state)
    with pytest.raises(ValueError, match="state"):
        layer.recur(gates, layer.initial_state(B + 1))


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_two_windows_equal_one_sequence(cell):
    layer = RecurrentLayer(cell, E, H)
    x = torch.randn(T, B, E)
    whole, end = layer(x, layer.initial_state(B))
    head, middle = layer(x[:2], layer.initial_state(B))
    tail, after = layer(x[2:], middle)
    assert_close(torch.cat([head, tail]), whole)
    assert_close(after, end)


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_a_row_alone_equals_that_row_in_a_batch(cell):
    layer = RecurrentLayer(cell, E, H)
    x = torch.randn(T, B, E)
    together, _ = layer(x, layer.initial_state(B))
    alone, _ = layer(x[:, 1:2], layer.initial_state(1))
    assert_close(alone, together[:, 1:2])
