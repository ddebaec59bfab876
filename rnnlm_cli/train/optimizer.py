"""How the weights are stepped: dense matrices, and tables of which a step touches a few rows.

Legend: V rows of a table, R rows touched, E numbers a row.
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
    """Changes some parameters by their gradients."""

    def step(self, rate: float) -> None:
        """Take one step at a learning rate."""

    def state(self) -> dict[str, Tensor]:
        """All that it keeps from step to step, by name; changing the tensors changes it."""


class DenseAdamW:
    """AdamW for parameters with dense gradients.

    Args:
        decayed: parameters that shrink by rate * weight_decay a step.
        others: those that do not.
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
        """Both averages and the number of steps of every parameter."""
        kinds = {"mean": self._means, "square": self._squares, "steps": self._steps}
        return {
            f"{kind}.{number}": tensor
            for kind, tensors in kinds.items() for number, tensor in enumerate(tensors.values())
        }

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Take one step; every parameter must have a gradient."""
        for group, decay in self._groups:
            steps = [self._steps[p] for p in group]
            step_adamw(
                group, [_gradient(p) for p in group], [self._means[p] for p in group],
                [self._squares[p] for p in group], steps,
                lr=rate, betas=BETAS, weight_decay=decay, epsilon=EPSILON,
            )


class RowAdamW:
    """AdamW without its first moment, for tables with sparse gradients.

    The same steps as if every row had a gradient, most of them zero: a row's mean square fades
    with each step, whether it is touched or not, so that a rare token moves far when it comes (a
    clock of its own for each row would have it move little, and a model learn slowly). But only
    rows that are touched cost work, R x E, whatever V is; what they missed is made up for then.

    (A first moment would go on moving a row for some steps after each touch; moving it as far at
    once learns as fast.)
    """

    def __init__(self, tables: Sequence[Tensor], weight_decay: float) -> None:
        self._decay = weight_decay
        self._step = torch.zeros((), dtype=torch.int64)
        self._averages = [
            (each, torch.zeros_like(each), each.new_zeros(len(each), 1)) for each in tables
        ]

    def state(self) -> dict[str, Tensor]:
        """The number of steps; of every table its mean squares and when rows were last touched."""
        state = {"steps": self._step}
        for number, (_, square_VE, last_V1) in enumerate(self._averages):
            state |= {f"square.{number}": square_VE, f"last.{number}": last_V1}
        return state

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Take one step with the rows that the gradients name."""
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
            rows_RE = table_VE[ids_R].mul_((1 - rate * self._decay) ** steps_R1)
            table_VE.index_copy_(0, ids_R, rows_RE.addcdiv_(gradient_RE, spread_RE, value=-rate))


class SGD:
    """Plain gradient descent, dense or by rows; decay takes rate * weight_decay of a weight."""

    def __init__(
        self, decayed: Sequence[Tensor], others: Sequence[Tensor], weight_decay: float
    ) -> None:
        self._groups = [(decayed, weight_decay), (others, 0.0)]

    def state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Take one step; of a table with a sparse gradient only the rows it names change."""
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
                parameter.add_(gradient, alpha=-rate)


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def make_optimizers(
    network: RecurrentNetwork, config: TrainConfig, *, sparse: bool
) -> list[Optimizer]:
    """AdamW (Loshchilov & Hutter 2019) or plain SGD; weight decay spares the biases.

    Args:
        sparse: whether the tables, input and output, have sparse gradients.
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
def clip_gradients(network: RecurrentNetwork, most: float | None) -> float:
    """Scale the whole gradient down to norm `most` (Pascanu et al. 2013); None leaves it.

    Returns: its norm before; infinite or not a number where some part of it is.
    """
    gradients = []
    for parameter in network.parameters():
        if parameter.grad is not None:
            if parameter.grad.is_sparse:
                parameter.grad = parameter.grad.coalesce()
            gradients.append(parameter.grad)
    parts = [each.values() if each.is_sparse else each for each in gradients]
    norm = float(torch.stack(compute_norms(parts)).norm())
    if most is not None and most < norm < math.inf:
        scale_in_place(parts, most / norm)
    return norm
