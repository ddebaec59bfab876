"""One window through a whole network, from tokens to -ln p under the full softmax.

Legend: T time, B batch, H hidden size, V vocabulary size.
"""

from functools import partial

import torch
from torch import Tensor

from rnnlm_cli.bench.layer_runs import make_torch_module
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.threads import run_together, split_rows


class TorchScoringRun:
    """Recurrent layers, output layer and loss of torch.nn, with the tables of a network of ours."""

    def __init__(self, network: RecurrentNetwork, inputs_TB: Tensor, targets_TB: Tensor) -> None:
        config = network.config
        self._network, self._inputs_TB, self._targets_TB = network, inputs_TB, targets_TB
        self._module = make_torch_module(
            config.cell, config.embedding_size, config.hidden_size, config.num_layers
        ).to(network.device)

    @torch.inference_mode()
    def run(self) -> Tensor:
        """Return -ln p of every target."""
        network = self._network
        y_TBH, _ = self._module(network.embedding[self._inputs_TB])
        logits = torch.nn.functional.linear(y_TBH, network.output_table, network.output_bias)
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), self._targets_TB.flatten(), reduction="none"
        )


class ScoringRun:
    """A network of ours. As in scoring, each thread takes some rows of the batch."""

    def __init__(self, network: RecurrentNetwork, inputs_TB: Tensor, targets_TB: Tensor) -> None:
        self._network = network
        self._parts = [
            (inputs_TB[:, rows].contiguous(), targets_TB[:, rows].flatten())
            for rows in split_rows(inputs_TB.shape[1], network.device)
        ]

    def run(self) -> list[Tensor]:
        """Return -ln p of every target of each part of the rows."""
        return run_together([partial(self._run_rows, *part) for part in self._parts])

    @torch.inference_mode()
    def _run_rows(self, inputs_TB: Tensor, targets_M: Tensor) -> Tensor:
        state = self._network.initial_state(inputs_TB.shape[1])
        y_TBH, _ = self._network.read(inputs_TB, state)
        return self._network.compute_surprisal(y_TBH.flatten(0, 1), targets_M)
