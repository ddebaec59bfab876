"""Every setting with its default and its check, once. No torch here: --help reads it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from rnnlm_cli.errors import ConfigError

UNKNOWN_ID = 0  # <unk>
BOUNDARY_ID = 1  # the newline between two lines

Level = Literal["char", "byte", "word", "bpe"]
TextMode = Literal["sentences", "running"]
CellName = Literal["elman_tanh", "elman_relu", "gru", "lstm"]
OptimizerName = Literal["adamw", "sgd"]
SoftmaxName = Literal["full", "sampled"]

MAX_SIZE = 1 << 20  # of a layer, a window, a batch: beyond it is a slip of the hand
MAX_LAYERS = 64
MAX_SEED = (1 << 63) - 1


def _whole(option: str, value: int, least: int, most: int) -> Iterator[str]:
    if not isinstance(value, int) or not least <= value <= most:
        yield f"{option}: '{value}' given; a whole number from {least} to {most} is needed"


def _number(
    option: str, value: float, *, above: float = -math.inf, least: float = -math.inf,
    below: float = math.inf, most: float = math.inf,
) -> Iterator[str]:
    """A finite number within the bounds; `above` and `below` leave the bound itself out."""
    if math.isfinite(value) and value > above and value >= least and value < below:
        if value <= most:
            return
    words = [
        f"{word} {bound:g}"
        for word, bound in (("above", above), ("at least", least), ("below", below))
        if math.isfinite(bound)
    ]
    if math.isfinite(most):
        words.append(f"at most {most:g}")
    yield f"{option}: '{value:g}' given; a number {' and '.join(words)} is needed"


def _one_of(option: str, value: object, choices: tuple[str, ...]) -> Iterator[str]:
    if value not in choices:
        yield f"{option}: '{value}' given; one of {', '.join(choices)} is needed"


class _Checked:
    """Runs `_problems` when made, and reports all of them at once."""

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ConfigError(". ".join(problems))

    def _problems(self) -> Iterator[str]:
        yield from ()


@dataclass(frozen=True, kw_only=True)
class TextConfig(_Checked):
    """How a text becomes tokens.

    `text` and `min_count` left None follow the level: word-level text is taken as sentences,
    and tokens seen fewer than twice are unknown (byte and bpe level know all text).
    """

    level: Level = "char"
    text: TextMode | None = None
    min_count: int | None = None
    vocab_size: int | None = None
    encoding: str | None = None
    valid_fraction: float = 0.1

    BPE_TOKENS = 4096

    def _problems(self) -> Iterator[str]:
        yield from _one_of("--level", self.level, get_args(Level))
        if self.text is not None:
            yield from _one_of("--text", self.text, get_args(TextMode))
        if self.min_count is not None:
            yield from _whole("--min-count", self.min_count, 1, 1 << 31)
        if self.vocab_size is not None:
            least = 258 if self.level == "bpe" else 3  # every byte, and a merge
            yield from _whole("--vocab-size", self.vocab_size, least, 1 << 24)
        yield from _number("--valid-fraction", self.valid_fraction, above=0, below=1)
        if self.level == "byte":
            for option, value in (
                ("--min-count", self.min_count),
                ("--vocab-size", self.vocab_size),
                ("--encoding", self.encoding),
            ):
                if value is not None:
                    yield f"{option}: has no meaning with --level byte, which takes every byte"
        if self.level == "bpe" and self.min_count is not None:
            yield "--min-count: has no meaning with --level bpe, which knows all text"

    @property
    def sentences(self) -> bool:
        """Whether every line is a sentence of its own, rather than one running text."""
        return (self.text or ("sentences" if self.level == "word" else "running")) == "sentences"

    @property
    def codec(self) -> str | None:
        """The encoding of the text files; None for bytes as they are."""
        return None if self.level == "byte" else self.encoding or "utf-8"

    @property
    def least_count(self) -> int:
        """The count below which a token is unknown."""
        return 2 if self.min_count is None else self.min_count

    @property
    def max_tokens(self) -> int:
        """How many tokens a bpe vocabulary has, where the text has enough pairs."""
        return self.BPE_TOKENS if self.vocab_size is None else self.vocab_size


@dataclass(frozen=True, kw_only=True)
class ModelConfig(_Checked):
    """The network's shape. `unknown_trained` says whether training held unknown tokens."""

    vocab_size: int
    unknown_trained: bool = True
    cell: CellName = "gru"
    num_layers: int = 1
    embedding_size: int = 64
    hidden_size: int = 256
    tied: bool = False
    dropout: float = 0.0

    def _problems(self) -> Iterator[str]:
        yield from _one_of("--cell", self.cell, get_args(CellName))
        yield from _whole("vocabulary", self.vocab_size, 2, 1 << 24)
        yield from _whole("--layers", self.num_layers, 1, MAX_LAYERS)
        yield from _whole("--embedding-size", self.embedding_size, 1, MAX_SIZE)
        yield from _whole("--hidden-size", self.hidden_size, 1, MAX_SIZE)
        yield from _number("--dropout", self.dropout, least=0, below=1)
        if self.tied and self.embedding_size != self.hidden_size:
            yield (
                f"--tied: --embedding-size {self.embedding_size} and --hidden-size "
                f"{self.hidden_size} given; they must be equal, as both share one table"
            )


@dataclass(frozen=True, kw_only=True)
class TrainConfig(_Checked):
    """How a network is fitted. One budget at most: minutes, epochs or steps.

    `lr` and `weight_decay` left None follow the optimizer, and `softmax` the size of the
    vocabulary and the device.
    """

    bptt: int = 64
    batch_size: int = 32
    optimizer: OptimizerName = "adamw"
    lr: float | None = None
    weight_decay: float | None = None
    clip: float | None = 1.0
    accumulate: int = 1
    softmax: SoftmaxName | None = None
    num_sampled: int = 1024
    minutes: float | None = None
    epochs: int | None = None
    steps: int | None = None
    patience: int | None = None
    save_every: float = 2.0
    sample_every: int = 1
    seed: int = 1

    DEFAULT_MINUTES = 5.0

    def _problems(self) -> Iterator[str]:
        yield from _whole("--bptt", self.bptt, 1, MAX_SIZE)
        yield from _whole("--batch-size", self.batch_size, 1, MAX_SIZE)
        yield from _one_of("--optimizer", self.optimizer, get_args(OptimizerName))
        if self.lr is not None:
            yield from _number("--lr", self.lr, above=0, most=1000)
        if self.weight_decay is not None:
            yield from _number("--weight-decay", self.weight_decay, least=0, most=1)
        if self.clip is not None:
            yield from _number("--clip", self.clip, above=0)
        if self.softmax is not None:
            yield from _one_of("--softmax", self.softmax, get_args(SoftmaxName))
        yield from _whole("--softmax-samples", self.num_sampled, 1, 1 << 24)
        if self.minutes is not None:
            yield from _number("--minutes", self.minutes, above=0, most=1e6)
        if self.epochs is not None:
            yield from _whole("--epochs", self.epochs, 1, 100_000)
        if self.steps is not None:
            yield from _whole("--steps", self.steps, 1, 10**12)
        yield from _whole("--accumulate", self.accumulate, 1, MAX_SIZE)
        if self.patience is not None:
            yield from _whole("--patience", self.patience, 1, 10**9)
        yield from _number("--save-every", self.save_every, above=0, most=1e6)
        yield from _whole("--sample-every", self.sample_every, 0, 10**9)
        yield from _whole("--seed", self.seed, 0, MAX_SEED)
        given = [name for name in ("minutes", "epochs", "steps") if getattr(self, name) is not None]
        if len(given) > 1:
            options = " and ".join(f"--{name}" for name in given)
            yield f"{options}: given together; one budget is needed"

    @property
    def budget_minutes(self) -> float | None:
        """The minutes asked for, or None where epochs or steps are the budget."""
        if self.epochs is None and self.steps is None:
            return self.DEFAULT_MINUTES if self.minutes is None else self.minutes
        return None

    @property
    def peak_lr(self) -> float:
        """The highest learning rate of the plan."""
        return self.lr if self.lr is not None else {"adamw": 5e-3, "sgd": 10.0}[self.optimizer]

    @property
    def decay(self) -> float:
        """The weight decay: none for SGD, whose high rate would multiply it."""
        if self.weight_decay is None:
            return 0.1 if self.optimizer == "adamw" else 0.0
        return self.weight_decay


@dataclass(frozen=True, kw_only=True)
class SampleConfig(_Checked):
    """How new text is drawn. Off: temperature 0 is greedy, top_k 0, top_p 1 keep everything."""

    num_tokens: int = 200
    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    num_samples: int = 1
    seed: int = 1

    def _problems(self) -> Iterator[str]:
        yield from _whole("--n", self.num_tokens, 1, 10**12)
        yield from _number("--temperature", self.temperature, least=0, most=1000)
        yield from _whole("--top-k", self.top_k, 0, 1 << 24)
        yield from _number("--top-p", self.top_p, above=0, most=1)
        yield from _whole("--samples", self.num_samples, 1, 1 << 16)
        yield from _whole("--seed", self.seed, 0, MAX_SEED)
