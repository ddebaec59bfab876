"""The network: embedding -> recurrent layers -> logits. State in, state out; no memory inside.

Legend: T time, B batch, K distinct inputs, E embedding size, H hidden size, V vocabulary size.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from rnnlm_cli.config import UNKNOWN_ID, ModelConfig
from rnnlm_cli.nn.cells import State
from rnnlm_cli.nn.layer import RecurrentLayer
from rnnlm_cli.nn.softmax import Draw, full_loss, logits_of, sampled_loss, surprisal

States = tuple[State, ...]  # one a layer

MIN_SHARED_INPUTS = 64  # inputs
STACKED_IDENTITY = 0.5  # of ReLU cells: one that sums the sums of another grows beyond all bounds


class RecurrentNetwork(nn.Module):
    """A recurrent language model (Mikolov et al. 2010).

        s_t = f(U x_t + W s_{t-1}),  o_t = softmax(V s_t),  s_0 = 0

    x_t is one-hot, so U x_t is a row of the embedding table; f is the cell. Several layers read
    each other's outputs. Dropout (Zaremba et al. 2014) falls on what enters each layer and the
    output, never on the state; a token's embedding is dropped alike wherever in the window the
    token stands (Gal & Ghahramani 2016).

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
        if self.config.cell == "elman_relu" and len(self.layers) > 1:
            for layer in self.recurrent_layers:
                layer.weight_hh.mul_(STACKED_IDENTITY)

    def with_weights(self, weights: Mapping[str, Tensor]) -> "RecurrentNetwork":
        """A network of the same shape with other weights, by the names of `state_dict`: shared."""
        with torch.device("meta"):  # which allocates nothing
            network = RecurrentNetwork(self.config)
        network.load_state_dict(weights, assign=True)
        return network

    @property
    def num_parameters(self) -> int:
        """How many numbers training adjusts."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def tables(self) -> list[nn.Parameter]:
        """The parameters with a row a token: embedding and, unless tied, output weight."""
        return [self.embedding] if self.config.tied else [self.embedding, self.output_weight]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.device

    def initial_state(self, batch_size: int) -> States:
        """All zeros: a tuple a layer of (B, H) tensors."""
        return tuple(layer.initial_state(batch_size) for layer in self.recurrent_layers)

    @property
    def recurrent_layers(self) -> list[RecurrentLayer]:
        """The layers, the lowest first."""
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
        y_TBH, after = self._run(inputs_TB, state, resets_TB, dropout_generator)
        unknown = self.config.unknown_trained
        return logits_of(y_TBH, self.output_table, self.output_bias, unknown=unknown), after

    def loss(
        self,
        inputs_TB: Tensor,
        targets_TB: Tensor,
        state: States,
        resets_TB: Tensor | None = None,
        *,
        dropout_generator: torch.Generator | None = None,
        draw: Draw | None = None,
    ) -> tuple[Tensor, States]:
        """Read a window and compare what it predicts with what follows.

        Args:
            targets_TB: the token that follows each input.
            draw: the classes to estimate the softmax from; None takes all of them. Where there is
                one, the tables have sparse gradients.

        Returns: (mean -ln p of the targets in nats, state); the loss is differentiable.
        """
        y_TBH, after = self._run(
            inputs_TB, state, resets_TB, dropout_generator, sparse=draw is not None
        )
        y_MH, targets_M = y_TBH.flatten(0, 1), targets_TB.flatten()
        weight, bias = self.output_table, self.output_bias
        if draw is not None:
            return sampled_loss(y_MH, weight, bias, targets_M, draw), after
        unknown = self.config.unknown_trained
        return full_loss(y_MH, weight, bias, targets_M, unknown=unknown), after

    def surprisal(
        self, inputs_TB: Tensor, targets_TB: Tensor, state: States, resets_TB: Tensor | None = None
    ) -> tuple[Tensor, States]:
        """Read a window; returns (-ln p of every target, (T, B), by the full softmax, state)."""
        y_TBH, after = self._run(inputs_TB, state, resets_TB, None)
        nats_M = surprisal(
            y_TBH.flatten(0, 1), self.output_table, self.output_bias, targets_TB.flatten(),
            unknown=self.config.unknown_trained,
        )
        return nats_M.view_as(targets_TB), after

    @property
    def output_table(self) -> Tensor:
        """What logits are made with, (V, H); the embedding itself where they are tied."""
        return self.embedding if self.config.tied else self.output_weight

    def input_table(self) -> Tensor:
        """What each token is read as, (V, E)."""
        return self._embed(torch.arange(len(self.embedding), device=self.device), sparse=False)

    def _run(
        self, inputs_TB: Tensor, state: States, resets_TB: Tensor | None,
        dropout_generator: torch.Generator | None, *, sparse: bool = False,
    ) -> tuple[Tensor, States]:
        """What the last layer puts out, dropout included, and the state after the window."""
        ids, where_TB = distinct_inputs(inputs_TB, self.config.vocab_size)
        x = self._drop(self._embed(ids, sparse=sparse), dropout_generator)
        after = []
        for layer, layer_state in zip(self.recurrent_layers, state, strict=True):
            if where_TB is None:
                x, layer_state = layer(x, layer_state, resets_TB)
            else:
                gates_MG = layer.project(x).index_select(0, where_TB.flatten())
                gates_TBG = gates_MG.view(*where_TB.shape, -1)
                x, layer_state = layer.recur(gates_TBG, layer_state, resets_TB)
            x, where_TB = self._drop(x, dropout_generator), None
            after.append(layer_state)
        return x, tuple(after)

    def _embed(self, ids: Tensor, *, sparse: bool) -> Tensor:
        x = embedding(ids, self.embedding, sparse=sparse)
        if self.config.unknown_trained or sparse:  # sparse is training: it meets none
            return x
        unknown = ids == UNKNOWN_ID
        if not unknown.any():
            return x
        mean_E = self.embedding[UNKNOWN_ID + 1 :].mean(dim=0)
        return torch.where(unknown[..., None], mean_E, x)

    def _drop(self, x: Tensor, dropout_generator: torch.Generator | None) -> Tensor:
        """Zero each element with probability `dropout` and scale the rest up to keep the mean."""
        if self.config.dropout == 0 or dropout_generator is None:
            return x
        kept = torch.rand(x.shape, generator=dropout_generator) >= self.config.dropout
        return x * (kept.to(x.device, x.dtype) / (1 - self.config.dropout))


def add_unknown_token(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a network that never met unknown tokens, ready to learn them.

    <unk> is read and predicted as the mean of all tokens, and as rarely as the rarest.
    """
    changed = {name: tensor.clone() for name, tensor in tensors.items()}
    for name in changed.keys() & {"embedding", "output_weight"}:
        changed[name][UNKNOWN_ID] = changed[name][UNKNOWN_ID + 1 :].mean(dim=0)
    changed["output_bias"][UNKNOWN_ID] = changed["output_bias"][UNKNOWN_ID + 1 :].min()
    return changed


def distinct_inputs(inputs_TB: Tensor, vocab_size: int) -> tuple[Tensor, Tensor | None]:
    """The tokens among the inputs, (K,), and which of them each input is, (T, B).

    What depends on the token alone is then done once for each: its share of the first layer's
    products, and the gradients of its embedding meet there. None instead of the second means that
    this would not pay, and the first are the inputs. (On CUDA the meeting would be in random
    order, and a run could not be repeated exactly.)
    """
    if inputs_TB.device.type != "cpu" or inputs_TB.numel() < MIN_SHARED_INPUTS:
        return inputs_TB, None
    if vocab_size <= inputs_TB.numel():
        return torch.arange(vocab_size), inputs_TB
    distinct_K, where_TB = torch.unique(inputs_TB, return_inverse=True)
    return distinct_K, where_TB
