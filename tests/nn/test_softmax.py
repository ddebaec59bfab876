"""The output layer, in blocks and with samples of classes, against PyTorch's cross-entropy."""

import pytest
import torch
from torch.nn.functional import cross_entropy, linear
from torch.testing import assert_close

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.nn import softmax
from rnnlm_cli.nn.randomness import make_generator
from rnnlm_cli.nn.softmax import (
    ClassSampler,
    compute_full_loss,
    compute_sampled_loss,
    compute_surprisal,
)

M, H, V = 11, 5, 13


@pytest.fixture(autouse=True)
def in_float64(float64):
    torch.manual_seed(5)


@pytest.fixture(params=[2, 256], ids=["blocks of 2", "one block"])
def blocks(request, monkeypatch):
    monkeypatch.setattr(softmax, "BLOCK_LOGITS", 1)
    monkeypatch.setattr(softmax, "MIN_BLOCK_POSITIONS", request.param)
    monkeypatch.setattr(softmax, "SCORING_BLOCK_LOGITS", request.param * V)


def make_output_layer(scale=1.0):
    """Return y_MH, weight_VH, bias_V and targets, some of which are equal."""
    shapes = ((M, H), (V, H), (V,))
    y, weight, bias = (torch.randn(shape).mul(scale).requires_grad_() for shape in shapes)
    return y, weight, bias, torch.randint(1, V // 2, (M,))


def compute_gradients(loss, parameters):
    """Return the loss and three times its gradients, dense."""
    gradients = torch.autograd.grad(loss * 3, parameters)
    return loss, *(g.to_dense() if g.is_sparse else g for g in gradients)


@pytest.mark.parametrize("unknown_trained", [True, False])
def test_the_full_loss_equals_cross_entropy_in_every_gradient(blocks, unknown_trained):
    *parameters, targets = make_output_layer()
    logits = linear(*parameters)
    if not unknown_trained:
        logits = logits.index_fill(1, torch.tensor([UNKNOWN_ID]), -torch.inf)
    expected = compute_gradients(cross_entropy(logits, targets), parameters)
    loss = compute_full_loss(*parameters, targets, unknown_trained=unknown_trained)
    assert_close(compute_gradients(loss, parameters), expected)
    nats = compute_surprisal(*parameters, targets, unknown_trained=unknown_trained)
    assert_close(nats, cross_entropy(logits, targets, reduction="none"))


@pytest.mark.parametrize("num_samples", [V, 10 * V])
def test_with_all_classes_drawn_the_sampled_loss_is_the_full_one(blocks, num_samples):
    *parameters, targets = make_output_layer()
    sample = ClassSampler(torch.arange(V), num_samples).draw(make_generator(1, "classes", 0))
    assert sample.ids_S.tolist() == list(range(V))
    expected = compute_gradients(compute_full_loss(*parameters, targets), parameters)
    loss = compute_sampled_loss(*parameters, targets, sample)
    assert_close(compute_gradients(loss, parameters), expected)


def test_the_sampled_loss_has_the_gradient_of_its_own_formula(blocks):
    """ln(e^t + sum of e^logit / probability over the sample without t) - t, by autograd."""
    y, weight, bias, targets = make_output_layer()
    sample = ClassSampler(torch.arange(V), 6).draw(make_generator(1, "classes", 0))
    logits = linear(y, weight, bias)
    weighted = logits[:, sample.ids_S] - sample.log_probability_S
    weighted = weighted.masked_fill(sample.ids_S == targets[:, None], -torch.inf)
    own = logits.gather(1, targets[:, None])
    written_out = (torch.cat([own, weighted], dim=1).logsumexp(dim=1) - own[:, 0]).mean()
    expected = compute_gradients(written_out, [y, weight, bias])
    loss = compute_sampled_loss(y, weight, bias, targets, sample)
    actual = compute_gradients(loss, [y, weight, bias])
    assert_close(actual, expected, rtol=1e-6, atol=1e-6)  # probabilities are float32


def test_the_bias_falls_as_more_classes_are_drawn():
    *parameters, targets = make_output_layer(scale=1.5)
    full = compute_full_loss(*parameters, targets).item()
    errors = []
    for num_samples in (3, 6, 11):
        sampler = ClassSampler(torch.arange(V), num_samples)
        losses = [
            compute_sampled_loss(*parameters, targets, sampler.draw(generator)).item()
            for generator in (make_generator(1, "classes", step) for step in range(400))
        ]
        errors.append(abs(sum(losses) / len(losses) - full))
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_classes_are_drawn_as_often_as_their_probability_says():
    counts = torch.tensor([0, 900, 500, 40, 30, 20, 10, 5, 1])
    sampler = ClassSampler(counts, 5)
    num_draws, seen, probability = 2000, torch.zeros(len(counts)), torch.ones(len(counts))
    for step in range(num_draws):
        sample = sampler.draw(make_generator(1, "classes", step))
        assert len(sample.ids_S.unique()) == 5
        seen[sample.ids_S] += 1
        probability[sample.ids_S] = sample.log_probability_S.exp().to(probability)
    assert probability.sum().item() == pytest.approx(5)
    assert probability[1] == probability[2] == 1
    ratio = (probability[3] / probability[7]).item()
    assert ratio == pytest.approx((40 / 5) ** 0.75)
    assert_close(seen / num_draws, probability, rtol=0, atol=0.04)  # four standard deviations


def test_an_unknown_token_that_was_not_trained_is_never_drawn():
    for num_samples in (4, V, 2 * V):
        sampler = ClassSampler(torch.full((V,), 7), num_samples, unknown_trained=False)
        samples = [sampler.draw(make_generator(1, "classes", step)).ids_S for step in range(50)]
        assert UNKNOWN_ID not in torch.cat(samples)
        assert len(samples[0]) == min(num_samples, V - 1)


def test_only_the_rows_that_are_used_have_a_gradient():
    y, weight, bias, targets = make_output_layer()
    sample = ClassSampler(torch.arange(V), 4).draw(make_generator(1, "classes", 0))
    compute_sampled_loss(y, weight, bias, targets, sample).backward()
    used = set(sample.ids_S.tolist()) | set(targets.tolist())
    assert weight.grad.is_sparse
    assert set(weight.grad.coalesce().indices()[0].tolist()) == used
