"""Sizes and rates that nobody asked for: chosen from the level, the text and the budget.

What a run can read in its budget decides: a short one wants a small network that sees much text,
a long one a larger network. A network that could learn its text by heart wants dropout.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rnnlm_cli.config import CellName, Level, ModelConfig, TrainConfig

USUAL_SIZE, USUAL_MINUTES = 256, 2.0
MIN_SIZE, MAX_SIZE, SIZE_STEP = 128, 1024, 32
WINDOWS: dict[Level, int] = {"char": 64, "byte": 64, "bpe": 32, "word": 32}
RATES: dict[CellName, float] = {
    "elman_tanh": 2e-3, "elman_relu": 2e-3, "gru": 5e-3, "lstm": 5e-3
}  # for USUAL_SIZE; twice the units want half of it
MAX_LR_FACTOR = 4.0  # times those, for the smallest
WORDS_RATE = 1.6  # times as high: most words come rarely
TOKENS_A_MINUTE: dict[Level, float] = {  # USUAL_SIZE
    "char": 4e6, "byte": 4e6, "bpe": 1.7e6, "word": 1.7e6
}
UNDROPPED_LOAD = 2.7
DROPOUT_A_DOUBLING, MAX_DROPOUT = 0.1, 0.5


@dataclass(frozen=True)
class TextSize:
    """How long a training text is, in tokens, and how many different ones it has."""

    num_tokens: int
    vocab_size: int


USUAL_TEXT = TextSize(1_000_000, 100)


@dataclass(frozen=True)
class Chosen:
    """All settings, those that were given among them, and why the size is what it is.

    Args:
        settings: by the field names of ModelConfig and TrainConfig.
        reason: to be put behind the size; empty where it was given.
    """

    settings: dict[str, Any]
    reason: str


def choose(level: Level, text: TextSize, given: Mapping[str, Any]) -> Chosen:
    """Fill in what is missing of `given`.

    Args:
        given: what was asked for, the budget too, by the field names of ModelConfig and
            TrainConfig. Whether its values are possible is for those to say.
    """
    words = level in ("word", "bpe")
    size, reason = _hidden_size(given)
    size = given.get("hidden_size", size)
    tied: bool = given.get("tied", words and given.get("embedding_size", size) == size)
    settings: dict[str, Any] = {
        "hidden_size": size,
        "tied": tied,
        "embedding_size": size if tied or words else ModelConfig.embedding_size,
        "bptt": WINDOWS[level],
        "batch_size": TrainConfig.batch_size,
    }
    if given.get("optimizer", TrainConfig.optimizer) == "adamw":
        rate = RATES[given.get("cell", ModelConfig.cell)] * (WORDS_RATE if words else 1)
        settings["lr"] = rate * min(USUAL_SIZE / _sane(size), MAX_LR_FACTOR)
    settings |= given
    settings.setdefault("dropout", _dropout(text, settings, _num_read(level, text, settings)))
    return Chosen(settings, "" if "hidden_size" in given else f" ({reason})")


def _hidden_size(given: Mapping[str, Any]) -> tuple[int, str]:
    """As many units as the budget can teach: sixteen times the minutes for twice as many."""
    if "epochs" in given or "steps" in given:
        return USUAL_SIZE, "as --minutes is not the budget"
    minutes = given.get("minutes", TrainConfig.DEFAULT_MINUTES)
    size = USUAL_SIZE * (_sane(minutes) / USUAL_MINUTES) ** 0.25
    size = min(max(MIN_SIZE, size), MAX_SIZE)
    return SIZE_STEP * round(size / SIZE_STEP), f"to suit {minutes:g} minutes"


def _num_read(level: Level, text: TextSize, settings: Mapping[str, Any]) -> float:
    """About how many tokens the run will read."""
    if "epochs" in settings:
        return text.num_tokens * _sane(settings["epochs"])
    if "steps" in settings:
        return math.prod(_sane(settings[name]) for name in ("steps", "batch_size", "bptt"))
    minutes = settings.get("minutes", TrainConfig.DEFAULT_MINUTES)
    speed: float = (USUAL_SIZE / _sane(settings["hidden_size"])) ** 1.5
    return TOKENS_A_MINUTE[level] * speed * _sane(minutes)


def _dropout(text: TextSize, settings: Mapping[str, Any], num_read: float) -> float:
    """By how well the text could be learnt by heart: readings times weights a token.

    Below a load no dropout, as that slows learning; then more for every doubling.
    """
    tokens = _sane(text.num_tokens)
    num_weights = text.vocab_size * _sane(settings["embedding_size"])
    num_weights += 4 * _sane(settings["hidden_size"]) ** 2
    load = num_read / tokens * num_weights / tokens
    dropout = DROPOUT_A_DOUBLING * math.log2(_sane(load) / UNDROPPED_LOAD)
    return round(min(max(0.0, dropout), MAX_DROPOUT), 2)


def _sane(value: float) -> float:
    """Within what can be calculated with; a value that is not will be refused."""
    return min(max(1e-12, value), 1e15)
