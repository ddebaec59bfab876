"""The output layer: o = softmax(V s), its surprisal, and training on a sample of the classes.

The (T, B, V) logits are never materialised: positions are processed in blocks. In training, the
forward pass also computes the gradients, block by block, while the logits are still in the cache.
The backward pass only scales them.

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
from rnnlm_cli.nn.matmul import FLOAT32, Products

BLOCK_LOGITS = 1 << 20  # elements: 4 MiB of float32
MIN_BLOCK_POSITIONS = 256  # in training; smaller blocks are slower
SCORING_BLOCK_LOGITS = 1 << 21  # of any number of positions, so that memory has a bound


def split_positions(
    num_positions: int, num_classes: int, block_logits: int, *, min_size: int = 1
) -> Iterator[slice]:
    """Split positions into blocks with at most `block_logits` logits, or of the minimum size."""
    size = max(block_logits // num_classes, min_size)
    return (slice(begin, begin + size) for begin in range(0, num_positions, size))


def compute_logits(
    y_MH: Tensor, weight_VH: Tensor, bias_V: Tensor, *, unknown_trained: bool
) -> Tensor:
    """Return V s + b, differentiably.

    Args:
        unknown_trained: if false, <unk> has no probability: its logit is minus infinity.
    """
    logits_MV = torch.nn.functional.linear(y_MH, weight_VH, bias_V)
    return _mask_unknown(logits_MV, unknown_trained=unknown_trained)


def _mask_unknown(logits_MV: Tensor, *, unknown_trained: bool) -> Tensor:
    """Set the logit of <unk> to minus infinity, in place, if it was not trained."""
    if not unknown_trained:
        logits_MV[..., UNKNOWN_ID] = -math.inf
    return logits_MV


def compute_surprisal(
    y_MH: Tensor, weight_VH: Tensor, bias_V: Tensor, targets_M: Tensor, *, unknown_trained: bool,
    products: Products = FLOAT32,
) -> Tensor:
    """Return -ln p of every target under the full softmax, (M,), in nats."""
    nats_M, weight_VH = y_MH.new_empty(len(y_MH)), products.round(weight_VH)
    for block in split_positions(len(y_MH), len(weight_VH), SCORING_BLOCK_LOGITS):
        logits = products.linear(y_MH[block], weight_VH, bias_V)
        _mask_unknown(logits, unknown_trained=unknown_trained)
        nats_M[block] = torch.nn.functional.cross_entropy(
            logits, targets_M[block], reduction="none"
        )
    return nats_M


def compute_log_p(
    y_MH: Tensor, weight_VH: Tensor, bias_V: Tensor, *, unknown_trained: bool,
    products: Products = FLOAT32,
) -> Tensor:
    """Return ln p of every token under the full softmax, (M, V)."""
    logits_MV = products.linear(y_MH, weight_VH, bias_V)
    return _mask_unknown(logits_MV, unknown_trained=unknown_trained).log_softmax(dim=1)


class _FullLoss(torch.autograd.Function):
    """The mean surprisal. The gradient of the logits is softmax - one-hot."""

    @by_hand.forward
    def forward(
        ctx: Any, y_MH: Tensor, weight_VH: Tensor, bias_V: Tensor, targets_M: Tensor,
        unknown_trained: bool, products: Products,
    ) -> Tensor:
        dy_MH, dweight_VH, dbias_V = (torch.zeros_like(t) for t in (y_MH, weight_VH, bias_V))
        nats, weight_VH = y_MH.new_zeros(()), products.round(weight_VH)
        for block in split_positions(
            len(y_MH), len(weight_VH), BLOCK_LOGITS, min_size=MIN_BLOCK_POSITIONS
        ):
            logits = products.linear(y_MH[block], weight_VH, bias_V)
            _mask_unknown(logits, unknown_trained=unknown_trained)
            log_p, target_M1 = torch.log_softmax(logits, dim=1), targets_M[block, None]
            nats -= log_p.gather(1, target_M1).sum()
            grad = log_p.exp_()
            grad.scatter_add_(1, target_M1, grad.new_full(target_M1.shape, -1))
            dy_MH[block] = products.multiply(grad, weight_VH)
            products.add_outer(dweight_VH, grad, y_MH[block])
            dbias_V += grad.sum(0)
        ctx.save_for_backward(dy_MH, dweight_VH, dbias_V)
        return nats / len(y_MH)

    @by_hand.backward
    def backward(ctx: Any, dloss: Tensor) -> tuple[Tensor | None, ...]:
        dy_MH, dweight_VH, dbias_V = ctx.saved_tensors
        scale = dloss / len(dy_MH)
        return dy_MH * scale, dweight_VH * scale, dbias_V * scale, None, None, None


def compute_full_loss(
    y_MH: Tensor, weight_VH: Tensor, bias_V: Tensor, targets_M: Tensor, *,
    unknown_trained: bool = True, products: Products = FLOAT32,
) -> Tensor:
    """Return the mean -ln p of the targets under the full softmax, in nats, differentiable."""
    loss: Tensor = _FullLoss.apply(  # type: ignore[no-untyped-call]
        y_MH, weight_VH, bias_V, targets_M, unknown_trained, products
    )
    return loss


class ClassSample(NamedTuple):
    """The classes drawn for one window: their ids, ascending, and ln of each one's probability.

    The probability is that of being in the sample.
    """

    ids_S: Tensor
    log_probability_S: Tensor


class ClassSampler:
    """Draws classes without replacement, class c with probability min(1, k * count_c ^ 0.75).

    k is such that the probabilities sum to the number of samples. The most frequent classes have
    probability 1 and are in every sample, so the estimate of the softmax's sum varies only with
    the rare ones. The drawing is systematic (Madow 1949): it takes the points u, u + 1, u + 2 and
    so on along the cumulative sum of the probabilities, with one random u.

    Args:
        counts_V: the number of occurrences of each class in training.
        num_samples: the number of classes to draw; with V or more, all classes are drawn.
        unknown_trained: if false, the unknown token is never drawn.
    """

    def __init__(
        self, counts_V: Tensor, num_samples: int, *, unknown_trained: bool = True
    ) -> None:
        weights_V = counts_V.double().clamp(min=1) ** 0.75
        if not unknown_trained:
            weights_V[UNKNOWN_ID] = 0
        self._probabilities_V = _compute_probabilities(weights_V, num_samples)
        self._sums_V = self._probabilities_V.cumsum(0)
        self._num_drawn = round(self._sums_V[-1].item())

    def draw(self, generator: torch.Generator) -> ClassSample:
        """Draw the classes for one window."""
        start = torch.rand((), generator=generator, dtype=torch.float64)
        points_S = torch.arange(self._num_drawn, dtype=torch.float64) + start
        # Rounding may place the last point beyond the last class.
        points_S = points_S.clamp(max=self._sums_V[-1].item() * (1 - 1e-12))
        ids_S = torch.searchsorted(self._sums_V, points_S, right=True)
        return ClassSample(ids_S, self._probabilities_V[ids_S].log().float())


def _compute_probabilities(weights_V: Tensor, num_samples: int) -> Tensor:
    """Return min(1, k * weight), with the k for which they sum to `num_samples`."""
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
    """The mean surprisal, where the softmax sums over each position's target and the sample.

    The term of a sampled class is divided by the probability of the class.
    """

    @by_hand.forward
    def forward(
        ctx: Any, y_MH: Tensor, weight_SH: Tensor, bias_S: Tensor, weight_DH: Tensor,
        bias_D: Tensor, ids_S: Tensor, log_probability_S: Tensor, targets_M: Tensor,
        index_M: Tensor, products: Products,
    ) -> Tensor:
        num_samples, rounded_SH = len(weight_SH), products.round(weight_SH)
        dy_MH, dweight_SH, dbias_S = (torch.zeros_like(t) for t in (y_MH, weight_SH, bias_S))
        dweight_DH, dbias_D = torch.zeros_like(weight_DH), torch.zeros_like(bias_D)
        nats = y_MH.new_zeros(())
        offset_S = bias_S - log_probability_S.to(bias_S)
        for block in split_positions(
            len(y_MH), num_samples + 1, BLOCK_LOGITS, min_size=MIN_BLOCK_POSITIONS
        ):
            y, index = y_MH[block], index_M[block]
            weight_of_target = weight_DH[index]
            logits = y.new_empty(len(y), num_samples + 1)  # the target's logit is the last one
            logits[:, :-1] = products.linear(y, rounded_SH, offset_S)
            _mask_targets(logits, ids_S, targets_M[block])
            logits[:, -1] = (y * weight_of_target).sum(1) + bias_D[index]
            log_p = torch.log_softmax(logits, dim=1)
            nats -= log_p[:, -1].sum()
            grad = log_p.exp_()
            grad_S, grad_target = grad[:, :-1], grad[:, -1:].sub_(1)
            dy_MH[block] = products.multiply(grad_S, rounded_SH)
            dy_MH[block].addcmul_(grad_target, weight_of_target)
            products.add_outer(dweight_SH, grad_S, y)
            dbias_S += grad_S.sum(0)
            dweight_DH.index_add_(0, index, grad_target * y)
            dbias_D.index_add_(0, index, grad_target[:, 0])
        ctx.save_for_backward(dy_MH, dweight_SH, dbias_S, dweight_DH, dbias_D)
        return nats / len(y_MH)

    @by_hand.backward
    def backward(ctx: Any, dloss: Tensor) -> tuple[Tensor | None, ...]:
        scale = dloss / len(ctx.saved_tensors[0])
        gradients = (gradient * scale for gradient in ctx.saved_tensors)
        return *gradients, None, None, None, None, None


def _mask_targets(logits_MS1: Tensor, ids_S: Tensor, targets_M: Tensor) -> None:
    """Remove each position's target from its sample, if it was drawn, so that it counts once."""
    at_M = torch.searchsorted(ids_S, targets_M).clamp(max=len(ids_S) - 1)
    (hits,) = (ids_S[at_M] == targets_M).nonzero(as_tuple=True)
    logits_MS1[hits, at_M[hits]] = -math.inf


def compute_sampled_loss(
    y_MH: Tensor, weight_VH: Tensor, bias_V: Tensor, targets_M: Tensor, sample: ClassSample, *,
    products: Products = FLOAT32,
) -> Tensor:
    """Estimate `compute_full_loss` from a sample of the classes (Bengio & Senecal 2008).

    The sum of the softmax is estimated by the term of each position's target plus those of the
    sampled classes, each divided by its probability (Horvitz & Thompson 1952). The sum is
    unbiased. The loss is biased, and the bias falls as the sample grows. With all classes in the
    sample, the loss is the full one.

    Note: the gradient of the weights is sparse: only the rows that are used have one.
    """
    distinct_D, index_M = torch.unique(targets_M, return_inverse=True)

    def select_rows(ids: Tensor) -> Tensor:
        return torch.nn.functional.embedding(ids, weight_VH, sparse=True)

    loss: Tensor = _SampledLoss.apply(  # type: ignore[no-untyped-call]
        y_MH, select_rows(sample.ids_S), bias_V[sample.ids_S], select_rows(distinct_D),
        bias_V[distinct_D], sample.ids_S, sample.log_probability_S, targets_M, index_M,
        products,
    )
    return loss
