"""Steps with weights in int8, against the network of the rounded weights in float64."""

import copy

import pytest
import torch
from torch.testing import assert_close

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.nn import stepper as stepper_module
from rnnlm_cli.nn.cells import CELLS

pytest.importorskip("numba", reason="numba is not installed (the extra `fast`)")

from rnnlm_cli.nn.fused.int8_product import MAX_INT16, allocate_rounded, multiply, pack
from rnnlm_cli.nn.fused.int8_stepper import Int8Stepper, round_weights
from rnnlm_cli.nn.rounding import round_to_int8

T, V = 6, 7
# A vector is rounded by at most max|x| / 65534, so a product errs by at most |W| max|x| / 65534,
# where |W| is the largest sum of magnitudes in a row. Here |W| is below 6 and max|x| is about 3, so
# that is 3e-4. The errors of the products of a step have random signs, and largely cancel.
TOLERANCE = {"rtol": 0, "atol": 4e-4}


@pytest.fixture(params=[1 << 24, 0], ids=["table", "no table"])
def table(request, monkeypatch):
    monkeypatch.setattr(stepper_module, "MAX_TABLE_SIZE", request.param)


@pytest.fixture
def make_noisy(make_network):
    """A factory of networks whose biases are not zero."""

    def make(**settings):
        torch.manual_seed(5)
        network = make_network(**settings)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter) / 2)
        return network

    return make


def draw_state(network):
    """Return a random hidden state of one row."""
    return tuple(
        tuple(torch.randn_like(part) for part in layer) for layer in network.initial_state(1)
    )


def to_float64(state):
    return tuple(tuple(part.double() for part in layer) for layer in state)


@torch.no_grad()
def run_window(network, inputs, state, resets=None):
    """Return the logits (T, 1, V) of a network in float64, and its state after the window."""
    exact = copy.deepcopy(network).double()
    return exact(torch.tensor(inputs)[:, None], to_float64(state), resets)


def run_steps(stepper, inputs, resets=None):
    """Return the logits (T, 1, V) of a stepper."""
    logits = [
        stepper.step([token], None if resets is None else [bool(resets[t])]).clone()
        for t, token in enumerate(inputs)
    ]
    return torch.stack(logits)


@pytest.mark.parametrize("size", [1, 63, 64, 130, 1500])
def test_a_product_errs_by_the_rounding_of_its_vector_only(size):
    torch.manual_seed(5)
    weights, biases, x = torch.randn(2, 9, size), torch.randn(2, 9), torch.randn(size)
    matrices = pack(list(weights), list(biases), (9, size))
    out, start = torch.empty(9), torch.randn(9)
    memory = allocate_rounded(matrices)
    memory.fill(MAX_INT16)  # left by a longer vector
    multiply(matrices, 1, x.numpy(), start.numpy(), memory, out.numpy())
    values, scale = (torch.from_numpy(each) for each in round_to_int8(weights[1]))
    rounded = values.double() * scale.double()[:, None]
    limit = min(MAX_INT16, (2**31 - 1) // (127 * memory.size))
    bound = rounded.abs().sum(dim=1) * x.abs().max() / limit / 2
    error = (out - (start + rounded @ x.double())).abs()
    assert (error <= bound + 2e-6).all()  # and by the rounding of the float32 results
    assert torch.equal(torch.from_numpy(matrices[2]), biases)


def test_the_sum_of_a_long_row_does_not_overflow():
    size = 70_000
    matrices = pack([torch.ones(2, size)], [torch.zeros(2)], (2, size))
    out, start, memory = torch.empty(2), torch.zeros(2), allocate_rounded(matrices)
    multiply(matrices, 0, torch.ones(size).numpy(), start.numpy(), memory, out.numpy())
    assert_close(out, torch.full((2,), float(size)))


@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_steps_with_resets_equal_the_network_of_the_rounded_weights(
    make_noisy, table, cell, num_layers
):
    network = make_noisy(cell=cell, num_layers=num_layers)
    inputs, resets = torch.randint(V, (T,)).tolist(), torch.zeros(T, 1, dtype=torch.bool)
    resets[3] = True
    first = draw_state(network)
    expected, after = run_window(round_weights(network), inputs, first, resets)
    stepper = Int8Stepper(network, first)
    logits = run_steps(stepper, inputs, resets)
    assert logits.dtype == torch.float32
    assert_close(logits, expected, check_dtype=False, **TOLERANCE)
    assert_close(stepper.select([0]), after, check_dtype=False, **TOLERANCE)
    plain, _ = run_window(network, inputs, first, resets)  # the tolerance is not too wide
    assert (logits - plain).abs().max() > 5 * TOLERANCE["atol"]


def test_rounding_concerns_the_matrices_and_the_output_table_only(make_noisy):
    network = make_noisy()
    rounded, exact = round_weights(network).state_dict(), network.state_dict()
    unchanged = {name for name, weight in exact.items() if torch.equal(weight, rounded[name])}
    assert unchanged == {
        "embedding", "output_bias", "layers.0.bias_ih", "layers.0.bias_hh", "layers.1.bias_ih",
        "layers.1.bias_hh",
    }
    values, scale = (torch.from_numpy(e) for e in round_to_int8(exact["layers.1.weight_ih"]))
    assert_close(rounded["layers.1.weight_ih"], values * scale[:, None])


def test_tied_tables_are_rounded_alike(make_noisy, table):
    network = make_noisy(tied=True, embedding_size=5, hidden_size=5)
    rounded = round_weights(network)
    assert not torch.equal(rounded.embedding, network.embedding)
    inputs, first = torch.randint(V, (T,)).tolist(), draw_state(network)
    expected, _ = run_window(rounded, inputs, first)
    logits = run_steps(Int8Stepper(network, first), inputs)
    assert_close(logits, expected, check_dtype=False, **TOLERANCE)


def test_an_untrained_unknown_token_has_the_mean_input_and_no_probability(make_noisy, table):
    network = make_noisy(unknown_trained=False)
    first = draw_state(network)
    expected, _ = run_window(round_weights(network), [UNKNOWN_ID, 3], first)
    logits = run_steps(Int8Stepper(network, first), [UNKNOWN_ID, 3])
    assert (logits[..., UNKNOWN_ID] == -torch.inf).all()
    assert network.output_bias.isfinite().all()  # the network itself is not changed
    assert_close(logits, expected, check_dtype=False, **TOLERANCE)


@pytest.mark.parametrize("cell", CELLS)
def test_predictions_are_close_to_those_of_the_network(make_network, cell):
    """The weights of a row of 96 have relative errors of 1 % or less, of random signs."""
    network = make_network(cell=cell, embedding_size=48, hidden_size=96, vocab_size=30)
    torch.manual_seed(5)
    inputs, first = torch.randint(30, (40,)).tolist(), network.initial_state(1)
    logits = run_steps(Int8Stepper(network, first), inputs)
    expected, _ = run_window(network, inputs, first)
    log_p, exact = logits.double().log_softmax(-1), expected.log_softmax(-1)
    divergence = (exact.exp() * (exact - log_p)).sum(-1)
    assert divergence.max() < 1e-3


@torch.no_grad()
def test_weights_and_state_are_copied(make_noisy, table):
    network = make_noisy()
    first = draw_state(network)
    before = [part.clone() for layer in first for part in layer]
    expected = run_steps(Int8Stepper(network, first), [1, 2, 3])
    assert_close([part for layer in first for part in layer], before, rtol=0, atol=0)
    stepper = Int8Stepper(network, first)
    for tensor in [*network.parameters(), *(part for layer in first for part in layer)]:
        tensor.zero_()
    assert torch.equal(run_steps(stepper, [1, 2, 3]), expected)


@pytest.mark.parametrize("cell", CELLS)
def test_a_selected_state_can_be_continued(make_noisy, cell):
    network = make_noisy(cell=cell)
    stepper = Int8Stepper(network, draw_state(network))
    stepper.step([1])
    state = stepper.select([0, 0])
    assert all(torch.equal(part[0], part[1]) for layer in state for part in layer)
    expected = run_steps(stepper, [2, 3])  # changes no copy
    other = Int8Stepper(network, network.initial_state(1))
    other.replace_state(tuple(tuple(part[:1] for part in layer) for layer in state))
    assert torch.equal(run_steps(other, [2, 3]), expected)


@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("cell", CELLS)
def test_nan_and_infinity_stay_visible(make_network, cell, number):
    network = make_network(cell=cell)
    state = draw_state(network)
    state[0][0][0, 2] = number
    assert Int8Stepper(network, state).step([1]).isnan().all()
