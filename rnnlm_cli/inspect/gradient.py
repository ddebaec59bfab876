"""The reach of gradients: the norm of d loss_t / d h_{t-k} by the lag k, measured on a text.

In a trained network, the gradient of one prediction shrinks from step to step on its way back
through time (Hochreiter 1991, Bengio et al. 1994). Where it has vanished, training cannot teach
the network to remember.

Legend: T steps, B rows, P positions of the text, K lags from 0 to the maximum, N tokens of the
text, L parts of the hidden state (h of each layer, for the LSTM also c), H hidden size.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnlm_cli.config import BOUNDARY_ID, UNKNOWN_ID, GradientConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.inspect.steps import unroll_steps
from rnnlm_cli.nn.cells import CELLS
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.score.evaluate import WARM_UP_TOKENS
from rnnlm_cli.text.tokenizers import Ids
from rnnlm_cli.windows import Window, make_window, shift_targets

Part = Literal["h", "c"]
Norms = NDArray[np.float64]
Counts = NDArray[np.int64]

PARTS: tuple[Part, ...] = ("h", "c")  # of a hidden state, in the order of `State`
BLOCK_NUMBERS = 1 << 27  # of float64 in one batch, 1 GiB; with fewer rows, steps are slower
NUMBERS_PER_UNIT = 16  # that a step of a cell keeps for each hidden unit, at most
FAINT_SHARE = 0.01  # a gradient below this share of that at lag 0 counts as faint


@dataclass(frozen=True)
class GradientCurve:
    """The gradient with respect to one part of the hidden state, by lag.

    Args:
        layer: the number of the layer, from 1.
        part: "h", or "c" for the cell of the LSTM.
        mean_norm_K: the Euclidean norm of d loss_t / d h_{t-k}, in nats per unit of h, as a mean
            over the positions t that have the lag k; NaN if there is none.
        count_K: the number of positions that have the lag. A position has all lags up to the
            last reset of the hidden state, or up to the beginning of the text.
    """

    layer: int
    part: Part
    mean_norm_K: Norms
    count_K: Counts

    @property
    def decay(self) -> float | None:
        """The factor by which the mean norm changes from one lag to the next.

        It is exp of the slope of a straight line, fitted by least squares to ln of the mean norm
        over all lags from 1 to the maximum at which the mean norm is positive and finite. Each
        of these lags has the same weight. Lag 0 is left out, because no recurrence has acted
        there. None if fewer than two lags are left.
        """
        lags = [
            lag for lag, norm in enumerate(self.mean_norm_K) if lag and 0 < norm < math.inf
        ]
        if len(lags) < 2:
            return None
        offsets = np.array(lags) - np.mean(lags)
        return math.exp(float(offsets @ np.log(self.mean_norm_K[lags]) / (offsets @ offsets)))

    @property
    def half_life(self) -> float | None:
        """The number of tokens after which the fitted norm has halved: ln 2 / -ln decay.

        None if it does not shrink.
        """
        decay = self.decay
        return None if decay is None or decay >= 1 else math.log(2) / -math.log(decay)

    @property
    def faint_lag(self) -> int | None:
        """The first lag at which the mean norm is below 1 % of that at lag 0; None if never."""
        faint_K = self.mean_norm_K < FAINT_SHARE * self.mean_norm_K[0]
        return int(faint_K.argmax()) if faint_K.any() else None


def measure_gradient(
    network: RecurrentNetwork, tokens_N: Ids, *, sentences: bool, config: GradientConfig,
    subject: str = "text",
) -> list[GradientCurve]:
    """Measure d loss_t / d h_{t-k} on a text, for each layer and each part of its hidden state.

    The loss is that of one token, -ln p in nats. The gradients are exact: the cells are unrolled
    step by step in float64 and differentiated by autograd. The gradient with respect to c_{t-k}
    includes its way through h_{t-k} = o tanh(c_{t-k}), as in backpropagation through time.

    Positions are spread evenly over the text; unknown tokens without probability are left out.
    Each has `max_lag` tokens before it, if the text is twice as long as that. The hidden state is
    warmed up on the tokens before them.

    Args:
        tokens_N: a held-out text.
        sentences: whether every boundary resets the hidden state.
        config: the maximum lag, and the number of positions.
        subject: the name of the text in errors.
    Returns: the curves of h, and of c for the LSTM, of the first layer, the second, ...
    Raises: TextError if the text has no position with a lag of 1 or more.
    """
    positions_P = _choose_positions(
        tokens_N, config, subject, unknown_trained=network.config.unknown_trained
    )
    weights = {name: each.detach().double() for name, each in network.state_dict().items()}
    network = network.with_weights(weights).requires_grad_(False)
    parts = [
        (number, part) for number, layer in enumerate(network.recurrent_layers, start=1)
        for part in PARTS[: CELLS[layer.cell].num_states]
    ]
    sum_LK = np.zeros((len(parts), config.max_lag + 1))
    count_K = np.zeros(config.max_lag + 1, np.int64)
    num_rows = _choose_num_rows(network, config.max_lag)
    for begin in range(0, len(positions_P), num_rows):
        window = _make_window(
            tokens_N, positions_P[begin : begin + num_rows], WARM_UP_TOKENS + config.max_lag + 1,
            sentences=sentences,
        )
        sum_LK += _sum_norms(network, window, config.max_lag)
        count_K += _find_lags(window.resets_TB, config.max_lag).sum(axis=1)
    if not count_K[1:].any():
        raise TextError(
            f"{subject}: every line has one token at most, and each line is a sentence to this "
            "model; two tokens in a line are needed. Name a text with longer lines"
        )
    with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN of a lag that no position has
        mean_LK = sum_LK / count_K
    return [
        GradientCurve(layer, part, mean_K, count_K)
        for (layer, part), mean_K in zip(parts, mean_LK, strict=True)
    ]


def _choose_positions(
    tokens_N: Ids, config: GradientConfig, subject: str, *, unknown_trained: bool
) -> NDArray[np.int64]:
    """Return the indices of the tokens whose loss is differentiated, in ascending order.

    Raises: TextError if there are none.
    """
    first, last = max(1, min(config.max_lag, len(tokens_N) // 2)), len(tokens_N) - 1
    positions_P = np.unique(np.linspace(first, last, config.positions).round().astype(np.int64))
    positions_P = positions_P[(first <= positions_P) & (positions_P <= last)]  # first > last: none
    if not unknown_trained:  # <unk> has no probability then, and no loss
        positions_P = positions_P[tokens_N[positions_P] != UNKNOWN_ID]
    if not len(positions_P):
        raise TextError(
            f"{subject}: has {len(tokens_N):,} tokens of this model, and none to differentiate; "
            "two or more are needed, most of them known to the model. Name a longer text"
        )
    return positions_P


def _choose_num_rows(network: RecurrentNetwork, max_lag: int) -> int:
    """Return the number of rows that are differentiated at once, which bounds the memory."""
    config = network.config
    units = (max_lag + 1) * config.num_layers * config.hidden_size
    return max(1, BLOCK_NUMBERS // (NUMBERS_PER_UNIT * units + 4 * config.vocab_size))


def _make_window(
    tokens_N: Ids, positions_B: NDArray[np.int64], size: int, *, sentences: bool
) -> Window:
    """Return the window of `size` steps that ends at each position.

    The steps before the beginning of the text are filled, and the beginning resets what they
    leave in the hidden state.
    """
    at_TB = positions_B + np.arange(1 - size, 1)[:, None]
    targets_TB, before_B = (
        torch.from_numpy(tokens_N[each.clip(min=0)].astype(np.int64))
        for each in (at_TB, at_TB[0] - 1)
    )
    resets_TB = torch.from_numpy(at_TB == 0)
    resets_TB[0] = True
    if sentences:
        resets_TB |= shift_targets(targets_TB, before_B) == BOUNDARY_ID
    return make_window(targets_TB, resets_TB, before_B)


def _find_lags(resets_TB: Tensor, max_lag: int) -> NDArray[np.bool_]:
    """Return which rows have each lag, (K, B): no reset lies between h_{t-k} and the loss."""
    resets_KB = resets_TB.numpy()[::-1][:max_lag]
    has_lag_KB = ~np.logical_or.accumulate(resets_KB)
    return np.concatenate([np.ones_like(has_lag_KB[:1]), has_lag_KB])


def _sum_norms(network: RecurrentNetwork, window: Window, max_lag: int) -> Norms:
    """Return the sums over the rows of the norms of the gradients, (L, K).

    The rows do not depend on each other, so the gradient of the sum of their losses has that of
    each row's loss in its row.
    """
    inputs_TB, targets_TB, resets_TB = (each.to(network.device) for each in window)
    warm_up = len(inputs_TB) - max_lag - 1
    _, state = network.read(
        inputs_TB[:warm_up], network.initial_state(inputs_TB.shape[1]), resets_TB[:warm_up]
    )
    # Autograd records the steps because the state that enters them requires a gradient.
    state = tuple(tuple(each.requires_grad_() for each in layer) for layer in state)
    steps = list(unroll_steps(network, inputs_TB[warm_up:], state, resets_TB[warm_up:]))
    loss = network.compute_surprisal(steps[-1][-1].after[0], targets_TB[-1]).sum()
    kept = [part for layers in steps for layer in layers for part in layer.after]
    norms = [_compute_norm(each_BH).sum() for each_BH in torch.autograd.grad(loss, kept)]
    sum_KL: Norms = torch.stack(norms).view(max_lag + 1, -1).flip(0).cpu().numpy()
    return sum_KL.T


def _compute_norm(gradient_BH: Tensor) -> Tensor:
    """Return the norm of each row, (B,). Squares of numbers below 1e-154 would become zero."""
    largest_B1 = gradient_BH.abs().amax(dim=1, keepdim=True)
    scaled_BH = torch.where(largest_B1 > 0, gradient_BH / largest_B1, 0)
    norm_B: Tensor = largest_B1[:, 0] * torch.linalg.vector_norm(scaled_BH, dim=1)
    return norm_B
