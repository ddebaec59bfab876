"""The network: embedding -> recurrent layers -> logits. State in, state out; no memory inside.

Legend: T time, B batch, E embedding size, H hidden size, V vocabulary size.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from rnnlm_cli.config import UNKNOWN_ID, ModelConfig
from rnnlm_cli.nn.cells import State
from rnnlm_cli.nn.layer import RecurrentLayer

States = tuple[State, ...]  # one a layer


class RecurrentNetwork(nn.Module):
    """A recurrent language model (Mikolov et al. 2010).

        s_t = f(U x_t + W s_{t-1}),  o_t = softmax(V s_t),  s_0 = 0

    x_t is one-hot, so U x_t is a row of the embedding table; f is the cell. Several layers read
    each other's outputs. Dropout (Zaremba et al. 2014) falls on what enters each layer and the
    output, never on the state.

    Args:
        config: the sizes.
        generator: draws the first weights; None takes PyTorch's global one.

    Parameters: embedding (V, E), layers.K.* as in RecurrentLayer, output_bias (V,), and unless
    tied output_weight (V, H).
    """

    def __init__(self, config: ModelConfig, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        vocab_size, hidden_size = config.vocab_size, config.hidden_size
        self.embedding = nn.Parameter(torch.empty(vocab_size, config.embedding_size))
        input_sizes = [config.embedding_size] + [hidden_size] * (config.num_layers - 1)
        self.layers = nn.ModuleList(
            RecurrentLayer(config.cell, size, hidden_size, generator=generator)
            for size in input_sizes
        )
        if not config.tied:
            self.output_weight = nn.Parameter(torch.empty(vocab_size, hidden_size))
        self.output_bias = nn.Parameter(torch.zeros(vocab_size))
        if not self.embedding.is_meta:
            self._initialise(generator)

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator | None) -> None:
        bound = 1 / math.sqrt(self.config.hidden_size)
        if self.config.tied:  # rows of about length 1 serve both ends
            self.embedding.normal_(std=bound, generator=generator)
        else:
            self.embedding.normal_(std=0.5, generator=generator)
            self.output_weight.uniform_(-bound, bound, generator=generator)

    @property
    def num_parameters(self) -> int:
        """How many numbers training adjusts."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.device

    def initial_state(self, batch_size: int) -> States:
        """All zeros: a tuple a layer of (B, H) tensors."""
        return tuple(layer.initial_state(batch_size) for layer in self._layers)

    @property
    def _layers(self) -> list[RecurrentLayer]:
        return [layer for layer in self.layers if isinstance(layer, RecurrentLayer)]

    def forward(
        self,
        inputs_TB: Tensor,
        state: States,
        resets_TB: Tensor | None = None,
        *,
        dropout_generator: torch.Generator | None = None,
    ) -> tuple[Tensor, States]:
        """Read T tokens a row and say what each may be followed by.

        Args:
            inputs_TB: token ids.
            state: as `initial_state` gives it, or as the last call returned it.
            resets_TB: where true, the state becomes zero before that input is read.
            dropout_generator: draws the dropout masks; None, as in evaluation, means no dropout.

        Returns: (logits_TBV, state). Where training held no unknown tokens, their logit is minus
            infinity and their input the mean embedding.
        """
        x = self._embed(inputs_TB)
        x = self._drop(x, dropout_generator)
        after = []
        for layer, layer_state in zip(self._layers, state, strict=True):
            x, layer_state = layer(x, layer_state, resets_TB)
            x = self._drop(x, dropout_generator)
            after.append(layer_state)
        weight_VH = self.embedding if self.config.tied else self.output_weight
        logits_TBV = linear(x, weight_VH, self.output_bias)
        if not self.config.unknown_trained:
            logits_TBV[..., UNKNOWN_ID] = -math.inf
        return logits_TBV, tuple(after)

    def _embed(self, inputs_TB: Tensor) -> Tensor:
        x_TBE = nn.functional.embedding(inputs_TB, self.embedding)
        if self.config.unknown_trained:
            return x_TBE
        unknown_TB = inputs_TB == UNKNOWN_ID
        if not unknown_TB.any():  # as always in training
            return x_TBE
        mean_E = self.embedding[UNKNOWN_ID + 1 :].mean(dim=0)
        return torch.where(unknown_TB[..., None], mean_E, x_TBE)

    def _drop(self, x: Tensor, dropout_generator: torch.Generator | None) -> Tensor:
        """Zero each element with probability `dropout` and scale the rest up to keep the mean."""
        if self.config.dropout == 0 or dropout_generator is None:
            return x
        kept = torch.rand(x.shape, generator=dropout_generator) >= self.config.dropout
        return x * (kept.to(x.device, x.dtype) / (1 - self.config.dropout))
