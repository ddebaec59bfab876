"""The settings of fitting a network, and its budget."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rnnlm_cli.config.machine import Precision
from rnnlm_cli.config.option import MAX_SEED, MAX_SIZE, Config, number, option, whole_number

DEFAULT_MINUTES = 5.0
DEFAULT_PEAK_LR = {"adamw": 5e-3, "sgd": 10.0}
DEFAULT_WEIGHT_DECAY = {"adamw": 0.1, "sgd": 0.0}  # the high rate of SGD would multiply it
BUDGETS = ("minutes", "epochs", "steps")

OptimizerName = Literal["adamw", "sgd"]
SoftmaxName = Literal["full", "sampled"]


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Config):
    """The settings of fitting a network. At most one budget: minutes, epochs or steps.

    If `lr` or `weight_decay` is None, it depends on the optimizer; if `softmax` is None, on the
    size of the vocabulary and on the device. If `precision` is None, it is float32; a new run
    chooses it by the processor.
    """

    bptt: int = option(
        64, "Length of truncated backpropagation, in tokens.", whole_number(1, MAX_SIZE),
        panel="Optimization", default_text="64; 32 at word and bpe level",
    )
    batch_size: int = option(
        32, "Batch size (parallel streams).", whole_number(1, MAX_SIZE), panel="Optimization",
    )
    optimizer: OptimizerName = option("adamw", "Optimizer.", panel="Optimization")
    lr: float | None = option(
        None, "Peak learning rate.", number(above=0, maximum=1000), panel="Optimization",
        default_text="chosen from level, cell and size; 10 for sgd",
    )
    weight_decay: float | None = option(
        None, "Weight decay; applied to weight matrices, not to biases.",
        number(minimum=0, maximum=1), panel="Optimization", default_text="0.1; 0 for sgd",
    )
    clip: float | None = option(
        1.0, "Clip the global gradient norm to this value; 0 disables clipping.",
        number(above=0), panel="Optimization",
    )
    accumulate: int = option(
        1, "Number of windows whose gradients are averaged for one step.",
        whole_number(1, MAX_SIZE), panel="Optimization",
    )
    softmax: SoftmaxName | None = option(
        None, "Train with the full softmax or with a sample of the classes; scores always use "
        "the full softmax.", panel="Optimization",
        default_text="sampled for large vocabularies on a CPU",
    )
    num_sampled: int = option(
        1024, "Number of classes that --softmax sampled draws for a window.",
        whole_number(1, 1 << 24), flags=("--softmax-samples",), panel="Optimization",
    )
    precision: Precision | None = option(
        None, "Precision of the operands of matrix products in training. Sums, weights, gates and "
        "validation stay in float32.", panel="Optimization",
        default_text="bfloat16 on processors with avx512_bf16 or AMX, else float32",
    )
    minutes: float | None = option(
        None, "Wall-clock time limit in minutes, start-up and evaluation included.",
        number(above=0, maximum=1e6), default_text=f"{DEFAULT_MINUTES:g}",
    )
    epochs: int | None = option(
        None, "Passes over the training text, instead of --minutes.",
        whole_number(1, 100_000), panel="Budget",
    )
    steps: int | None = option(
        None, "Optimizer steps, instead of --minutes.", whole_number(1, 10**12), panel="Budget",
    )
    patience: int | None = option(
        None, "Stop early after this many validations without an improvement.",
        whole_number(1, 10**9), panel="Budget", default_text="off",
    )
    save_every: float = option(
        2.0, "Minutes between two checkpoints.", number(above=0, maximum=1e6), panel="Run",
    )
    sample_every: int = option(
        1, "Validations between two text samples on a terminal; 0 disables samples.",
        whole_number(0, 10**9), panel="Run",
    )
    seed: int = option(1, "Random seed.", whole_number(0, MAX_SEED), panel="Run")

    @classmethod
    def find_conflicts(cls, known: Mapping[str, Any]) -> Iterator[str]:
        """Yield more than one budget."""
        given = [f"--{name}" for name in BUDGETS if name in known]
        if len(given) > 1:
            yield f"{' and '.join(given)}: given together; one budget is needed"

    @property
    def budget_minutes(self) -> float | None:
        """The time budget in minutes, or None if epochs or steps are the budget."""
        if self.epochs is None and self.steps is None:
            return DEFAULT_MINUTES if self.minutes is None else self.minutes
        return None

    @property
    def peak_lr(self) -> float:
        """The highest learning rate of the schedule."""
        return self.lr if self.lr is not None else DEFAULT_PEAK_LR[self.optimizer]

    @property
    def decay(self) -> float:
        """The weight decay that applies."""
        if self.weight_decay is None:
            return DEFAULT_WEIGHT_DECAY[self.optimizer]
        return self.weight_decay
