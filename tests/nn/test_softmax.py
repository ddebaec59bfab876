"""The output layer in slabs and by samples, against PyTorch's cross-entropy."""

import pytest
import torch
from torch.nn.functional import cross_entropy, linear
from torch.testing import assert_close

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.nn import softmax
from rnnlm_cli.nn.randomness import make_generator
from rnnlm_cli.nn.softmax import ClassSampler, full_loss, sampled_loss, surprisal

M, H, V = 11, 5, 13


@pytest.fixture(autouse=True)
def in_float64(float64):
    torch.manual_seed(5)


@pytest.fixture(params=[(1, 2), (1 << 20, 256)], ids=["slabs of 2", "one slab"])
def slabs(request, monkeypatch):
    monkeypatch.setattr(softmax, "BLOCK_LOGITS", request.param[0])
    monkeypatch.setattr(softmax, "MIN_BLOCK_POSITIONS", request.param[1])


def layer(scale=1.0):
    """y_MH, weight_VH, bias_V and targets that repeat themselves."""
    shapes = ((M, H), (V, H), (V,))
    y, weight, bias = (torch.randn(shape).mul(scale).requires_grad_() for shape in shapes)
    return y, weight, bias, torch.randint(1, V // 2, (M,))


def everything(loss, parameters):
    gradients = torch.autograd.grad(loss * 3, parameters)
    return loss, *(g.to_dense() if g.is_sparse else g for g in gradients)


@pytest.mark.parametrize("unknown", [True, False])
def test_the_full_loss_equals_cross_entropy_in_every_gradient(slabs, unknown):
    *parameters, targets = layer()
    logits = linear(*parameters)
    if not unknown:
        logits = logits.index_fill(1, torch.tensor([UNKNOWN_ID]), -torch.inf)
    expected = everything(cross_entropy(logits, targets), parameters)
    assert_close(everything(full_loss(*parameters, targets, unknown=unknown), parameters), expected)
    nats = surprisal(*parameters, targets, unknown=unknown)
    assert_close(nats, cross_entropy(logits, targets, reduction="none"))


@pytest.mark.parametrize("num_samples", [V, 10 * V])
def test_with_all_classes_drawn_the_sampled_loss_is_the_full_one(slabs, num_samples):
    *parameters, targets = layer()
    draw = ClassSampler(torch.arange(V), num_samples).draw(make_generator(1, "classes", 0))
    assert draw.ids_S.tolist() == list(range(V))
    expected = everything(full_loss(*parameters, targets), parameters)
    assert_close(everything(sampled_loss(*parameters, targets, draw), parameters), expected)


def test_the_sampled_loss_has_the_gradient_of_its_own_formula(slabs):
    """ln(e^t + sum of e^logit / chance over the drawn but t) - t, by autograd."""
    y, weight, bias, targets = layer()
    draw = ClassSampler(torch.arange(V), 6).draw(make_generator(1, "classes", 0))
    logits = linear(y, weight, bias)
    weighed = logits[:, draw.ids_S] - draw.log_chance_S
    weighed = weighed.masked_fill(draw.ids_S == targets[:, None], -torch.inf)
    own = logits.gather(1, targets[:, None])
    by_hand = (torch.cat([own, weighed], dim=1).logsumexp(dim=1) - own[:, 0]).mean()
    expected = everything(by_hand, [y, weight, bias])
    sampled = everything(sampled_loss(y, weight, bias, targets, draw), [y, weight, bias])
    assert_close(sampled, expected, rtol=1e-6, atol=1e-6)  # chances are float32


def test_the_bias_falls_as_more_classes_are_drawn():
    *parameters, targets = layer(scale=1.5)
    full = full_loss(*parameters, targets).item()
    errors = []
    for num_samples in (3, 6, 11):
        sampler = ClassSampler(torch.arange(V), num_samples)
        losses = [
            sampled_loss(*parameters, targets, sampler.draw(draws)).item()
            for draws in (make_generator(1, "classes", step) for step in range(400))
        ]
        errors.append(abs(sum(losses) / len(losses) - full))
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_classes_are_drawn_as_often_as_their_chance_says():
    counts = torch.tensor([0, 900, 500, 40, 30, 20, 10, 5, 1])
    sampler = ClassSampler(counts, 5)
    num_draws, seen, chance = 2000, torch.zeros(len(counts)), torch.ones(len(counts))
    for step in range(num_draws):
        draw = sampler.draw(make_generator(1, "classes", step))
        assert len(draw.ids_S.unique()) == 5
        seen[draw.ids_S] += 1
        chance[draw.ids_S] = draw.log_chance_S.exp().to(chance)
    assert chance.sum().item() == pytest.approx(5)
    assert chance[1] == chance[2] == 1
    ratio = (chance[3] / chance[7]).item()
    assert ratio == pytest.approx((40 / 5) ** 0.75)
    assert_close(seen / num_draws, chance, rtol=0, atol=0.04)  # four standard deviations


def test_an_unknown_token_that_was_not_trained_is_never_drawn():
    for num_samples in (4, V, 2 * V):
        sampler = ClassSampler(torch.full((V,), 7), num_samples, unknown=False)
        draws = [sampler.draw(make_generator(1, "classes", step)).ids_S for step in range(50)]
        assert UNKNOWN_ID not in torch.cat(draws)
        assert len(draws[0]) == min(num_samples, V - 1)


def test_only_rows_used_have_a_gradient():
    y, weight, bias, targets = layer()
    draw = ClassSampler(torch.arange(V), 4).draw(make_generator(1, "classes", 0))
    sampled_loss(y, weight, bias, targets, draw).backward()
    used = set(draw.ids_S.tolist()) | set(targets.tolist())
    assert weight.grad.is_sparse
    assert set(weight.grad.coalesce().indices()[0].tolist()) == used
