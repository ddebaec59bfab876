"""Default sizes and rates, chosen from the level, the text and the budget.

The number of tokens that a run can read in its budget decides: a short run wants a small network
that sees much text, a long one a larger network. A network that could memorise its text needs
dropout.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rnnlm_cli.config import CellName, Level, ModelConfig, TrainConfig
from rnnlm_cli.config.option import select_fields
from rnnlm_cli.config.train import DEFAULT_MINUTES

REFERENCE_SIZE, REFERENCE_MINUTES = 256, 2.0
MIN_SIZE, MAX_SIZE, SIZE_STEP = 128, 1024, 32
WINDOWS: dict[Level, int] = {"char": 64, "byte": 64, "bpe": 32, "word": 32}
PEAK_LR: dict[CellName, float] = {
    "elman_tanh": 2e-3, "elman_relu": 2e-3, "gru": 5e-3, "lstm": 5e-3
}  # at REFERENCE_SIZE; twice the hidden size wants half the learning rate
MAX_LR_FACTOR = 4.0  # for the smallest networks
WORD_LR_FACTOR = 1.6  # at word and bpe level, where most tokens are rare
TOKENS_PER_MINUTE: dict[Level, float] = {  # at REFERENCE_SIZE
    "char": 4e6, "byte": 4e6, "bpe": 1.7e6, "word": 1.7e6
}
MIN_DROPOUT_LOAD = 2.7  # up to this load, dropout only slows learning
DROPOUT_PER_DOUBLING, MAX_DROPOUT = 0.1, 0.5


@dataclass(frozen=True)
class TextSize:
    """The length of a training text in tokens, and the size of its vocabulary."""

    num_tokens: int
    vocab_size: int


@dataclass(frozen=True)
class Recipe:
    """The configurations of a run, with every default chosen.

    Args:
        size_reason: the explanation printed after the hidden size; empty if it was given.
    """

    model: ModelConfig
    train: TrainConfig
    size_reason: str


def choose_recipe(
    level: Level, text: TextSize, given: Mapping[str, Any], *, unknown_trained: bool
) -> Recipe:
    """Choose a default for every setting that was not given.

    Args:
        given: valid settings by the field names of ModelConfig and TrainConfig.
        unknown_trained: whether the training text has unknown tokens.
    """
    words = level in ("word", "bpe")
    size, reason = choose_hidden_size(given)
    tied: bool = given.get("tied", words and given.get("embedding_size", size) == size)
    settings: dict[str, Any] = {
        "hidden_size": size,
        "tied": tied,
        "embedding_size": size if tied or words else ModelConfig.embedding_size,
        "bptt": WINDOWS[level],
        "batch_size": TrainConfig.batch_size,
    }
    if given.get("optimizer", TrainConfig.optimizer) == "adamw":
        lr = PEAK_LR[given.get("cell", ModelConfig.cell)] * (WORD_LR_FACTOR if words else 1)
        settings["lr"] = lr * min(REFERENCE_SIZE / size, MAX_LR_FACTOR)
    settings |= given
    if "dropout" not in settings:
        settings["dropout"] = _choose_dropout(level, text, settings)
    model = select_fields(ModelConfig, settings) | {
        "vocab_size": text.vocab_size, "unknown_trained": unknown_trained
    }
    return Recipe(
        ModelConfig(**model), TrainConfig(**select_fields(TrainConfig, settings)), reason
    )


def choose_hidden_size(given: Mapping[str, Any]) -> tuple[int, str]:
    """Return the hidden size and the reason for it; the given size has no reason.

    The hidden size grows with the fourth root of the time budget.
    """
    if "hidden_size" in given:
        return given["hidden_size"], ""
    if "epochs" in given or "steps" in given:
        return REFERENCE_SIZE, " (as --minutes is not the budget)"
    minutes = given.get("minutes", DEFAULT_MINUTES)
    size = REFERENCE_SIZE * (minutes / REFERENCE_MINUTES) ** 0.25
    size = min(max(MIN_SIZE, size), MAX_SIZE)
    unit = "minute" if minutes == 1 else "minutes"
    return SIZE_STEP * round(size / SIZE_STEP), f" (to suit {minutes:g} {unit})"


def _estimate_tokens_read(level: Level, text: TextSize, settings: Mapping[str, Any]) -> float:
    """Estimate how many tokens the run will read."""
    if "epochs" in settings:
        return float(text.num_tokens * settings["epochs"])
    if "steps" in settings:
        return float(math.prod(settings[name] for name in ("steps", "batch_size", "bptt")))
    minutes: float = settings.get("minutes", DEFAULT_MINUTES)
    speed: float = (REFERENCE_SIZE / settings["hidden_size"]) ** 1.5
    return TOKENS_PER_MINUTE[level] * speed * minutes


def _choose_dropout(level: Level, text: TextSize, settings: Mapping[str, Any]) -> float:
    """Choose dropout from epochs * parameters / tokens, a measure of how easily the text can be
    memorised: none up to a load, then more for every doubling.
    """
    num_tokens = max(text.num_tokens, 1)
    num_parameters = text.vocab_size * settings["embedding_size"] + 4 * settings["hidden_size"] ** 2
    epochs = _estimate_tokens_read(level, text, settings) / num_tokens
    load = epochs * num_parameters / num_tokens
    if load <= MIN_DROPOUT_LOAD:
        return 0.0
    dropout: float = DROPOUT_PER_DOUBLING * math.log2(load / MIN_DROPOUT_LOAD)
    return round(min(dropout, MAX_DROPOUT), 2)
