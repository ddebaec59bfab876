"""Activations and gates, against the network and against gates written out."""

import numpy as np
import pytest
import torch

from rnnlm_cli.config import BOUNDARY_ID
from rnnlm_cli.inspect import activations
from rnnlm_cli.inspect.activations import compute_activations, compute_gates

CELLS = ("elman_tanh", "elman_relu", "gru", "lstm")


@pytest.fixture
def short_rows(monkeypatch):
    """Rows that are short enough for a small text."""
    monkeypatch.setattr(activations, "WARM_UP_TOKENS", 100)
    monkeypatch.setattr(activations, "MIN_ROW_TOKENS", 30)
    monkeypatch.setattr(activations, "MAX_ROWS", 3)


def read_one_by_one(network, tokens_N, *, sentences):
    """Return the activations by the network itself, one token at a time."""
    state = network.initial_state(1)
    rows = []
    for token in [BOUNDARY_ID, *tokens_N]:
        if sentences and token == BOUNDARY_ID:
            state = network.initial_state(1)
        _, state = network.read(torch.tensor([[int(token)]]), state)
        rows.append(torch.cat(
            [torch.tanh(layer[1]) if len(layer) == 2 else layer[0] for layer in state], dim=1
        )[0])
    return torch.stack(rows[1:]).detach()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("sentences", [False, True])
def test_activations_are_those_of_the_network(
    float64, make_network, make_tokens, cell, sentences
):
    network, tokens_N = make_network(cell=cell), make_tokens(11, line=3, vocab_size=7)
    found_NU, _ = compute_activations(network, tokens_N, sentences=sentences)
    expected_NU = read_one_by_one(network, tokens_N, sentences=sentences)
    assert found_NU.shape == (11, 2 * 5)
    torch.testing.assert_close(torch.from_numpy(found_NU), expected_NU.float())


@pytest.mark.parametrize("sentences", [False, True])
def test_rows_equal_one_row(make_network, make_tokens, short_rows, sentences):
    """The warm-up is long enough for the network to forget what came before it."""
    network, tokens_N = make_network(), make_tokens(200, line=6, vocab_size=7)
    found_NU, saturations = compute_activations(network, tokens_N, sentences=sentences)
    expected_NU = read_one_by_one(network, tokens_N, sentences=sentences)
    assert len(found_NU) == 200
    np.testing.assert_allclose(found_NU, expected_NU, atol=1e-3)
    activations.MAX_ROWS = 1
    _, whole = compute_activations(network, tokens_N, sentences=sentences)
    for part, one in zip(saturations, whole, strict=True):
        assert (part.layer, part.name) == (one.layer, one.name)
        assert part.low == pytest.approx(one.low, abs=0.01)
        assert part.high == pytest.approx(one.high, abs=0.01)


@pytest.mark.parametrize(("cell", "names"), [("lstm", "ifgo"), ("gru", "rzn")])
def test_gates_are_the_equations_written_out(float64, make_network, cell, names):
    layer = make_network(cell=cell).recurrent_layers[0]
    draw = torch.Generator().manual_seed(5)
    x_BE = torch.randn(3, 4, generator=draw, dtype=torch.float64)
    h_BH = torch.randn(3, 5, generator=draw, dtype=torch.float64)
    gates = compute_gates(layer, x_BE, h_BH)
    assert "".join(gates) == names.replace("g", "").replace("n", "")
    for name, gate_BH in gates.items():
        rows = slice(5 * names.index(name), 5 * names.index(name) + 5)
        expected_BH = torch.sigmoid(
            x_BE @ layer.weight_ih[rows].T + layer.bias_ih[rows]
            + h_BH @ layer.weight_hh[rows].T + layer.bias_hh[rows]
        )
        torch.testing.assert_close(gate_BH, expected_BH)


def test_saturation_counts_gates_that_biases_force(make_network):
    network = make_network(cell="lstm", num_layers=1)
    layer = network.recurrent_layers[0]
    with torch.no_grad():
        for weight in (layer.weight_ih, layer.weight_hh):
            weight.zero_()
        layer.bias_hh.zero_()
        # Of the five units, i is open in two, f is shut in one, and o is between.
        layer.bias_ih.copy_(torch.tensor([9.0, 9, 0, 0, 0, -9, 0, 0, 0, 0, *[0] * 10]))
    _, saturations = compute_activations(network, np.array([2, 3, 1]), sentences=False)
    found = {each.name: (each.low, each.high) for each in saturations}
    assert found == {
        "i": (0, pytest.approx(0.4)), "f": (pytest.approx(0.2), 0), "o": (0, 0)
    }


def test_saturation_counts_every_token_once(float64, make_network, make_tokens, short_rows):
    """Two rows of 31 tokens hold the 61 tokens, and the warm-up reaches back to the first."""
    network, tokens_N = make_network(num_layers=1), make_tokens(61, line=6, vocab_size=7)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(4)
    layer, state = network.recurrent_layers[0], network.initial_state(1)
    gates, table_VE = [], network.compute_input_table()
    for token in [BOUNDARY_ID, *tokens_N]:
        gates.append(compute_gates(layer, table_VE[[token]], state[0][0]))
        _, state = network.read(torch.tensor([[int(token)]]), state)
    _, saturations = compute_activations(network, tokens_N, sentences=False)
    for saturation in saturations:
        gate_NH = torch.cat([each[saturation.name] for each in gates[1:]])
        assert saturation.low == pytest.approx((gate_NH < 0.1).double().mean().item())
        assert saturation.high == pytest.approx((gate_NH > 0.9).double().mean().item())


@pytest.mark.parametrize("cell", ["elman_tanh", "elman_relu"])
def test_cells_without_gates_have_the_saturation_of_their_outputs(make_network, cell):
    network, tokens_N = make_network(cell=cell), np.array([2, 3, 1, 4, 5])
    h_NU, saturations = compute_activations(network, tokens_N, sentences=False)
    for number, saturation in enumerate(saturations):
        h_NH = h_NU[:, 5 * number : 5 * number + 5]
        low = (h_NH == 0) if cell == "elman_relu" else (h_NH < -0.9)
        high = None if cell == "elman_relu" else pytest.approx((h_NH > 0.9).mean())
        assert (saturation.layer, saturation.name) == (number + 1, "h")
        assert (saturation.low, saturation.high) == (pytest.approx(low.mean()), high)
