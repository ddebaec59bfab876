"""What was decided before a run: its texts, and how they, the network and the fitting are set."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from rnnlm_cli.config import ModelConfig, TextConfig, TrainConfig
from rnnlm_cli.text.sources import Sources


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that a run is determined by, but for the contents of its texts.

    Args:
        sources: the texts, as they were named.
        text: how they become tokens.
        model: the sizes.
        train: how to fit.
        cache: the folder of encoded texts, where it is not the usual one.
        init: the file whose weights the run began with, if there is one.
        init_unknown: how many unknown tokens its vocabulary had; None where it brought none.
    """

    sources: Sources
    text: TextConfig
    model: ModelConfig
    train: TrainConfig
    cache: str | None = None
    init: str | None = None
    init_unknown: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises: TypeError, KeyError or ConfigError."""
        names = {name: tuple(given) for name, given in data["sources"].items()}
        return cls(
            sources=Sources(**names), text=TextConfig(**data["text"]),
            model=ModelConfig(**data["model"]), train=TrainConfig(**data["train"]),
            cache=data["cache"], init=data["init"], init_unknown=data["init_unknown"],
        )
