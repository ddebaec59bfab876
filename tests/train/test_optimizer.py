"""Steps of whole parameters and of rows of tables, against PyTorch's AdamW and SGD."""

import math

import pytest
import torch
from torch.testing import assert_close

from rnnlm_cli.config import TrainConfig
from rnnlm_cli.nn.randomness import make_generator
from rnnlm_cli.nn.softmax import ClassSampler
from rnnlm_cli.train.optimizer import (
    SGD,
    DenseAdamW,
    RowAdamW,
    clip_gradients,
    make_optimizers,
)

R, E = 6, 3
RATE, DECAY = 0.1, 0.2


@pytest.fixture(autouse=True)
def in_float64(float64):
    torch.manual_seed(5)


def sparse(rows, values):
    return torch.sparse_coo_tensor(torch.tensor([rows]), values, (R, E), check_invariants=True)


def test_dense_parameters_are_stepped_as_pytorch_steps_them():
    ours = [torch.randn(R, E, requires_grad=True), torch.randn(E, requires_grad=True)]
    theirs = [parameter.detach().clone().requires_grad_() for parameter in ours]
    optimizer = DenseAdamW(ours[:1], ours[1:], DECAY)
    oracle = torch.optim.AdamW(
        [{"params": theirs[:1], "weight_decay": DECAY}, {"params": theirs[1:], "weight_decay": 0}]
    )
    for step in range(4):
        for group in oracle.param_groups:
            group["lr"] = RATE / (step + 1)
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.clone()
        optimizer.step(RATE / (step + 1))
        oracle.step()
    assert_close(ours, theirs)


TOUCHED = ([0, 3], [3], [1, 3, 0], [2], [0, 1, 2, 3, 4, 5])


@pytest.mark.parametrize(("adaptive", "decay", "falling"), [
    (True, DECAY, False), (True, 0.0, True), (False, 0.0, True),
])
def test_rows_are_stepped_as_pytorch_steps_a_dense_table(adaptive, decay, falling):
    """The decay that a row misses while it has no gradient is applied when it is touched again.

    The learning rate may change, except where weight decay is missed.
    """
    table = torch.randn(R, E, requires_grad=True)
    dense = table.detach().clone().requires_grad_()
    if adaptive:
        optimizer = RowAdamW([table], decay)
        oracle = torch.optim.AdamW([dense], lr=RATE, betas=(0.0, 0.999), weight_decay=decay)
    else:
        optimizer = SGD([table], [], 0.0)
        oracle = torch.optim.SGD([dense], lr=RATE)
    for step, touched in enumerate(TOUCHED):
        gradient = torch.randn(len(touched), E)
        # Uncoalesced, as a table at both ends of a network has it: halves that meet.
        table.grad = sparse(touched + touched, torch.cat([gradient, gradient]) / 2)
        dense.grad = table.grad.to_dense()
        oracle.param_groups[0]["lr"] = RATE / (step + 1) if falling else RATE
        optimizer.step(oracle.param_groups[0]["lr"])
        oracle.step()
    assert_close(table, dense)


def test_missed_weight_decay_uses_the_learning_rate_of_the_step_that_touches_the_row():
    table = torch.ones(R, E, requires_grad=True)
    optimizer = RowAdamW([table], DECAY)
    rates = [RATE / (step + 1) for step in range(9)]
    for step, lr in enumerate(rates):
        touched = [0] + [1] * (step in (2, 7)) + [2] * (step == 2)
        table.grad = sparse(touched, torch.zeros(len(touched), E))
        optimizer.step(lr)
    every_step = math.prod(1 - lr * DECAY for lr in rates)
    third, eighth = 1 - rates[2] * DECAY, 1 - rates[7] * DECAY
    expected = torch.tensor([every_step, third**3 * eighth**5, third**3, 1, 1, 1])
    assert_close(table.detach(), expected[:, None].expand(R, E))


def test_rows_of_plain_descent_decay_where_they_are_touched():
    table = torch.ones(R, E, requires_grad=True)
    table.grad = sparse([4], torch.full((1, E), 0.5))
    SGD([table], [], DECAY).step(RATE)
    assert_close(table[4].detach(), torch.full((E,), 1 - RATE * (0.5 + DECAY)))
    assert_close(table[3].detach(), torch.ones(E))


@pytest.mark.parametrize("tied", [True, False])
def test_the_clipped_gradient_has_the_norm_asked_for_sparse_parts_included(make_network, tied):
    network = make_network(tied=tied, embedding_size=5)
    inputs = torch.randint(7, (9, 2))
    draw = ClassSampler(torch.ones(7), 3).draw(make_generator(1, "classes", 0))
    loss, _ = network.compute_loss(inputs, inputs, network.initial_state(2), sample=draw)
    loss.backward()

    def flat():
        return torch.cat([p.grad.to_dense().flatten() for p in network.parameters()])

    before = flat()
    assert clip_gradients(network, None) == pytest.approx(before.norm().item())
    assert_close(flat(), before)
    assert clip_gradients(network, 1e-3) == pytest.approx(before.norm().item())
    assert_close(flat(), before * 1e-3 / before.norm())
    assert clip_gradients(network, 1.0) == pytest.approx(1e-3)
    network.output_bias.grad[0] = math.nan
    assert math.isnan(clip_gradients(network, 1.0))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("tables_sparse", [True, False])
def test_every_parameter_is_stepped_once_and_biases_do_not_decay(
    make_network, optimizer, tables_sparse
):
    network = make_network(tied=True, embedding_size=5)
    config = TrainConfig(optimizer=optimizer, weight_decay=0.5)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    if tables_sparse:
        every_row = torch.arange(len(network.embedding))[None]
        network.embedding.grad = torch.sparse_coo_tensor(
            every_row, network.embedding.grad, check_invariants=True
        )
    for each in make_optimizers(network, config, sparse=tables_sparse):
        each.step(0.1)
    for parameter, old in zip(network.parameters(), before, strict=True):
        decay = 1 if parameter.dim() == 1 else 1 - 0.1 * 0.5
        assert_close(parameter.detach(), old * decay)
