"""rnnlm bench: what is written by hand beside torch.nn and beside the bare matrix products.

Everything that is compared runs in turns in one process; a figure is the median of its turns,
with the interquartile range, in percent of the median, as its spread.

Legend: T time, B batch, H hidden size (inputs are as wide), G = (number of gates) * H,
V vocabulary size.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import Tensor

from rnnlm_cli.config import CellName, ModelConfig, TrainConfig
from rnnlm_cli.nn.cells import CELLS
from rnnlm_cli.nn.layer import RecurrentLayer
from rnnlm_cli.nn.model import RecurrentNetwork
from rnnlm_cli.nn.randomness import generator
from rnnlm_cli.nn.softmax import ClassSampler
from rnnlm_cli.nn.step import Stepper
from rnnlm_cli.train.optimizer import clip_gradients, make_optimizers

LAYER_SHAPES = ((50, 50, 128), (16, 64, 256), (32, 64, 256), (64, 64, 512), (64, 64, 1024))
GENERATION_SIZES = ((2, 128), (1, 256), (2, 512), (2, 1024))  # layers, H
STREAMS = (1, 32)
VOCABULARIES = (10_000, 100_000)
CHARACTERS = 100  # the vocabulary that is generated from
SAMPLED = 1024
FEWEST_TURNS, MOST_TURNS = 3, 25


@dataclass(frozen=True)
class Timing:
    """Seconds of one run, and how far the middle half of the runs lie apart, in percent."""

    median: float
    spread: float


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
        products = _Products(cell, batch_size, length, size, self._device)
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
            timings = self._compare(runs)
            yield _row(f"{cell} {what}", shape, timings, tokens)

    def _generation(self, config: ModelConfig, streams: int) -> Row:
        network = RecurrentNetwork(config).to(self._device)
        module = _torch_module(
            config.cell, config.embedding_size, config.hidden_size, config.num_layers
        ).to(self._device)
        stepper = Stepper(network, network.initial_state(streams))
        steps = 100
        tokens = torch.randint(2, config.vocab_size, (steps, streams)).tolist()
        products = _step_products(network, streams)

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

        timings = self._compare({
            "torch.nn": by_torch,
            "ours": by_hand,
            "products": lambda: [products() for _ in range(steps)],
        })
        shape = f"{config.num_layers}x{config.hidden_size}, {streams} stream{'s'[: streams > 1]}"
        return _row(f"{config.cell} generation", shape, timings, steps * streams)

    def _training_step(self, config: ModelConfig, batch_size: int, length: int) -> Row:
        inputs_TB = torch.randint(config.vocab_size, (length, batch_size), device=self._device)
        runs: dict[str, Callable[[], Any]] = {}
        counts_V = 1e6 / torch.arange(1, config.vocab_size + 1)  # Zipf's law
        for name in ("full", "sampled") if config.vocab_size > SAMPLED else ("full",):
            network = RecurrentNetwork(config).to(self._device)
            classes = ClassSampler(counts_V, SAMPLED) if name == "sampled" else None
            runs[name] = _Training(network, inputs_TB, classes).step
        timings = self._compare(runs)
        shape = f"V={config.vocab_size} B={batch_size} T={length} H={config.hidden_size}"
        if len(runs) == 1:
            return Row("training step", shape, timings, batch_size * length)
        ratio = timings["full"].median / timings["sampled"].median
        return Row(
            f"training step, {SAMPLED} of V", shape, timings, batch_size * length,
            {"full / sampled": ratio},
        )

    def _compare(self, runs: dict[str, Callable[[], Any]]) -> dict[str, Timing]:
        """Run all in turns, after one turn to warm up."""
        durations: dict[str, list[float]] = {name: [] for name in runs}
        started = time.perf_counter()
        for turn in range(MOST_TURNS + 1):
            for name, run in runs.items():
                seconds = self._time(run)
                if turn:
                    durations[name].append(seconds)
            if turn >= FEWEST_TURNS and time.perf_counter() - started > self._seconds:
                break
        return {name: _timing(each) for name, each in durations.items()}

    def _time(self, run: Callable[[], Any]) -> float:
        if self._device.type == "cuda":
            first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            first.record()
            run()
            last.record()
            torch.cuda.synchronize()
            return cast(float, first.elapsed_time(last)) / 1000
        before = time.perf_counter()
        run()
        return time.perf_counter() - before


def _timing(durations: list[float]) -> Timing:
    median = statistics.median(durations)
    first, _, third = statistics.quantiles(durations, n=4)
    return Timing(median, 100 * (third - first) / median)


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


class _Products:
    """The matrix products that a window cannot do without, in the faster order of operands.

    One for the inputs of all steps and T recurrent ones; back, T recurrent ones, and those for
    the gradients of both matrices and of the inputs.
    """

    def __init__(
        self, cell: CellName, batch_size: int, length: int, size: int, device: torch.device
    ) -> None:
        gates = CELLS[cell].num_gates * size
        self._length = length
        self._x_MH = torch.randn(length * batch_size, size, device=device)
        self._gates_MG = torch.randn(length * batch_size, gates, device=device)
        weight_GH = torch.randn(gates, size, device=device)
        self._weight_GH = weight_GH
        h_BH = torch.randn(batch_size, size, device=device)
        grad_BG = torch.randn(batch_size, gates, device=device)
        self._recurrent = _faster_product(h_BH, weight_GH.t())
        self._recurrent_back = _faster_product(grad_BG, weight_GH)

    def forward(self) -> None:
        torch.mm(self._x_MH, self._weight_GH.t(), out=self._gates_MG)
        for _ in range(self._length):
            self._recurrent()

    def both(self) -> None:
        self.forward()
        for _ in range(self._length):
            self._recurrent_back()
        self._gates_MG @ self._weight_GH
        for _ in range(2):
            self._gates_MG.t() @ self._x_MH


def _faster_product(x_BK: Tensor, weight_KN: Tensor) -> Callable[[], Any]:
    """x W or W^T x^T, whichever is faster, both with operands laid out for it."""
    weight, weight_t = weight_KN.contiguous(), weight_KN.t().contiguous()
    x_t = x_BK.t().contiguous()
    out, out_t = x_BK @ weight, weight_t @ x_t
    orders: tuple[Callable[[], Any], ...] = (
        lambda: torch.mm(x_BK, weight, out=out), lambda: torch.mm(weight_t, x_t, out=out_t),
    )
    best = []
    for order in orders:
        durations = []
        for _ in range(7):
            before = time.perf_counter()
            order()
            durations.append(time.perf_counter() - before)
        best.append(statistics.median(durations))
    return orders[best.index(min(best))]


def _step_products(network: RecurrentNetwork, streams: int) -> Callable[[], Any]:
    """The products of one step: two a layer and the output's; with one stream by a vector."""
    weights = [m for layer in network.recurrent_layers for m in (layer.weight_ih, layer.weight_hh)]
    runs: list[Callable[[], Any]] = []
    for weight in (*weights, network.output_table):
        weight_NK = weight.detach()
        x = torch.randn(streams, weight_NK.shape[1], device=weight_NK.device)
        if streams == 1:
            runs.append(_vector_product(weight_NK, x[0]))
        else:
            runs.append(_faster_product(x, weight_NK.t()))
    return lambda: [run() for run in runs]


def _vector_product(weight_NK: Tensor, x_K: Tensor) -> Callable[[], Any]:
    out_N = weight_NK @ x_K
    return lambda: torch.mv(weight_NK, x_K, out=out_N)


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
        draws = generator(1, "classes", self._steps)
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
