"""Tensors: cells, recurrence, model. Knows no text."""

from rnnlm_cli.nn.layer import RecurrentLayer

__all__ = ["RecurrentLayer"]
