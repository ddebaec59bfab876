"""Optimizers: for dense parameters, and for tables of which a step updates a few rows.

Legend: V rows of a table, R rows updated, E row size.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from rnnlm_cli.config import TrainConfig
from rnnlm_cli.nn.kernels import compute_norms, scale_in_place, step_adamw
from rnnlm_cli.nn.network import RecurrentNetwork

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class Optimizer(Protocol):
    """Updates some parameters by their gradients."""

    def step(self, lr: float) -> None:
        """Update the parameters once, with a learning rate."""

    def state(self) -> dict[str, Tensor]:
        """Return all tensors kept between steps, by name; changing them changes the optimizer."""


class DenseAdamW:
    """AdamW for parameters with dense gradients.

    Args:
        decayed: parameters that weight decay shrinks, by the factor 1 - lr * weight_decay per step.
        others: parameters without weight decay.
    """

    def __init__(
        self, decayed: Sequence[Tensor], others: Sequence[Tensor], weight_decay: float
    ) -> None:
        self._groups = [(decayed, weight_decay), (others, 0.0)]
        self._means, self._squares, self._steps = (
            {p: make(p) for group, _ in self._groups for p in group}
            for make in (torch.zeros_like, torch.zeros_like, lambda p: p.new_zeros(()))
        )

    def state(self) -> dict[str, Tensor]:
        """Return both moments and the number of steps of every parameter."""
        kinds = {"mean": self._means, "square": self._squares, "steps": self._steps}
        return {
            f"{kind}.{number}": tensor
            for kind, tensors in kinds.items() for number, tensor in enumerate(tensors.values())
        }

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Update all parameters; each must have a gradient."""
        for group, decay in self._groups:
            steps = [self._steps[p] for p in group]
            step_adamw(
                group, [_gradient(p) for p in group], [self._means[p] for p in group],
                [self._squares[p] for p in group], steps,
                lr=lr, betas=BETAS, weight_decay=decay, epsilon=EPSILON,
            )


class RowAdamW:
    """AdamW without its first moment, for tables with sparse gradients.

    Both decays are lazy: a step costs R x E, whatever V is, because only the rows that have a
    gradient are updated. When a row is updated again, the decay that it missed is applied at once.
    For the second moment this is beta ** steps, which equals dense updates with zero gradients.
    For weight decay it is (1 - lr * weight_decay) ** steps with the learning rate of the present
    step, which equals dense updates only while the learning rate is constant. Two differences to
    dense AdamW follow under a schedule. While the learning rate falls, a rare row decays less. And
    a row that is not updated again keeps the decay that it missed, also in the best weights.

    Because the second moment of a rare token decays between its occurrences, the token moves far
    when it occurs. (If it decayed only in the steps with a gradient, the token would move little,
    and the model would learn slowly.) A first moment would keep moving a row for some steps after
    each occurrence; moving it once by the whole amount learns as fast.
    """

    def __init__(self, tables: Sequence[Tensor], weight_decay: float) -> None:
        self._decay = weight_decay
        self._step = torch.zeros((), dtype=torch.int64)
        self._averages = [
            (each, torch.zeros_like(each), each.new_zeros(len(each), 1)) for each in tables
        ]

    def state(self) -> dict[str, Tensor]:
        """Return the number of steps, and for every table its second moments and last updates."""
        state = {"steps": self._step}
        for number, (_, square_VE, last_V1) in enumerate(self._averages):
            state |= {f"square.{number}": square_VE, f"last.{number}": last_V1}
        return state

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Update the rows that the gradients name."""
        self._step += 1
        step = int(self._step)
        _, beta = BETAS
        correction = math.sqrt(1 - beta**step)
        for table_VE, square_VE, last_V1 in self._averages:
            gradient = _gradient(table_VE).coalesce()
            ids_R, gradient_RE = gradient.indices()[0], gradient.values()
            steps_R1 = step - last_V1[ids_R]
            last_V1[ids_R] = float(step)
            square_RE = square_VE[ids_R].mul_(beta**steps_R1)
            square_RE.addcmul_(gradient_RE, gradient_RE, value=1 - beta)
            square_VE.index_copy_(0, ids_R, square_RE)
            spread_RE = square_RE.sqrt_().div_(correction).add_(EPSILON)
            rows_RE = table_VE[ids_R].mul_((1 - lr * self._decay) ** steps_R1)
            table_VE.index_copy_(0, ids_R, rows_RE.addcdiv_(gradient_RE, spread_RE, value=-lr))


class SGD:
    """Stochastic gradient descent without momentum, for dense and for sparse gradients.

    Weight decay is added to the gradient. Args: as in DenseAdamW.
    """

    def __init__(
        self, decayed: Sequence[Tensor], others: Sequence[Tensor], weight_decay: float
    ) -> None:
        self._groups = [(decayed, weight_decay), (others, 0.0)]

    def state(self) -> dict[str, Tensor]:
        """Return nothing, because nothing is kept between steps."""
        return {}

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Update all parameters; of a table with a sparse gradient, only the rows that it names."""
        for group, decay in self._groups:
            for parameter in group:
                gradient = _gradient(parameter)
                if gradient.is_sparse and decay:
                    gradient = gradient.coalesce()
                    rows = parameter[gradient.indices()[0]]
                    values = gradient.values() + decay * rows
                    gradient = torch.sparse_coo_tensor(
                        gradient.indices(), values, gradient.shape, is_coalesced=True,
                        check_invariants=False,
                    )
                elif decay:
                    gradient = gradient + decay * parameter
                parameter.add_(gradient, alpha=-lr)


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def make_optimizers(
    network: RecurrentNetwork, config: TrainConfig, *, sparse: bool
) -> list[Optimizer]:
    """Make AdamW (Loshchilov & Hutter 2019) or plain SGD; biases have no weight decay.

    Args:
        sparse: whether the input and the output table have sparse gradients.
    Returns: optimizers that together update every parameter once.
    """
    parameters = list(network.parameters())
    biases = [p for p in parameters if p.dim() == 1]
    matrices = [p for p in parameters if p.dim() > 1]
    if config.optimizer == "sgd":
        return [SGD(matrices, biases, config.decay)]
    tables = network.tables if sparse else []
    dense = [p for p in matrices if not any(p is table for table in tables)]
    optimizers: list[Optimizer] = [DenseAdamW(dense, biases, config.decay)]
    if tables:
        optimizers.append(RowAdamW(tables, config.decay))
    return optimizers


@torch.no_grad()
def clip_gradients(network: RecurrentNetwork, max_norm: float | None) -> float:
    """Scale the gradient of all parameters down to a global norm (Pascanu et al. 2013).

    Args:
        max_norm: the norm that is not exceeded; None leaves the gradient as it is.
    Returns: the norm before; not finite if some part of the gradient is not.
    """
    gradients = []
    for parameter in network.parameters():
        if parameter.grad is not None:
            if parameter.grad.is_sparse:
                parameter.grad = parameter.grad.coalesce()
            gradients.append(parameter.grad)
    parts = [each.values() if each.is_sparse else each for each in gradients]
    norm = float(torch.stack(compute_norms(parts)).norm())
    if max_norm is not None and max_norm < norm < math.inf:
        scale_in_place(parts, max_norm / norm)
    return norm
