"""One token at a time against the network over whole windows."""

import pytest
import torch
from torch.testing import assert_close

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.nn import kernels, matmul, step_gates
from rnnlm_cli.nn import stepper as stepper_module
from rnnlm_cli.nn.cells import CELLS
from rnnlm_cli.nn.matmul import Products, supports_bfloat16
from rnnlm_cli.nn.step_gates import MatrixProduct, PackedVectorProduct, make_matmul
from rnnlm_cli.nn.stepper import Stepper

T, V = 6, 7


@pytest.fixture(autouse=True)
def in_float64(float64):
    torch.manual_seed(5)


def make_network_with_biases(make_network, **settings):
    """Make a network with biases that are not zero."""
    network = make_network(**settings)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) / 4)
    return network


def make_random_state(network, num_samples):
    """Return a hidden state that is different in every row, layer and tensor."""
    return tuple(
        tuple(torch.randn_like(part) for part in layer)
        for layer in network.initial_state(num_samples)
    )


def step_all(stepper, inputs, resets=None):
    """Read a window, one token of each sample at a time. Returns the logits, (T, B, V)."""
    steps = zip(inputs.tolist(), [None] * T if resets is None else resets.tolist(), strict=True)
    # With one sample, the next step overwrites the logits.
    return torch.stack([stepper.step(tokens, reset).clone() for tokens, reset in steps])


@pytest.fixture(params=[1 << 24, 0], ids=["table", "no table"])
def table(request, monkeypatch):
    monkeypatch.setattr(stepper_module, "MAX_TABLE_SIZE", request.param)


@pytest.mark.parametrize("num_samples", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_steps_with_resets_equal_the_window(make_network, table, cell, num_samples):
    network = make_network_with_biases(make_network, cell=cell)
    inputs = torch.randint(V, (T, num_samples))
    resets = torch.zeros(T, num_samples, dtype=torch.bool)
    resets[2] = True
    resets[4, 0] = True
    first = make_random_state(network, num_samples)
    expected, _ = network(inputs, first, resets)
    assert_close(step_all(Stepper(network, first), inputs, resets), expected)


@pytest.mark.parametrize(("num_samples", "selected"), [(1, [0]), (1, [0, 0]), (3, [2]),
                                                       (3, [2, 0, 0]), (3, [1, 0, 2, 1])])
@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_selected_samples_continue_from_their_hidden_state(
    make_network, cell, num_samples, selected
):
    network = make_network_with_biases(make_network, cell=cell)
    inputs, later = torch.randint(V, (T, num_samples)), torch.randint(V, (T, len(selected)))
    first = make_random_state(network, num_samples)
    _, state = network(inputs, first)
    expected_state = tuple(tuple(part[selected] for part in layer) for layer in state)
    expected, _ = network(later, expected_state)
    stepper = Stepper(network, first)
    step_all(stepper, inputs)
    chosen = stepper.select(selected)
    step_all(stepper, inputs)  # what is selected is a copy
    assert_close(chosen, expected_state)
    assert_close(step_all(Stepper(network, chosen), later), expected)
    if len(selected) == num_samples:
        stepper.replace_state(chosen)
        assert_close(step_all(stepper, later), expected)
        assert_close(chosen, expected_state)  # it is copied, and later steps do not change it


@pytest.fixture
def no_thresholds(monkeypatch):
    """Make matrices of any size large enough for oneDNN, and the processor an AMD."""
    if not kernels.has_onednn():
        pytest.skip("this PyTorch has no oneDNN")
    monkeypatch.setattr(kernels, "CAPABILITIES", kernels.CAPABILITIES | {"sse4a": True})
    for module, name in ((matmul, "MIN_ONEDNN_VECTOR"), (step_gates, "MIN_BFLOAT16_VECTOR"),
                         (matmul, "MIN_ONEDNN_WORK"), (matmul, "MIN_BFLOAT16_WORK")):
        monkeypatch.setattr(module, name, 1)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("num_samples", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_steps_by_packed_products_equal_the_window(
    make_network, table, no_thresholds, cell, num_samples, precision
):
    if precision == "bfloat16" and not supports_bfloat16(torch.device("cpu")):
        pytest.skip("this processor has no instructions for bfloat16")
    products = Products(precision)
    network = make_network_with_biases(make_network, cell=cell)
    inputs = torch.randint(V, (T, num_samples))
    first = make_random_state(network, num_samples)
    expected, _ = network(inputs, first)
    first = tuple(tuple(part.float() for part in layer) for layer in first)
    logits = step_all(Stepper(network.float(), first, products), inputs)
    assert logits.dtype == torch.float32
    # The expected logits are those of float64. bfloat16 has 8 bits, and both operands of each
    # product are rounded to it.
    tolerance = {"float32": 1e-5, "bfloat16": 0.05}[precision]
    assert_close(logits.double(), expected, rtol=tolerance, atol=tolerance)
    if precision == "bfloat16":  # small products are not rounded, and these were
        assert (logits.double() - expected).abs().max() > 1e-4


def test_a_large_matrix_is_packed_for_one_sample_only(no_thresholds):
    blocks = [torch.randn(5, 4, dtype=torch.float32), torch.randn(5, 1, dtype=torch.float32)]
    assert isinstance(make_matmul(blocks, 1, Products()), PackedVectorProduct)
    assert isinstance(make_matmul(blocks, 3, Products()), MatrixProduct)


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


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@torch.no_grad()
def test_compiled_states_of_many_rows_equal_the_window(make_network, monkeypatch, table, cell):
    """In float32: the compiled tanh and sigmoid differ from PyTorch's in the last digits."""
    pytest.importorskip("numba", reason="numba, the extra fast, compiles these states")
    monkeypatch.setattr("rnnlm_cli.nn.step_updates.MIN_COMPILED_SIZE", 1)
    network = make_network(cell=cell).float()
    for parameter in network.parameters():
        parameter.add_(torch.randn_like(parameter) / 4)
    inputs, resets = torch.randint(V, (T, 3)), torch.zeros(T, 3, dtype=torch.bool)
    resets[2], resets[4, 0] = True, True
    first = tuple(
        tuple(torch.randn_like(part) for part in layer) for layer in network.initial_state(3)
    )
    expected, _ = network(inputs, first, resets)
    stepper = Stepper(network, first)
    assert all(layer._update is not None for layer in stepper._layers)
    stepped = [
        stepper.step(inputs[t].tolist(), resets[t].tolist() if resets[t].any() else None).clone()
        for t in range(T)
    ]
    assert_close(torch.stack(stepped), expected, rtol=1e-4, atol=1e-5)
