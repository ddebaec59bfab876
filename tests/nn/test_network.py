"""The network around the recurrence."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, embedding, linear
from torch.testing import assert_close

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.nn.dropout import DropoutSource, apply_token_dropout
from rnnlm_cli.nn.network import find_distinct_inputs

T, B, V = 3, 2, 7


@pytest.fixture(autouse=True)
def in_float64(float64):
    torch.manual_seed(5)


def test_logits_equal_a_network_of_torch_modules(make_network):
    network = make_network(cell="gru")
    embedding = torch.nn.Embedding(V, 4, _weight=network.embedding.detach())
    oracle = torch.nn.GRU(4, 5, 2)
    for index, layer in enumerate(network.layers):
        for name, parameter in layer.named_parameters():
            getattr(oracle, f"{name}_l{index}").data.copy_(parameter.data)
    inputs = torch.randint(V, (T, B))
    expected_y, _ = oracle(embedding(inputs))
    logits, _ = network(inputs, network.initial_state(B))
    assert_close(logits, expected_y @ network.output_weight.T + network.output_bias)


@pytest.mark.parametrize("cell", ["elman_tanh", "elman_relu", "gru", "lstm"])
def test_two_windows_equal_one_sequence(make_network, cell):
    network = make_network(cell=cell)
    inputs = torch.randint(V, (5, B))
    whole, end = network(inputs, network.initial_state(B))
    head, state = network(inputs[:2], network.initial_state(B))
    tail, after = network(inputs[2:], state)
    assert_close(torch.cat([head, tail]), whole)
    assert_close(after, end)


def test_tied_networks_share_one_table(make_network):
    tied = make_network(tied=True, embedding_size=5)
    free = make_network(embedding_size=5)
    assert free.num_parameters - tied.num_parameters == V * 5
    logits, _ = tied(torch.randint(V, (T, B)), tied.initial_state(B))
    logits.sum().backward()
    assert tied.embedding.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("shape", "num_distinct"), [((3, 2), None), ((40, 2), V), ((4, 16), 64)]
)
def test_the_loss_equals_cross_entropy_with_and_without_repeated_inputs(
    make_network, shape, num_distinct
):
    """The shapes: few inputs, more inputs than tokens, more tokens than inputs."""
    vocab_size = V if num_distinct != 64 else 300
    network = make_network(vocab_size=vocab_size)
    inputs, targets = torch.randint(vocab_size, shape), torch.randint(vocab_size, shape)
    distinct, indices = find_distinct_inputs(inputs, vocab_size)
    if indices is None:
        assert num_distinct is None and distinct is inputs
    else:
        assert torch.equal(distinct[indices], inputs) and len(distinct) <= num_distinct
    state = network.initial_state(shape[1])
    x = embedding(inputs, network.embedding)
    for layer in network.recurrent_layers:
        x, _ = layer(x, layer.initial_state(shape[1]))
    logits = linear(x, network.output_weight, network.output_bias)
    nats = cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    parameters = list(network.parameters())
    expected = torch.autograd.grad(nats.mean(), parameters, retain_graph=True)
    loss, _ = network.compute_loss(inputs, targets, state)
    assert_close(loss, nats.mean())
    assert_close(torch.autograd.grad(loss, parameters), expected)
    y, _ = network.read(inputs, state)
    assert_close(network.compute_surprisal(y.flatten(0, 1), targets.flatten()), nats)
    assert_close(network(inputs, state)[0], logits)


def test_an_unknown_token_that_was_not_trained_has_no_probability_and_the_mean_input(make_network):
    network = make_network(unknown_trained=False)
    inputs = torch.tensor([[UNKNOWN_ID, 2]])
    with torch.no_grad():
        logits, _ = network(inputs, network.initial_state(2))
        assert (logits[..., UNKNOWN_ID] == -math.inf).all()
        network.embedding[2] = network.embedding[1:].mean(dim=0)
        moved = network.embedding[1:].mean(dim=0) - network.embedding[2]
        network.embedding[3] -= (V - 1) * moved  # bring the mean back to row 2
        logits, _ = network(inputs, network.initial_state(2))
    assert_close(logits[0, 0], logits[0, 1])


def test_a_trained_unknown_token_has_a_finite_logit(make_network):
    network = make_network(unknown_trained=True)
    logits, _ = network(torch.tensor([[UNKNOWN_ID]]), network.initial_state(1))
    assert logits.isfinite().all()


def test_dropout_depends_on_its_source_only(make_network):
    network = make_network(dropout=0.4)
    inputs, state = torch.randint(V, (T, B)), network.initial_state(B)

    def run(step):
        return network(inputs, state, dropout=DropoutSource(1, step))[0]

    assert_close(run(3), run(3), rtol=0, atol=0)
    assert not torch.equal(run(3), run(4))
    plain, _ = network(inputs, state)
    assert_close(plain, make_network()(inputs, state)[0], rtol=0, atol=0)


def test_dropout_applies_to_the_input_of_every_layer_and_of_the_output_layer(make_network):
    network, source = make_network(dropout=0.4), DropoutSource(1, 0)
    inputs = torch.randint(V, (T, B))
    x = embedding(inputs, network.embedding)
    x = apply_token_dropout(x, inputs, 0.4, source)
    for place, layer in enumerate(network.recurrent_layers):
        y, _ = layer(x, layer.initial_state(B))
        x = y * (source.draw_uniform(place, y.shape) >= 0.4) / 0.6
    expected = linear(x, network.output_weight, network.output_bias)
    assert_close(network(inputs, network.initial_state(B), dropout=source)[0], expected)


def test_all_occurrences_of_a_token_in_a_window_have_the_same_dropout_mask(make_network):
    network, num_rows = make_network(dropout=0.4, hidden_size=40, embedding_size=30), 70
    _, after = network(
        torch.full((1, num_rows), 3), network.initial_state(num_rows), dropout=DropoutSource(1, 0)
    )
    hidden = after[0][0]  # of the first layer: only the mask of the embedding acts on it
    assert_close(hidden, hidden[:1].expand_as(hidden))


def test_a_network_on_the_meta_device_has_the_same_shapes(make_network):
    with torch.device("meta"):
        on_meta = make_network()
    assert {n: p.shape for n, p in on_meta.named_parameters()} == {
        n: p.shape for n, p in make_network().named_parameters()
    }
