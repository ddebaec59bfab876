"""One training step, and rollback."""

import math

import numpy as np
import pytest
import torch

from rnnlm_cli.config import TrainConfig
from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.nn.softmax import ClassSampler
from rnnlm_cli.train.learner import Learner
from rnnlm_cli.train.rollback import ROLLBACK_CLIP, clip_norm, roll_back
from rnnlm_cli.train.state import TrainState, copy_tensors
from rnnlm_cli.train.step import train_step
from rnnlm_cli.windows import TrainingRows


def make_learner(network, size=64, batch_size=2, classes=None, **settings):
    tokens_N = np.arange(size, dtype=np.int32) % 7
    config = TrainConfig(batch_size=batch_size, bptt=4, **settings)
    rows = TrainingRows(tokens_N, batch_size=batch_size, bptt=4, sentences=False, seed=1)
    learner = Learner(network, rows, classes, config, [])
    learner.reset_optimizers()
    state = TrainState(network.initial_state(batch_size), copy_tensors(network.state_dict()))
    return learner, state


def test_a_divergent_step_changes_nothing_and_every_rollback_lowers_the_learning_rate(
    make_network,
):
    network = make_network()
    learner, state = make_learner(network)
    before = network.embedding.detach().clone()
    for scale in (1 / 2, 1 / 8, 1 / 64, 1 / 1024, 1 / 32768):
        with torch.no_grad():
            network.output_bias[3] = math.nan
        assert not train_step(learner, state, 0.1, None)
        roll_back(learner, state)
        assert torch.equal(network.embedding, before) and network.output_bias.isfinite().all()
        assert state.lr_scale == scale
    with pytest.raises(RnnlmError, match="diverged 6 times"):
        roll_back(learner, state)
    assert train_step(learner, state, 0.1, None) and not torch.equal(network.embedding, before)


def test_gradients_are_clipped_after_a_rollback_even_if_they_were_not_before(make_network):
    learner, state = make_learner(make_network(), clip=None)
    assert clip_norm(learner, state) is None
    roll_back(learner, state)
    assert clip_norm(learner, state) == ROLLBACK_CLIP
    learner, state = make_learner(make_network(), clip=0.25)
    assert clip_norm(learner, state) == 0.25


@pytest.mark.parametrize("lr", [1.0, 0.25])
def test_a_clipped_step_is_as_long_as_the_norm_times_the_learning_rate(make_network, lr):
    """With plain SGD, which does not rescale the gradient."""
    network = make_network()
    learner, state = make_learner(network, optimizer="sgd", weight_decay=0.0)
    before = torch.nn.utils.parameters_to_vector(network.parameters()).detach()
    train_step(learner, state, lr, 0.01)
    after = torch.nn.utils.parameters_to_vector(network.parameters()).detach()
    assert (after - before).norm().item() == pytest.approx(0.01 * lr, rel=1e-3)


def test_accumulated_windows_give_the_mean_of_their_gradients(make_network, float64):
    network = make_network()
    whole, state = make_learner(network, size=200, optimizer="sgd", weight_decay=0.0)
    gradients = []
    for _ in range(3):
        assert train_step(whole, state, 0.0, None)
        gradients.append([p.grad.clone() for p in network.parameters()])
    parts, state = make_learner(network, size=200, optimizer="sgd", weight_decay=0.0, accumulate=3)
    assert train_step(parts, state, 0.0, None)
    for parameter, *each in zip(network.parameters(), *gradients, strict=True):
        torch.testing.assert_close(parameter.grad, sum(each) / 3)
    assert state.step == 1 and state.position.window == 3


@pytest.fixture
def set_threads():
    """A function that sets the number of PyTorch's threads for the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("sampled", [False, True])
def test_threads_share_a_window_without_changing_loss_gradient_or_state(
    make_network, float64, set_threads, sampled
):
    """With dropout, whose masks depend on the row and not on the thread."""
    results = []
    for num_threads in (1, 3):
        set_threads(num_threads)
        network = make_network(dropout=0.3)
        classes = ClassSampler(torch.arange(1, 8), 4) if sampled else None
        learner, state = make_learner(network, size=200, batch_size=13, classes=classes)
        for _ in range(3):
            assert train_step(learner, state, 0.1, 1.0)
        gradients = [
            p.grad.to_dense() if p.grad.is_sparse else p.grad for p in network.parameters()
        ]
        results.append([
            torch.tensor(state.loss), *gradients, *network.parameters(),
            *(part for layer in state.network_state for part in layer),
        ])
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("num_threads", [1, 2])
def test_the_same_seed_gives_the_same_weights_bit_for_bit(make_network, set_threads, num_threads):
    set_threads(num_threads)
    weights = []
    for _ in range(2):
        learner, state = make_learner(make_network(dropout=0.3), size=200, batch_size=13)
        for _ in range(5):
            train_step(learner, state, 0.1, 1.0)
        weights.append(copy_tensors(learner.network.state_dict()))
    assert all(tensor.equal(weights[1][name]) for name, tensor in weights[0].items())
