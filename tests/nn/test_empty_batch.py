"""B = 0: empty outputs and zero gradients, as torch.nn's modules give."""

import pytest
import torch
from torch.testing import assert_close

from rnnlm_cli.nn import RecurrentLayer
from rnnlm_cli.nn.cells import CELLS

T, E, H = 4, 3, 5


@pytest.mark.parametrize("with_resets", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_a_layer_agrees_with_torch_nn(cell, with_resets, make_torch_module):
    module, layer = make_torch_module(cell, E, H), RecurrentLayer(cell, E, H)
    x = torch.zeros(T, 0, E, requires_grad=True)
    first = tuple(part.requires_grad_() for part in layer.initial_state(0))
    resets = torch.zeros(T, 0, dtype=torch.bool) if with_resets else None
    expected_y, _ = module(x)
    y, after = layer(x, first, resets)
    assert_close(y, expected_y)
    assert_close(after, first)
    expected = torch.autograd.grad(expected_y.sum(), [x, *module.parameters()])
    wanted = [x, *layer.parameters()]
    assert_close(torch.autograd.grad(y.sum(), wanted, retain_graph=True), expected)
    gradients = torch.autograd.grad(sum(part.sum() for part in after), [*first, *wanted])
    assert_close(gradients, (*map(torch.zeros_like, first), *expected))


@pytest.mark.parametrize("cell", CELLS)
def test_a_network_reads_a_batch_without_rows(make_network, cell):
    network = make_network(cell=cell, unknown_trained=False)
    ids = torch.empty(T, 0, dtype=torch.int64)
    logits, after = network(ids, network.initial_state(0))
    assert logits.shape == (T, 0, network.config.vocab_size)
    assert_close(after, network.initial_state(0))
    y, _ = network.read(ids, network.initial_state(0))
    nats = network.compute_surprisal(y.flatten(0, 1), ids.flatten()).view_as(ids)
    assert nats.shape == (T, 0)
    loss, _ = network.compute_loss(ids, ids, network.initial_state(0))
    assert loss.isnan()  # as torch.nn.functional.cross_entropy
    loss.backward()
