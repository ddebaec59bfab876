"""rnnlm info"""

from __future__ import annotations

import json as json_format
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnlm_cli.config import ModelConfig, TextConfig, TrainConfig
from rnnlm_cli.config.option import Config, command_line_fields, flag_of, options_of
from rnnlm_cli.files.run_files import DEFAULT_MODEL
from rnnlm_cli.messages import escape_controls

if TYPE_CHECKING:
    from rnnlm_cli.model_file import Model


def info(
    model: Annotated[Path, typer.Argument(help="Model file.")] = DEFAULT_MODEL,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object.")] = False,
) -> None:
    """Show the contents of a model file, and the command that repeats its run."""
    from rnnlm_cli.model_file import load_model

    facts = _describe(load_model(model))
    if json:
        print(json_format.dumps(facts))
        return
    for name, value in facts.items():
        print(f"{escape_controls(name):<20} {escape_controls(_format(value))}")


def _describe(model: Model) -> dict[str, Any]:
    """Return the facts about a model by name, the command that repeats its run included."""
    from rnnlm_cli.score.score import compute_perplexity

    config = asdict(model.network.config)
    del config["vocab_size"], config["unknown_trained"]
    text = {
        "level": model.vocabulary.level,
        "text": "sentences" if model.sentences else "running",
        "encoding": model.encoding,
    }
    facts = {
        **text,
        "vocabulary": len(model.vocabulary),
        "unknown_tokens": model.training.get("unknown_tokens"),
        **config,
        "parameters": model.network.num_parameters,
        "sampling_temperature": model.sampling.get("temperature"),
    }
    # A file may name anything in its training summary; what the model is stands elsewhere.
    training = {name: each for name, each in model.training.items() if name not in facts}
    nats = training.get("valid_nats")
    return {
        **facts,
        **training,
        "valid_perplexity": None if nats is None or nats >= 700 else compute_perplexity(nats),
        "repeat": " ".join(_find_repeat_command({**text, **config, **training})),
    }


def _find_repeat_command(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words of the command that repeats a run on the same texts.

    Options with a constant default are left out where they have that default.
    """
    yield "rnnlm train TEXT"
    values = {
        "precision": "float32" if "lr" in facts else None,  # earlier versions had no other
        **facts, "vocab_size": facts.get("max_vocab_size"), "steps": facts.get("planned_steps")
    }
    if "min_count" in facts and facts.get("valid_fraction") is None:
        yield "--valid VALID"
    if facts.get("warm_start"):
        yield "--init INIT"
        for name in ("min_count", "vocab_size"):
            values[name] = None  # the vocabulary comes from INIT
    if str(facts["cell"]).startswith("elman_"):
        values["cell"], nonlinearity = facts["cell"].split("_")
        yield f"--nonlinearity {nonlinearity}"
    if "clip" in facts and facts["clip"] is None:
        yield "--clip 0"
    for config in (TextConfig, ModelConfig, TrainConfig):
        for name in command_line_fields(config):
            if values.get(name) is not None and not _is_default(config, name, values[name]):
                yield _format_option(flag_of(config, name), values[name])


def _is_default(config: type[Config], name: str, value: object) -> bool:
    return options_of(config)[name].default_text is None and value == getattr(config, name)


def _format_option(flag: str, value: object) -> str:
    if isinstance(value, bool):
        return flag if value else flag.replace("--", "--no-", 1)
    return f"{flag} {shlex.quote(str(value))}"


def _format(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
