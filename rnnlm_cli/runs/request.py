"""The request for a training run: what a person asked for, before defaults are chosen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from rnnlm_cli.config import MachineConfig, ModelConfig, TextConfig, TrainConfig
from rnnlm_cli.config.option import (
    Config,
    command_line_fields,
    find_problems,
    flag_of,
    select_fields,
)
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.files.run_files import DEFAULT_MODEL
from rnnlm_cli.runs.recipe import choose_hidden_size
from rnnlm_cli.text.sources import Sources

CONFIGS: tuple[type[Config], ...] = (TextConfig, ModelConfig, TrainConfig)


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """A request for a new run (`start_run`), or for more of an existing one (`resume_run`).

    Args:
        sources: the texts; `rnnlm_cli.text.sources.Sources(train=("corpus.txt",))` names one file.
        settings: values for the command-line fields of TextConfig, ModelConfig and TrainConfig,
            by field name. Fields that are absent are chosen.
        out: the model file.
        init: a model, or plain weights, to start from.
        cache_dir: the folder of encoded texts; None is the system's folder for caches.
        machine: device and threads.
        restart: whether an unfinished run at `out` may be replaced.
    """

    sources: Sources
    settings: Mapping[str, Any] = field(default_factory=dict)
    out: Path = DEFAULT_MODEL
    init: Path | None = None
    cache_dir: Path | None = None
    machine: MachineConfig = MachineConfig()
    restart: bool = False

    def check(self) -> None:
        """Check everything that can be checked before a text is read.

        Raises: ConfigError naming all problems.
        """
        names = {name for each in CONFIGS for name in command_line_fields(each)}
        problems = [
            f"{name}: there is no such setting" for name in self.settings if name not in names
        ]
        for each in CONFIGS:
            problems += find_problems(each, select_fields(each, self.settings))
        if not problems:
            sizes = {"hidden_size": choose_hidden_size(self.settings)[0]}
            model = sizes | select_fields(ModelConfig, self.settings)
            problems = find_problems(ModelConfig, model)
        if self.sources.valid and "valid_fraction" in self.settings:
            problems.append("--valid and --valid-fraction: given together; one of them is needed")
        if problems:
            raise ConfigError(". ".join(problems))

    def resolve(self) -> Self:
        """Return the same request with `out` in place of a symbolic link to it.

        Files beside the model, its lock among them, then have one place, by whatever name a run is
        started.
        """
        is_link = os.path.islink(self.out)
        return replace(self, out=Path(os.path.realpath(self.out))) if is_link else self

    def require_texts(self) -> None:
        """Raise ConfigError if the request names no text to train on."""
        if not self.sources.train:
            raise ConfigError(
                "TEXT: nothing given; a text to train on is needed. See 'rnnlm train --help'"
            )


def flag_of_setting(name: str) -> str:
    """Return the command-line option that sets a field of one of the configurations."""
    return next(flag_of(each, name) for each in CONFIGS if name in command_line_fields(each))
