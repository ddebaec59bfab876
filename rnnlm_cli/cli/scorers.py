"""The models that a command scores with: one, several, or with an n-gram model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnlm_cli.cli.options import decode_argument, open_model, with_default
from rnnlm_cli.config import DEFAULT_NGRAM_WEIGHT, MachineConfig, MixtureConfig, Precision
from rnnlm_cli.config.option import select_fields
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.files.run_files import DEFAULT_MODEL
from rnnlm_cli.messages import StderrMessages
from rnnlm_cli.text.reading import read_chunks, read_lines

if TYPE_CHECKING:
    from rnnlm_cli.score.scorer import Scorer

ModelsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "-m", "--model", show_default=False,
        help=with_default(
            "Model file. Several are averaged in probability.", str(DEFAULT_MODEL)
        ),
    ),
]


def open_scorer(
    paths: Sequence[Path] | None, given: Mapping[str, Any], *, precision: Precision = "float32"
) -> Scorer:
    """Set up the machine and read the models, of which a mixture is made if there are several.

    Args:
        paths: model files; None or none at all means the default.
        given: the options of MachineConfig, and those of MixtureConfig, which may add an n-gram
            model.
    Raises: ModelFileError, TextError, ConfigError.
    """
    machine = MachineConfig(**select_fields(MachineConfig, given))
    mixture = MixtureConfig(**select_fields(MixtureConfig, given))
    models: list[Scorer] = [
        open_model(path, machine, precision=precision) for path in paths or [DEFAULT_MODEL]
    ]
    if len(models) == 1 and mixture.ngram is None:
        return models[0]

    from rnnlm_cli.score.mixture import Mixture

    if mixture.ngram is None:
        return Mixture(models)

    from rnnlm_cli.score.ngram import NgramModel

    weight = DEFAULT_NGRAM_WEIGHT if mixture.ngram_weight is None else mixture.ngram_weight
    shares = [(1 - weight) / len(models)] * len(models)
    return Mixture([*models, NgramModel(mixture.ngram, models[0])], [*shares, weight])


def tune_weights(
    scorer: Scorer, path: str, *, encoding: str | None, closing: bool | None
) -> Scorer:
    """Return a mixture with weights that suit a held-out text, and say them on stderr.

    Raises: ConfigError for a single model.
    """
    from rnnlm_cli.score.mixture import Mixture

    if not isinstance(scorer, Mixture):
        raise ConfigError(
            "--tune: given with one model; several are needed. Give another -m, or --ngram"
        )
    if scorer.sentences:
        tuned = scorer.tune(read_lines(path, encoding=encoding), closing=closing)
    else:
        tuned = scorer.tune(read_chunks(path, encoding=encoding))
    shown = ", ".join(f"{weight:.4f}" for weight in tuned.weights)
    StderrMessages().note(f"weights that suit {decode_argument(path)}: {shown}")
    return tuned
