"""Tensors: cells, recurrence, model. Knows no text."""

from rnnlm_cli.nn.recurrence import RecurrentLayer

__all__ = ["RecurrentLayer"]
