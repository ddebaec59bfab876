"""Tensors: cells, recurrence, network. Knows no text."""

from rnnlm_cli.nn.layer import RecurrentLayer

__all__ = ["RecurrentLayer"]
