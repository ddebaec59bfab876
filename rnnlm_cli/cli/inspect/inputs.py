"""The models that a command compares, the held-out text that they read, and the plot."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from rnnlm_cli.cli.options import open_model, with_default
from rnnlm_cli.cli.plot import find_shortest_names
from rnnlm_cli.config import MachineConfig
from rnnlm_cli.config.option import select_fields
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.files.overwrite import require_no_input, require_replaceable
from rnnlm_cli.files.run_files import DEFAULT_MODEL, RunFileKind
from rnnlm_cli.text.raw_bytes import STDIN
from rnnlm_cli.text.reading import read_text

if TYPE_CHECKING:
    from rnnlm_cli.language_model import LanguageModel

TextArgument = Annotated[str, typer.Argument(
    metavar="TEXT", help="File with held-out text; - is stdin.", show_default=False)]
ModelsOption = Annotated[list[Path] | None, typer.Option(
    "-m", "--model", show_default=False, help=with_default(
        "Model file. Several are drawn in one plot.", str(DEFAULT_MODEL)))]
PlotOption = Annotated[Path | None, typer.Option(
    "-o", "--out", show_default=False, help=with_default("PNG file to write.", "no plot"))]


class Input(NamedTuple):
    """A model with the text that it reads.

    Args:
        path: of the model.
        name: of the model, the shortest that tells it from the others.
        model: the model.
        text: the text, in the encoding of its training text if none is given.
    """

    path: Path
    name: str
    model: LanguageModel
    text: str


def open_inputs(
    text: str, models: Sequence[Path] | None, given: Mapping[str, Any], *, out: Path | None,
    force: bool, encoding: str | None,
) -> list[Input]:
    """Check that the plot may be written, and read the models and the text for each of them.

    Args:
        text: the path of the text, or "-" for stdin.
        models: their paths, of which each counts once; None means the default model.
        given: the options of MachineConfig.
        out: the plot; None if none is wanted.
        force: whether to replace a file that rnnlm did not write.
        encoding: of the text; None means that of each model's training text.
    Raises: FileError, ModelFileError, TextError, ConfigError.
    """
    paths = list({os.path.abspath(path): path for path in models or [DEFAULT_MODEL]}.values())
    if out is not None:
        require_replaceable(out, RunFileKind.PLOT, option="-o", force=force)
        require_no_input([out], [*paths, text], option="-o")
    machine = MachineConfig(**select_fields(MachineConfig, given))
    opened = [open_model(path, machine) for path in paths]
    encodings = [encoding or model.encoding for model in opened]
    if text == STDIN and len({*encodings}) > 1:
        raise ConfigError(
            "TEXT: '-' given with models whose training texts have different encodings; a file is "
            "needed, because stdin can be read only once. Name a file, or give --encoding"
        )
    texts = {each: read_text(text, encoding=each) for each in {*encodings}}
    names = find_shortest_names(paths)
    return [
        Input(path, name, model, texts[each])
        for path, name, model, each in zip(paths, names, opened, encodings, strict=True)
    ]
