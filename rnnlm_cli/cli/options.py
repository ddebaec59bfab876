"""Options that several commands share, and what is done with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rnnlm_cli.language_model import LanguageModel

ModelOption = Annotated[Path, typer.Option("-m", "--model", help="The model file.")]
DeviceOption = Annotated[
    str | None,
    typer.Option(help="cpu or cuda[:N].", show_default="cuda where there is one"),
]
ThreadsOption = Annotated[
    int | None, typer.Option(help="Threads of the processor.", show_default="one a core")
]
EncodingOption = Annotated[
    str | None,
    typer.Option(help="Of the files read.", show_default="that of the training text"),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        help="Where encoded texts are kept.", envvar="RNNLM_CACHE_DIR", show_envvar=True,
        show_default="the system's folder for caches",
    ),
]


def open_model(path: Path, *, device: str | None, threads: int | None) -> LanguageModel:
    """Set the machine up and read the model. Raises: ModelFileError, ConfigError."""
    from rnnlm_cli.language_model import LanguageModel
    from rnnlm_cli.machine import prepare_machine

    return LanguageModel.load(path, device=prepare_machine(device=device, threads=threads))
