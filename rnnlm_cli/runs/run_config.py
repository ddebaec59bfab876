"""The complete configuration of a run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from rnnlm_cli.config import ModelConfig, TextConfig, TrainConfig
from rnnlm_cli.text.sources import Sources


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that determines a run, except the contents of its texts.

    Args:
        sources: the texts, with absolute paths.
        text: how they become tokens.
        model: the shape of the network.
        train: how it is fitted.
        cache_dir: the folder of encoded texts, if it is not the usual one.
        init: the file with the initial weights of a warm start.
        init_has_vocabulary: whether the vocabulary of the run is that of `init`.
    """

    sources: Sources
    text: TextConfig
    model: ModelConfig
    train: TrainConfig
    cache_dir: str | None = None
    init: str | None = None
    init_has_vocabulary: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the configuration, the inverse of `to_dict`.

        Raises: TypeError, KeyError or ConfigError for data of another structure.
        """
        names = {part: tuple(given) for part, given in data["sources"].items()}
        configs = {"sources", "text", "model", "train"}
        return cls(
            sources=Sources(**names), text=TextConfig(**data["text"]),
            model=ModelConfig(**data["model"]), train=TrainConfig(**data["train"]),
            **{name: value for name, value in data.items() if name not in configs},
        )
