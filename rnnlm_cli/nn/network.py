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
from rnnlm_cli.nn.dropout import DropoutSource, apply_dropout, apply_token_dropout
from rnnlm_cli.nn.layer import RecurrentLayer
from rnnlm_cli.nn.matmul import FLOAT32, Products
from rnnlm_cli.nn.softmax import (
    ClassSample,
    compute_full_loss,
    compute_log_p,
    compute_logits,
    compute_sampled_loss,
    compute_surprisal,
)

States = tuple[State, ...]  # the state of each layer

MIN_REPEATED_INPUTS = 64  # in a smaller window, finding the distinct inputs does not pay off
# Scale of the identity initialisation if ReLU layers are stacked; with 1 the activations explode.
STACKED_IDENTITY_SCALE = 0.5


class RecurrentNetwork(nn.Module):
    """A recurrent language model (Mikolov et al. 2010).

        s_t = f(U x_t + W s_{t-1}),  o_t = softmax(V s_t),  s_0 = 0

    x_t is one-hot, so U x_t is a row of the embedding table; f is the cell. Each further layer
    reads the outputs of the layer below. Dropout (Zaremba et al. 2014) applies to the input of
    each layer and of the output layer, never to the state. All occurrences of a token in a window
    have the same dropout mask (Gal & Ghahramani 2016).

    Args:
        config: the sizes.
        generator: draws the initial weights; None uses PyTorch's global generator.

    Parameters: embedding (V, E), layers.K.* as in RecurrentLayer, output_bias (V,), and, unless
    the tables are tied, output_weight (V, H).
    """

    def __init__(self, config: ModelConfig, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        self._products = FLOAT32
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
        if self.config.tied:  # rows of length about 1 suit both uses
            self.embedding.normal_(std=bound, generator=generator)
        else:
            self.embedding.normal_(std=0.5, generator=generator)
            self.output_weight.uniform_(-bound, bound, generator=generator)
        if self.config.cell == "elman_relu" and len(self.layers) > 1:
            for layer in self.recurrent_layers:
                layer.weight_hh.mul_(STACKED_IDENTITY_SCALE)

    def with_weights(self, weights: Mapping[str, Tensor]) -> "RecurrentNetwork":
        """Return a network of the same shape with other weights, which it shares.

        Its products are in float32, whatever those of this network are.

        Args:
            weights: tensors with the names of `state_dict`.
        """
        with torch.device("meta"):  # allocates no memory
            network = RecurrentNetwork(self.config)
        network.load_state_dict(weights, assign=True)
        return network

    @property
    def products(self) -> Products:
        """The matrix products of all layers; setting it changes their precision."""
        return self._products

    @products.setter
    def products(self, products: Products) -> None:
        self._products = products
        for layer in self.recurrent_layers:
            layer.products = products

    @property
    def num_parameters(self) -> int:
        """The number of elements of all parameters."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def tables(self) -> list[nn.Parameter]:
        """The parameters with one row for each token: embedding and, unless tied, output weight."""
        return [self.embedding] if self.config.tied else [self.embedding, self.output_weight]

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.embedding.device

    def initial_state(self, batch_size: int) -> States:
        """The state before the first step: for each layer a tuple of (B, H) tensors of zeros."""
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
        dropout: DropoutSource | None = None,
    ) -> tuple[Tensor, States]:
        """Read T tokens of each row and predict the token after each of them.

        Args:
            inputs_TB: token ids.
            state: the result of `initial_state`, or the state that the last call returned.
            resets_TB: where true, the state becomes zero before that input is read.
            dropout: draws the dropout masks; None, as in evaluation, means no dropout.

        Returns: (logits_TBV, state). If the training text had no unknown tokens, the logit of
            <unk> is minus infinity, and its embedding is the mean of all others.
        """
        y_TBH, after = self._run(inputs_TB, state, resets_TB, dropout)
        return self._compute_logits(y_TBH), after

    def predict_next(
        self, inputs_TB: Tensor, state: States, resets_TB: Tensor | None = None
    ) -> tuple[Tensor, States]:
        """Read a window; return (logits_BV of the token after the last input, state)."""
        y_TBH, after = self._run(inputs_TB, state, resets_TB, None)
        return self._compute_logits(y_TBH[-1]), after

    def compute_loss(
        self,
        inputs_TB: Tensor,
        targets_TB: Tensor,
        state: States,
        resets_TB: Tensor | None = None,
        *,
        dropout: DropoutSource | None = None,
        sample: ClassSample | None = None,
    ) -> tuple[Tensor, States]:
        """Read a window and compute the loss of its predictions.

        Args:
            targets_TB: the token that follows each input.
            sample: the classes to estimate the softmax from; None uses all classes. With a
                sample, the gradients of the tables are sparse.

        Returns: (mean -ln p of the targets in nats, state); the loss is differentiable.
        """
        y_TBH, after = self._run(
            inputs_TB, state, resets_TB, dropout, sparse=sample is not None
        )
        y_MH, targets_M = y_TBH.flatten(0, 1), targets_TB.flatten()
        weight, bias = self.output_table, self.output_bias
        if sample is not None:
            loss = compute_sampled_loss(
                y_MH, weight, bias, targets_M, sample, products=self.products
            )
        else:
            loss = compute_full_loss(
                y_MH, weight, bias, targets_M, products=self.products,
                unknown_trained=self.config.unknown_trained,
            )
        return loss, after

    def read(
        self, inputs_TB: Tensor, state: States, resets_TB: Tensor | None = None
    ) -> tuple[Tensor, States]:
        """Read a window; return (outputs of the last layer, (T, B, H), state)."""
        return self._run(inputs_TB, state, resets_TB, None)

    def compute_surprisal(self, y_MH: Tensor, targets_M: Tensor) -> Tensor:
        """Return -ln p of each target under the full softmax, (M,), given the outputs of `read`."""
        return compute_surprisal(
            y_MH, self.output_table, self.output_bias, targets_M,
            unknown_trained=self.config.unknown_trained, products=self.products,
        )

    def compute_log_p(self, y_MH: Tensor) -> Tensor:
        """Return ln p of every token, (M, V), given the outputs of `read`."""
        return compute_log_p(
            y_MH, self.output_table, self.output_bias,
            unknown_trained=self.config.unknown_trained, products=self.products,
        )

    @property
    def output_table(self) -> Tensor:
        """The weight of the output layer, (V, H): the embedding itself if the tables are tied."""
        return self.embedding if self.config.tied else self.output_weight

    def compute_input_table(self) -> Tensor:
        """Return the input that each token stands for, (V, E)."""
        return self._embed(torch.arange(len(self.embedding), device=self.device), sparse=False)

    def _run(
        self, inputs_TB: Tensor, state: States, resets_TB: Tensor | None,
        dropout: DropoutSource | None, *, sparse: bool = False,
    ) -> tuple[Tensor, States]:
        """Return the outputs of the last layer, after dropout, and the state after the window."""
        probability = self.config.dropout
        ids, index_TB = find_distinct_inputs(inputs_TB, self.config.vocab_size)
        x = self._embed(ids, sparse=sparse)
        x = apply_token_dropout(x, ids, probability, dropout)
        after = []
        for index, (layer, layer_state) in enumerate(
            zip(self.recurrent_layers, state, strict=True)
        ):
            if index == 0 and index_TB is not None:
                gates_MG = layer.project(x).index_select(0, index_TB.flatten())
                gates_TBG = gates_MG.view(*index_TB.shape, -1)
                y_TBH, layer_state = layer.recur(gates_TBG, layer_state, resets_TB)
            else:
                y_TBH, layer_state = layer(x, layer_state, resets_TB)
            x = apply_dropout(y_TBH, probability, dropout, index)
            after.append(layer_state)
        return x, tuple(after)

    def _compute_logits(self, y: Tensor) -> Tensor:
        """Return the logits, (..., V), for outputs of the last layer, (..., H)."""
        return compute_logits(
            y, self.output_table, self.output_bias, unknown_trained=self.config.unknown_trained
        )

    def _embed(self, ids: Tensor, *, sparse: bool) -> Tensor:
        """Return the embedding of each id; of an <unk> that was not trained, the mean of all."""
        x = embedding(ids, self.embedding, sparse=sparse)
        # Gradients are sparse in training only, and its text has an <unk> only if that is trained.
        if self.config.unknown_trained or sparse:
            return x
        unknown = ids == UNKNOWN_ID
        if not unknown.any():
            return x
        mean_E = self.embedding[UNKNOWN_ID + 1 :].mean(dim=0)
        return torch.where(unknown[..., None], mean_E, x)


def find_distinct_inputs(inputs_TB: Tensor, vocab_size: int) -> tuple[Tensor, Tensor | None]:
    """Find repeated tokens, so that each distinct one is embedded and projected only once.

    Returns: (ids_K, index_TB): the distinct tokens, and for each input its place among them.
        (inputs_TB, None) if this does not pay off, and on CUDA, where the gradients of repeated
        tokens would be summed in a random order, so that a run could not be repeated exactly.
    """
    if inputs_TB.device.type != "cpu" or inputs_TB.numel() < MIN_REPEATED_INPUTS:
        return inputs_TB, None
    if vocab_size <= inputs_TB.numel():
        return torch.arange(vocab_size), inputs_TB
    ids_K, index_TB = torch.unique(inputs_TB, return_inverse=True)
    return ids_K, index_TB
