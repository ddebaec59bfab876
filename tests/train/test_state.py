"""The training state: the best weights, and what counts as divergence."""

import math

import pytest
import torch

from rnnlm_cli.train.state import MAX_FIRST_LOSS, TrainState, copy_tensors


def test_the_weights_of_the_lowest_validation_loss_are_kept(make_network):
    """Losses that rise after the second: the weights of the second are kept."""
    network = make_network()
    state, seen = TrainState(network.initial_state(1)), []
    for step, nats in enumerate([3.0, 2.0, 2.5, math.nan, 2.6], 1):
        with torch.no_grad():
            network.embedding.add_(1)
        state.step = step
        seen.append(copy_tensors(network.state_dict()))
        assert state.record_validation(nats, network) == (step <= 2)
    assert (state.best_nats, state.best_step, state.validations_since_best) == (2.0, 2, 3)
    assert torch.equal(state.best_weights["embedding"], seen[1]["embedding"])


def test_a_loss_has_diverged_half_way_between_the_best_and_a_uniform_guess():
    state, uniform = TrainState(()), math.log(100)
    assert not state.has_diverged(uniform + MAX_FIRST_LOSS, uniform)  # unexpected tokens
    assert state.has_diverged(uniform + MAX_FIRST_LOSS + 0.1, uniform)
    assert state.has_diverged(math.nan, uniform)
    state.best_nats = 2.0
    assert not state.has_diverged((2.0 + uniform) / 2 - 0.01, uniform)
    assert state.has_diverged((2.0 + uniform) / 2 + 0.01, uniform)
    assert state.has_diverged(math.nan, uniform)


def test_a_small_rise_near_a_uniform_guess_is_no_divergence():
    state = TrainState((), best_nats=4.6)
    assert not state.has_diverged(5.09, uniform_nats=4.7)
    assert state.has_diverged(5.11, uniform_nats=4.7)


@pytest.mark.parametrize("missing", ["position", "step", "validations_since_best"])
def test_numbers_that_are_missing_are_refused(missing):
    data = TrainState(()).to_dict()
    del data[missing]
    with pytest.raises(KeyError):
        TrainState.from_dict(data, (), {})
