"""The output layer: o = softmax(V s), its surprisal, and training on a part of the classes.

T x B x V logits never stand in memory at once: all works through slabs of positions. In training
the gradients are made slab by slab on the way forward, while the logits are still in the cache;
the way back only scales them.

Legend: M positions (T * B), V vocabulary size, H hidden size, S sampled classes, D distinct
targets.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.nn import autograd as by_hand

BLOCK_LOGITS = 1 << 20  # numbers: 4 MiB of float32
MIN_BLOCK_POSITIONS = 256  # of a block in training; fewer cost more


def _slabs(num_positions: int, num_classes: int, least: int) -> Iterator[slice]:
    size = max(BLOCK_LOGITS // num_classes, least)
    return (slice(begin, begin + size) for begin in range(0, num_positions, size))


def logits_of(y_MH: Tensor, weight_VH: Tensor, bias_V: Tensor, *, unknown: bool) -> Tensor:
    """V s + b; without `unknown` that class has no probability."""
    logits_MV = torch.nn.functional.linear(y_MH, weight_VH, bias_V)
    if not unknown:
        logits_MV[..., UNKNOWN_ID] = -math.inf
    return logits_MV


def surprisal(
    y_MH: Tensor, weight_VH: Tensor, bias_V: Tensor, targets_M: Tensor, *, unknown: bool
) -> Tensor:
    """-ln p of every target under the full softmax, (M,), in nats."""
    nats_M = y_MH.new_empty(len(y_MH))
    for slab in _slabs(len(y_MH), len(weight_VH), 1):
        logits = logits_of(y_MH[slab], weight_VH, bias_V, unknown=unknown)
        nats_M[slab] = torch.nn.functional.cross_entropy(
            logits, targets_M[slab], reduction="none"
        )
    return nats_M


class _FullLoss(torch.autograd.Function):
    """Mean surprisal; d logits = softmax - one-hot."""

    @by_hand.forward
    def forward(
        ctx: Any, y_MH: Tensor, weight_VH: Tensor, bias_V: Tensor, targets_M: Tensor, unknown: bool
    ) -> Tensor:
        dy_MH, dweight_VH, dbias_V = (torch.zeros_like(t) for t in (y_MH, weight_VH, bias_V))
        nats = y_MH.new_zeros(())
        for slab in _slabs(len(y_MH), len(weight_VH), MIN_BLOCK_POSITIONS):
            logits = logits_of(y_MH[slab], weight_VH, bias_V, unknown=unknown)
            log_p, target_M1 = torch.log_softmax(logits, dim=1), targets_M[slab, None]
            nats -= log_p.gather(1, target_M1).sum()
            grad = log_p.exp_()
            grad.scatter_add_(1, target_M1, grad.new_full(target_M1.shape, -1))
            torch.mm(grad, weight_VH, out=dy_MH[slab])
            dweight_VH.addmm_(grad.t(), y_MH[slab])
            dbias_V += grad.sum(0)
        ctx.save_for_backward(dy_MH, dweight_VH, dbias_V)
        return nats / len(y_MH)

    @by_hand.backward
    def backward(ctx: Any, dloss: Tensor) -> tuple[Tensor | None, ...]:
        dy_MH, dweight_VH, dbias_V = ctx.saved_tensors
        scale = dloss / len(dy_MH)
        return dy_MH * scale, dweight_VH * scale, dbias_V * scale, None, None


def full_loss(
    y_MH: Tensor, weight_VH: Tensor, bias_V: Tensor, targets_M: Tensor, *, unknown: bool = True
) -> Tensor:
    """Mean -ln p of the targets, in nats, differentiable."""
    loss: Tensor = _FullLoss.apply(  # type: ignore[no-untyped-call]
        y_MH, weight_VH, bias_V, targets_M, unknown
    )
    return loss


class Draw(NamedTuple):
    """Classes drawn for one window: their ids, in order, and ln of the chance of each."""

    ids_S: Tensor
    log_chance_S: Tensor


class ClassSampler:
    """Draws classes without replacement, class c with chance min(1, k * count_c ^ 0.75).

    k makes the expected number the one asked for. The most frequent classes have chance 1 and are
    in every draw, so the estimate of the softmax's sum varies only by the rare ones. Drawn
    systematically (Madow 1949): at u, u + 1, u + 2, ... along the sum of the chances, with one
    random u.

    Args:
        counts_V: how often each class occurs in training.
        num_samples: how many to draw; with V or more, all classes are drawn.
        unknown: whether the unknown token may be drawn.
    """

    def __init__(self, counts_V: Tensor, num_samples: int, *, unknown: bool = True) -> None:
        weights_V = counts_V.double().clamp(min=1) ** 0.75
        if not unknown:
            weights_V[UNKNOWN_ID] = 0
        self._chances_V = _chances(weights_V, num_samples)
        self._sums_V = self._chances_V.cumsum(0)
        self._num_drawn = round(self._sums_V[-1].item())

    def draw(self, generator: torch.Generator) -> Draw:
        """The classes for one window."""
        start = torch.rand((), generator=generator, dtype=torch.float64)
        points_S = torch.arange(self._num_drawn, dtype=torch.float64) + start
        # Rounding may lay the last point beyond the last class.
        points_S = points_S.clamp(max=self._sums_V[-1].item() * (1 - 1e-12))
        ids_S = torch.searchsorted(self._sums_V, points_S, right=True)
        return Draw(ids_S, self._chances_V[ids_S].log().float())


def _chances(weights_V: Tensor, num_samples: int) -> Tensor:
    """min(1, k * weight), with the k that makes them sum to `num_samples`."""
    possible = weights_V > 0
    certain = torch.zeros_like(possible)
    while True:
        left = num_samples - int(certain.sum())
        scaled_V = weights_V * (left / weights_V[~certain].sum().clamp(min=1e-300))
        beyond = (scaled_V >= 1) & possible & ~certain
        if not beyond.any() or left <= 0:
            break
        certain |= beyond
    if left <= 0 or bool((certain == possible).all()):
        return possible.double()
    return torch.where(certain, torch.ones_like(scaled_V), scaled_V)


class _SampledLoss(torch.autograd.Function):
    """The same over each position's target and the drawn classes, weighed by 1 / chance."""

    @by_hand.forward
    def forward(
        ctx: Any, y_MH: Tensor, weight_SH: Tensor, bias_S: Tensor, weight_DH: Tensor,
        bias_D: Tensor, draw: Draw, targets_M: Tensor, where_M: Tensor,
    ) -> Tensor:
        num_samples = len(weight_SH)
        dy_MH, dweight_SH, dbias_S = (torch.zeros_like(t) for t in (y_MH, weight_SH, bias_S))
        dweight_DH, dbias_D = torch.zeros_like(weight_DH), torch.zeros_like(bias_D)
        nats = y_MH.new_zeros(())
        offset_S = bias_S - draw.log_chance_S.to(bias_S)
        for slab in _slabs(len(y_MH), num_samples + 1, MIN_BLOCK_POSITIONS):
            y, where = y_MH[slab], where_M[slab]
            weight_of_target = weight_DH[where]
            logits = y.new_empty(len(y), num_samples + 1)  # the target's own stands last
            torch.addmm(offset_S, y, weight_SH.t(), out=logits[:, :-1])
            _mask_targets(logits, draw.ids_S, targets_M[slab])
            logits[:, -1] = (y * weight_of_target).sum(1) + bias_D[where]
            log_p = torch.log_softmax(logits, dim=1)
            nats -= log_p[:, -1].sum()
            grad = log_p.exp_()
            grad_S, grad_target = grad[:, :-1], grad[:, -1:].sub_(1)
            torch.mm(grad_S, weight_SH, out=dy_MH[slab])
            dy_MH[slab].addcmul_(grad_target, weight_of_target)
            dweight_SH.addmm_(grad_S.t(), y)
            dbias_S += grad_S.sum(0)
            dweight_DH.index_add_(0, where, grad_target * y)
            dbias_D.index_add_(0, where, grad_target[:, 0])
        ctx.save_for_backward(dy_MH, dweight_SH, dbias_S, dweight_DH, dbias_D)
        return nats / len(y_MH)

    @by_hand.backward
    def backward(ctx: Any, dloss: Tensor) -> tuple[Tensor | None, ...]:
        scale = dloss / len(ctx.saved_tensors[0])
        return *(gradient * scale for gradient in ctx.saved_tensors), None, None, None


def _mask_targets(logits_MS1: Tensor, ids_S: Tensor, targets_M: Tensor) -> None:
    """Where a position's target was drawn as well, it must not count twice."""
    at_M = torch.searchsorted(ids_S, targets_M).clamp(max=len(ids_S) - 1)
    (hits,) = (ids_S[at_M] == targets_M).nonzero(as_tuple=True)
    logits_MS1[hits, at_M[hits]] = -math.inf


def sampled_loss(
    y_MH: Tensor, weight_VH: Tensor, bias_V: Tensor, targets_M: Tensor, draw: Draw
) -> Tensor:
    """An estimate of `full_loss` over a part of the classes (Bengio & Senecal 2008).

    The softmax's sum is each position's target plus the drawn classes, each divided by its chance
    (Horvitz & Thompson 1952), which makes the sum unbiased and the loss biased by an amount that
    falls as more are drawn; with all of them it is the full one.

    Note: the gradient of the weights is sparse: only rows used have one.
    """
    distinct_D, where_M = torch.unique(targets_M, return_inverse=True)

    def rows(ids: Tensor) -> Tensor:
        return torch.nn.functional.embedding(ids, weight_VH, sparse=True)

    loss: Tensor = _SampledLoss.apply(  # type: ignore[no-untyped-call]
        y_MH, rows(draw.ids_S), bias_V[draw.ids_S], rows(distinct_D), bias_V[distinct_D],
        draw, targets_M, where_M,
    )
    return loss
