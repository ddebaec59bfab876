"""What `rnnlm train` was asked for, and the configurations that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from rnnlm_cli.config import ModelConfig, TextConfig, TrainConfig
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.text.sources import Sources

LONGER = ("minutes", "epochs", "steps")  # flags that make a run longer
FREE = ("patience", "save_every", "sample_every")  # flags that may change on the way


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for. `given` has only what was, by the names of the configurations' fields."""

    sources: Sources
    given: dict[str, Any]
    out: Path
    init: Path | None
    cache_folder: Path | None
    threads: int | None
    device: str | None
    restart: bool
    dry_run: bool
    nonlinearity: Literal["tanh", "relu"] | None


def checked(given: Mapping[str, Any], usual: Mapping[str, Any]) -> TextConfig:
    """Find what is wrong with the flags, all at once. Returns how texts become tokens."""
    makers: tuple[Callable[[], object], ...] = (
        lambda: text_config(given), lambda: model_config(usual), lambda: train_config(usual),
    )
    made: list[object] = []
    problems: list[str] = []
    for make in makers:
        try:
            made.append(make())
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError(". ".join(problems))
    text = made[0]
    assert isinstance(text, TextConfig)
    return text


def text_config(settings: Mapping[str, Any]) -> TextConfig:
    return TextConfig(**_fields_of(TextConfig, settings))


def model_config(settings: Mapping[str, Any]) -> ModelConfig:
    return ModelConfig(**({"vocab_size": 2} | _fields_of(ModelConfig, settings, "vocab_size")))


def train_config(settings: Mapping[str, Any]) -> TrainConfig:
    return TrainConfig(**_fields_of(TrainConfig, settings))


def _fields_of(config: type[Any], settings: Mapping[str, Any], *but: str) -> dict[str, Any]:
    names = {each.name for each in fields(config)} - set(but)
    return {name: value for name, value in settings.items() if name in names}


def flag(name: str) -> str:
    """The option that sets a field."""
    renamed = {"num_layers": "layers", "num_sampled": "softmax-samples"}
    return "--" + renamed.get(name, name.replace("_", "-"))
