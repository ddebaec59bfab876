"""The comparisons of `rnnlm bench`, one for each line of its table.

Legend: T time, B batch, V vocabulary size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from rnnlm_cli.bench.comparison import Comparison, divide, make_comparison
from rnnlm_cli.bench.generation_runs import STEPS_PER_RUN, GenerationRuns
from rnnlm_cli.bench.layer_runs import LayerRun, TorchLayerRun
from rnnlm_cli.bench.products import WindowProducts
from rnnlm_cli.bench.scoring_runs import ScoringRun, TorchScoringRun
from rnnlm_cli.bench.timing import Run, Timing, compare
from rnnlm_cli.bench.training_step import make_training_step
from rnnlm_cli.config import CellName, ModelConfig, Precision, TrainConfig
from rnnlm_cli.nn.cells import CELLS
from rnnlm_cli.nn.matmul import supports_bfloat16
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.nn.softmax import ClassSampler
from rnnlm_cli.score.evaluate import MAX_BATCH_TOKENS, MAX_ROWS

LAYER_SHAPES = ((50, 50, 128), (16, 64, 256), (32, 64, 256), (64, 64, 512), (64, 64, 1024))
GENERATION_SIZES = ((2, 128), (1, 256), (2, 512), (2, 1024))  # layers, H
NUM_ROWS = (1, 32)  # streams of generation
VOCABULARIES = (10_000, 100_000)
GENERATION_VOCAB_SIZE = 100  # that of a character model
NUM_SAMPLED_CLASSES = 1024
PRECISION_SIZES = (256, 512, 1024)
PRECISIONS: tuple[Precision, Precision] = ("float32", "bfloat16")


class Bench:
    """Runs the comparisons.

    Args:
        device: the device to run on.
        seconds: the approximate time for each comparison. At least three turns are taken.
        small: whether to leave out the large shapes.
    """

    def __init__(self, device: torch.device, *, seconds: float, small: bool = False) -> None:
        self._device, self._seconds, self._small = device, seconds, small

    def compare_layers(self) -> Iterator[Comparison]:
        """Compare each cell over a window: forward, and forward and backward."""
        shapes = LAYER_SHAPES[:3] if self._small else LAYER_SHAPES
        for cell in CELLS:
            for batch_size, length, size in shapes:
                yield from self._compare_layer(cell, batch_size, length, size)

    def compare_generation(self) -> Iterator[Comparison]:
        """Compare the generation of text, for one stream and for many."""
        sizes = GENERATION_SIZES[:2] if self._small else GENERATION_SIZES
        yield from self._compare_generation([
            ModelConfig(
                vocab_size=GENERATION_VOCAB_SIZE, cell="lstm", num_layers=num_layers,
                hidden_size=size, embedding_size=size,
            )
            for num_layers, size in sizes
        ])

    def compare_output_layers(self) -> Iterator[Comparison]:
        """Compare training steps with the full and the sampled softmax."""
        for vocab_size in VOCABULARIES[:1] if self._small else VOCABULARIES:
            config = ModelConfig(vocab_size=vocab_size, embedding_size=256, hidden_size=256)
            yield self._compare_training_step(config, 32, 32)

    def compare_precisions(self) -> Iterator[Comparison]:
        """Compare training steps in float32 and in bfloat16, if the processor gains from it."""
        if supports_bfloat16(self._device):
            for size in PRECISION_SIZES[:1] if self._small else PRECISION_SIZES:
                yield self._compare_precisions(size)

    def compare_model(
        self, network: RecurrentNetwork, training: dict[str, Any]
    ) -> Iterator[Comparison]:
        """Compare a given model: its layer, scoring, its training step and its generation.

        Args:
            training: the training summary of the model, for the batch size and the window length.
        """
        config = replace(network.config, dropout=0.0)
        length = int(training.get("bptt") or TrainConfig.bptt)
        batch_size = int(training.get("batch_size") or TrainConfig.batch_size)
        yield from self._compare_layer(config.cell, batch_size, length, config.hidden_size)
        yield self._compare_scoring(network)
        yield self._compare_training_step(config, batch_size, length)
        yield from self._compare_generation([config])

    def _compare_layer(
        self, cell: CellName, batch_size: int, length: int, size: int
    ) -> Iterator[Comparison]:
        """Compare one layer with torch.nn's and with the bare products."""
        x_TBH, dy_TBH = torch.randn(2, length, batch_size, size, device=self._device)
        theirs, ours = (make(cell, x_TBH, dy_TBH) for make in (TorchLayerRun, LayerRun))
        products = WindowProducts(cell, batch_size, length, size, self._device)
        shape, tokens = f"B={batch_size} T={length} H={size}", batch_size * length
        for what, runs in (
            ("forward", {
                "torch.nn": theirs.run_forward,
                "ours": ours.run_forward,
                "products": products.run_forward,
            }),
            ("forward+backward", {
                "torch.nn": theirs.run_forward_and_backward,
                "ours": ours.run_forward_and_backward,
                "products": products.run_forward_and_backward,
            }),
        ):
            timings = compare(runs, self._device, seconds=self._seconds)
            yield make_comparison(f"{cell} {what}", shape, timings, tokens)

    def _compare_scoring(self, network: RecurrentNetwork) -> Comparison:
        """Compare a window through the whole network with torch.nn, full softmax included."""
        length, vocab_size = MAX_BATCH_TOKENS // MAX_ROWS, network.config.vocab_size
        tokens = torch.randint(1, vocab_size, (2, length, MAX_ROWS), device=network.device)
        theirs, ours = (make(network, *tokens) for make in (TorchScoringRun, ScoringRun))
        timings = compare(
            {"torch.nn": theirs.run, "ours": ours.run}, self._device, seconds=self._seconds
        )
        shape = f"V={vocab_size} B={MAX_ROWS} T={length} H={network.config.hidden_size}"
        return Comparison(
            f"{network.config.cell} scoring", shape, timings, MAX_BATCH_TOKENS,
            divide(timings, "torch.nn", "ours"),
        )

    def _compare_generation(self, configs: Sequence[ModelConfig]) -> Iterator[Comparison]:
        """Compare steps with torch.nn, in several precisions, and with the sampling around them."""
        networks = [GenerationRuns(config, self._device) for config in configs]
        for network in networks:
            for num_rows in NUM_ROWS:
                timings = self._compare(network.make_steps(num_rows))
                shape = f"{network.shape}, {num_rows} stream{'s'[: num_rows > 1]}"
                yield make_comparison(network.what, shape, timings, STEPS_PER_RUN * num_rows)
        for network in networks:
            yield from self._compare_with_first(network, "precision", network.make_precisions())
        for network in networks:
            yield from self._compare_with_first(network, "sampling", network.make_samplers())

    def _compare_with_first(
        self, network: GenerationRuns, what: str, runs: dict[str, Run]
    ) -> Iterator[Comparison]:
        """Compare generations of one stream with the first of them, if there are several."""
        if len(runs) > 1:
            timings = self._compare(runs)
            first, *rest = timings
            ratios: dict[str, float] = {}
            for each in rest:
                ratios |= divide(timings, first, each)
            yield Comparison(
                f"{network.what}, {what}", f"{network.shape}, 1 stream", timings, STEPS_PER_RUN,
                ratios,
            )

    def _compare(self, runs: dict[str, Run]) -> dict[str, Timing]:
        return compare(runs, self._device, seconds=self._seconds)

    def _compare_training_step(
        self, config: ModelConfig, batch_size: int, length: int
    ) -> Comparison:
        """Compare training steps with all classes and, if V is large enough, with a sample."""
        runs: dict[str, Run] = {}
        counts_V = 1e6 / torch.arange(1, config.vocab_size + 1)  # Zipf's law
        train = TrainConfig(batch_size=batch_size, bptt=length)
        for name in ("full", "sampled") if config.vocab_size > NUM_SAMPLED_CLASSES else ("full",):
            classes = ClassSampler(counts_V, NUM_SAMPLED_CLASSES) if name == "sampled" else None
            runs[name] = make_training_step(config, train, classes, self._device)
        timings = compare(runs, self._device, seconds=self._seconds)
        shape = f"V={config.vocab_size} B={batch_size} T={length} H={config.hidden_size}"
        if len(runs) == 1:
            return Comparison("training step", shape, timings, batch_size * length)
        return Comparison(
            f"training step, {NUM_SAMPLED_CLASSES} of V", shape, timings, batch_size * length,
            divide(timings, "full", "sampled"),
        )

    def _compare_precisions(self, size: int) -> Comparison:
        """Compare training steps of a character model in both precisions."""
        config = ModelConfig(vocab_size=GENERATION_VOCAB_SIZE, hidden_size=size)
        runs: dict[str, Run] = {
            name: make_training_step(config, TrainConfig(precision=name), None, self._device)
            for name in PRECISIONS
        }
        timings = compare(runs, self._device, seconds=self._seconds)
        batch_size, length = TrainConfig.batch_size, TrainConfig.bptt
        return Comparison(
            "training step, precisions", f"B={batch_size} T={length} H={size}", timings,
            batch_size * length, divide(timings, *PRECISIONS),
        )
