"""The steppers of a generation, with the weights in the precision that was asked for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from rnnlm_cli.config import StepPrecision
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.nn.choice import load_fused
from rnnlm_cli.nn.matmul import FLOAT32, Products, require_bfloat16
from rnnlm_cli.nn.network import RecurrentNetwork, States
from rnnlm_cli.nn.stepper import Stepper
from rnnlm_cli.threads import one_thread

# Multiply-adds of a product of a step. The threads of PyTorch gain little from smaller ones, and
# wait for each other a hundred times as long when another program takes a part of a core.
MIN_SHARED_WORK = 1 << 24


class AnyStepper(Protocol):
    """A generation in progress; see `rnnlm_cli.nn.stepper.Stepper`."""

    def step(self, tokens: Sequence[int], resets: Sequence[bool] | None = None) -> Tensor:
        """Read one token of each sample. Returns (B, V) logits of the next token."""

    def select(self, samples: Sequence[int]) -> States:
        """Return copies of the hidden states of some samples."""


class StepperFactory:
    """Makes the steppers of a network.

    Args:
        precision: of the weights. int8 concerns the matrices, each row of which has a scale. With
            one sample, their products are computed in integers; with several, in float32 from the
            rounded weights.
    Raises: ConfigError if the precision is not available on this machine.
    """

    def __init__(self, network: RecurrentNetwork, precision: StepPrecision = "float32") -> None:
        self._network, self._precision = network, precision
        self._products = make_products(precision, network.device)

    def make(self, state: States) -> AnyStepper:
        """Return a stepper that starts from a hidden state."""
        if self._precision != "int8":
            return Stepper(self._network, state, self._products)
        if len(state[0][0]) > 1:
            return Stepper(self._rounded_network, state)
        from rnnlm_cli.nn.fused.int8_stepper import Int8Stepper

        return Int8Stepper(self._network, state)

    @cached_property
    def _rounded_network(self) -> RecurrentNetwork:
        from rnnlm_cli.nn.fused.int8_stepper import round_weights

        return round_weights(self._network)


def make_products(precision: StepPrecision, device: torch.device) -> Products:
    """Return the products of a stepper: in float32, also from weights that are rounded to int8.

    Raises: ConfigError if the precision is not available on this machine.
    """
    if precision == "bfloat16":
        require_bfloat16(device)
        return Products("bfloat16")
    if precision == "int8":
        _require_int8(device)
    return FLOAT32


@contextmanager
def choose_threads(network: RecurrentNetwork, num_rows: int) -> Iterator[None]:
    """Let a batch of rows run on one thread, unless its products are large."""
    weights = [each for each in network.parameters() if each.dim() == 2]
    largest = num_rows * max(weight.numel() for weight in weights)
    with nullcontext() if largest >= MIN_SHARED_WORK else one_thread():
        yield


def select_rows(state: States, rows: Sequence[int]) -> States:
    """Return copies of the hidden state of some rows. A row may be selected several times."""
    return tuple(tuple(part[list(rows)] for part in layer) for layer in state)


def _require_int8(device: torch.device) -> None:
    """Raise ConfigError if there are no products in int8."""
    if device.type != "cpu":
        raise ConfigError(
            f"--precision: int8 given; it is for processors, and the device is {device}. "
            "Choose --device cpu, or leave --precision out"
        )
    if load_fused() is None:
        raise ConfigError(
            "--precision: int8 given; it needs numba, which is not installed. "
            "Install it with pip install 'rnnlm[fast]', or leave --precision out"
        )
