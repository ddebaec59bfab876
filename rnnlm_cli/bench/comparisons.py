"""The lines of `rnnlm bench`.

Legend: T time, B batch, V vocabulary size.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from rnnlm_cli.bench.products import WindowProducts, step_products
from rnnlm_cli.bench.timing import Run, Timing, compare
from rnnlm_cli.config import CellName, ModelConfig, TrainConfig
from rnnlm_cli.nn.cells import CELLS
from rnnlm_cli.nn.layer import RecurrentLayer
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.nn.randomness import make_generator
from rnnlm_cli.nn.softmax import ClassSampler
from rnnlm_cli.nn.stepper import Stepper
from rnnlm_cli.train.optimizer import clip_gradients, make_optimizers

LAYER_SHAPES = ((50, 50, 128), (16, 64, 256), (32, 64, 256), (64, 64, 512), (64, 64, 1024))
GENERATION_SIZES = ((2, 128), (1, 256), (2, 512), (2, 1024))  # layers, H
STREAMS = (1, 32)
VOCABULARIES = (10_000, 100_000)
CHARACTERS = 100  # the vocabulary that is generated from
SAMPLED = 1024


@dataclass(frozen=True)
class Row:
    """One line of the table: what was run, the timings of those compared, and ratios."""

    what: str
    shape: str
    timings: dict[str, Timing]
    tokens: int  # of one run
    ratios: dict[str, float] = field(default_factory=dict)


class Bench:
    """Runs the comparisons.

    Args:
        device: where.
        seconds: about how long each line may take; no fewer than three turns are taken.
        small: leave the large shapes out.
    """

    def __init__(self, device: torch.device, *, seconds: float, small: bool = False) -> None:
        self._device, self._seconds, self._small = device, seconds, small

    def layers(self) -> Iterator[Row]:
        """Each cell over a window: forward, and forward and backward."""
        shapes = LAYER_SHAPES[:3] if self._small else LAYER_SHAPES
        for cell in CELLS:
            for batch_size, length, size in shapes:
                yield from self._layer(cell, batch_size, length, size)

    def generation(self) -> Iterator[Row]:
        """One token at a time by an LSTM, for one stream and for many."""
        sizes = GENERATION_SIZES[:2] if self._small else GENERATION_SIZES
        for num_layers, size in sizes:
            config = ModelConfig(
                vocab_size=CHARACTERS, cell="lstm", num_layers=num_layers, hidden_size=size,
                embedding_size=size,
            )
            for streams in STREAMS:
                yield self._generation(config, streams)

    def output_layers(self) -> Iterator[Row]:
        """A whole training step with all classes and with a sample of them, if there are more."""
        for vocab_size in VOCABULARIES[:1] if self._small else VOCABULARIES:
            config = ModelConfig(vocab_size=vocab_size, embedding_size=256, hidden_size=256)
            yield self._training_step(config, 32, 32)

    def model(self, network: RecurrentNetwork, training: dict[str, Any]) -> Iterator[Row]:
        """The same for a given model: its layers, its training step, its generation."""
        config = replace(network.config, dropout=0.0)
        length = int(training.get("bptt") or TrainConfig.bptt)
        batch_size = int(training.get("batch_size") or TrainConfig.batch_size)
        yield from self._layer(config.cell, batch_size, length, config.hidden_size)
        yield self._training_step(config, batch_size, length)
        for streams in STREAMS:
            yield self._generation(config, streams)

    def _layer(self, cell: CellName, batch_size: int, length: int, size: int) -> Iterator[Row]:
        x = torch.randn(length, batch_size, size, device=self._device, requires_grad=True)
        dy = torch.randn(length, batch_size, size, device=self._device)
        oracle = _torch_module(cell, size, size, 1).to(self._device)
        layer = RecurrentLayer(cell, size, size).to(self._device)
        state = layer.initial_state(batch_size)
        products = WindowProducts(cell, batch_size, length, size, self._device)
        trained = [x, *oracle.parameters(), *layer.parameters()]

        def back(y: Tensor) -> None:
            for tensor in trained:
                tensor.grad = None
            y.backward(dy)

        shape, tokens = f"B={batch_size} T={length} H={size}", batch_size * length
        for what, runs in (
            ("forward", {
                "torch.nn": lambda: oracle(x),
                "ours": lambda: layer(x, state),
                "products": products.forward,
            }),
            ("forward+backward", {
                "torch.nn": lambda: back(oracle(x)[0]),
                "ours": lambda: back(layer(x, state)[0]),
                "products": products.both,
            }),
        ):
            timings = compare(runs, self._device, seconds=self._seconds)
            yield _row(f"{cell} {what}", shape, timings, tokens)

    def _generation(self, config: ModelConfig, streams: int) -> Row:
        network = RecurrentNetwork(config).to(self._device)
        module = _torch_module(
            config.cell, config.embedding_size, config.hidden_size, config.num_layers
        ).to(self._device)
        stepper = Stepper(network, network.initial_state(streams))
        steps = 100
        tokens = torch.randint(2, config.vocab_size, (steps, streams)).tolist()
        products = step_products(network, streams)

        @torch.inference_mode()
        def by_torch() -> None:
            state = None
            for tokens_B in tokens:
                x = network.embedding[torch.tensor(tokens_B, device=self._device)]
                y, state = module(x[None], state)
                torch.nn.functional.linear(y, network.output_table, network.output_bias)

        def by_hand() -> None:
            for tokens_B in tokens:
                stepper.step(tokens_B)

        timings = compare({
            "torch.nn": by_torch,
            "ours": by_hand,
            "products": lambda: [products() for _ in range(steps)],
        }, self._device, seconds=self._seconds)
        shape = f"{config.num_layers}x{config.hidden_size}, {streams} stream{'s'[: streams > 1]}"
        return _row(f"{config.cell} generation", shape, timings, steps * streams)

    def _training_step(self, config: ModelConfig, batch_size: int, length: int) -> Row:
        inputs_TB = torch.randint(config.vocab_size, (length, batch_size), device=self._device)
        runs: dict[str, Run] = {}
        counts_V = 1e6 / torch.arange(1, config.vocab_size + 1)  # Zipf's law
        for name in ("full", "sampled") if config.vocab_size > SAMPLED else ("full",):
            network = RecurrentNetwork(config).to(self._device)
            classes = ClassSampler(counts_V, SAMPLED) if name == "sampled" else None
            runs[name] = _Training(network, inputs_TB, classes).step
        timings = compare(runs, self._device, seconds=self._seconds)
        shape = f"V={config.vocab_size} B={batch_size} T={length} H={config.hidden_size}"
        if len(runs) == 1:
            return Row("training step", shape, timings, batch_size * length)
        ratio = timings["full"].median / timings["sampled"].median
        return Row(
            f"training step, {SAMPLED} of V", shape, timings, batch_size * length,
            {"full / sampled": ratio},
        )


def _row(what: str, shape: str, timings: dict[str, Timing], tokens: int) -> Row:
    theirs, ours, bare = (timings[name].median for name in ("torch.nn", "ours", "products"))
    ratios = {"torch.nn / ours": theirs / ours, "products / ours": bare / ours}
    return Row(what, shape, timings, tokens, ratios)


def _torch_module(cell: CellName, input_size: int, size: int, layers: int) -> torch.nn.Module:
    if cell == "lstm":
        return torch.nn.LSTM(input_size, size, layers)
    if cell == "gru":
        return torch.nn.GRU(input_size, size, layers)
    nonlinearity = cell.removeprefix("elman_")
    return torch.nn.RNN(input_size, size, layers, nonlinearity=nonlinearity)


class _Training:
    """Whole training steps of a network on one window."""

    def __init__(
        self, network: RecurrentNetwork, inputs_TB: Tensor, classes: ClassSampler | None
    ) -> None:
        self._network, self._inputs_TB, self._classes = network, inputs_TB, classes
        self._config, self._steps = TrainConfig(), 0
        self._optimizers = make_optimizers(network, self._config, sparse=classes is not None)
        self._state = network.initial_state(inputs_TB.shape[1])

    def step(self) -> None:
        self._steps += 1
        draws = make_generator(1, "classes", self._steps)
        loss, _ = self._network.loss(
            self._inputs_TB, self._inputs_TB.roll(-1, 0), self._state,
            draw=None if self._classes is None else self._classes.draw(draws),
        )
        for parameter in self._network.parameters():
            parameter.grad = None
        loss.backward()
        clip_gradients(self._network, self._config.clip)
        for optimizer in self._optimizers:
            optimizer.step(self._config.peak_lr)
