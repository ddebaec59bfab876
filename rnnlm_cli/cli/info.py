"""rnnlm info"""

from __future__ import annotations

import json as json_format
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnlm_cli.files.run_files import DEFAULT_MODEL

if TYPE_CHECKING:
    from rnnlm_cli.language_model import LanguageModel


def info(
    model: Annotated[Path, typer.Argument(help="The model file.")] = DEFAULT_MODEL,
    json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Say what a model file holds."""
    from rnnlm_cli.language_model import LanguageModel

    facts = _facts(LanguageModel.load(model))
    if json:
        print(json_format.dumps(facts))
        return
    for name, value in facts.items():
        print(f"{name:<16} {_shown(value)}")


def _facts(model: LanguageModel) -> dict[str, Any]:
    from rnnlm_cli.score.score import compute_perplexity

    training = dict(model.training)
    nats = training["valid_nats"]
    config = asdict(model.network.config)
    del config["vocab_size"], config["unknown_trained"]
    return {
        "level": model.vocabulary.level,
        "text": "sentences" if model.sentences else "running",
        "encoding": model.encoding,
        "vocabulary": len(model.vocabulary),
        "unknown_tokens": model.vocabulary.num_unknown,
        **config,
        "parameters": model.network.num_parameters,
        **training,
        "valid_perplexity": None if nats is None else compute_perplexity(nats),
    }


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
