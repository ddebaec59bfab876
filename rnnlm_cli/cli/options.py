"""The options of the commands, built from the declarations in `rnnlm_cli.config`."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnlm_cli.config import MachineConfig, Precision
from rnnlm_cli.config.option import (
    Config,
    Option,
    command_line_fields,
    command_line_type,
    find_problems,
    options_of,
)
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.text.reading import make_decoder

if TYPE_CHECKING:
    from rnnlm_cli.language_model import LanguageModel

Command = Callable[..., int | None]


def with_default(help_text: str, default: object) -> str:
    r"""Return a help text that ends with the default, in the style of Typer.

    Typer puts parentheses around a default that is described in words. (A backslash keeps Rich
    from reading the bracket as markup.)
    """
    return f"{help_text} [dim]\\[default: {default}][/dim]"


def options_from(*config_classes: type[Config], **more: Option) -> Callable[[Command], Command]:
    """Give a command the options of some configurations.

    The command receives the values that were given on the command line as one mapping, `given`,
    by field name. Options that were not given are absent.

    Args:
        config_classes: their fields become options, in order.
        more: further options by name, for what is not a field.
    """
    declared = {
        name: (options_of(each)[name], command_line_type(each, name), getattr(each, name))
        for each in config_classes
        for name in command_line_fields(each)
    } | {name: (each, each.type, None) for name, each in more.items()}

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        own = [each for each in signature.parameters.values() if each.name != "given"]
        built = [_parameter(name, *each) for name, each in declared.items()]

        @wraps(command)
        def run(**values: Any) -> int | None:
            given = {name: values.pop(name) for name in declared}
            return command(
                **values, given={name: each for name, each in given.items() if each is not None}
            )

        run.__signature__ = signature.replace(parameters=[*own, *built])  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in (*own, *built)}
        return run

    return decorate


def _parameter(name: str, declared: Option, value_type: Any, default: Any) -> inspect.Parameter:
    """Return the parameter of a command for an option; None stands for an option not given."""
    assert declared.help is not None
    shown = declared.default_text
    if shown is None and not isinstance(default, bool) and default is not None:
        shown = f"{default:g}" if isinstance(default, float) else str(default)
    help_text = declared.help if shown is None else with_default(declared.help, shown)
    flags = declared.flags
    if value_type is bool and not flags and declared.default_text is None:
        flags = (f"--{name.replace('_', '-')}",)  # a switch, without --no-...
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None,
        annotation=Annotated[
            value_type | None,
            typer.Option(
                *flags, help=help_text, rich_help_panel=declared.panel, show_default=False
            ),
        ],
    )


def require_valid(
    *config_classes: type[Config], given: dict[str, Any], problems: Sequence[str] = ()
) -> None:
    """Raise ConfigError naming everything that is wrong with the given values.

    Args:
        problems: what is wrong beside the values of these configurations.
    """
    problems = [
        *(each for config in config_classes for each in find_problems(config, given)), *problems
    ]
    if problems:
        raise ConfigError(". ".join(problems))


def _require_encoding(encoding: str | None) -> str | None:
    """Return an encoding. Raises: ConfigError if Python does not know it."""
    if encoding is not None:
        make_decoder(encoding)
    return encoding


ModelOption = Annotated[Path, typer.Option("-m", "--model", help="Model file.")]
EncodingOption = Annotated[
    str | None,
    typer.Option(
        help=with_default("Encoding of the files that are read.", "that of the training text"),
        callback=_require_encoding,
        show_default=False,
    ),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace a file that rnnlm did not write.")
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        help=with_default("Folder of the encoded texts.", "the system's folder for caches"),
        envvar="RNNLM_CACHE_DIR", show_envvar=True, show_default=False, rich_help_panel="Run",
    ),
]


def decode_argument(argument: str) -> str:
    """Return a text that was given as an argument, which is UTF-8 whatever the locale.

    Python decodes arguments as the locale says. Bytes that are not UTF-8 become lone surrogates
    (PEP 383). Paths need no decoding: they reach the system as the bytes that were given.
    """
    return os.fsencode(argument).decode("utf-8", "surrogateescape")


def open_model(
    path: Path, machine: MachineConfig, *, precision: Precision = "float32"
) -> LanguageModel:
    """Set up the machine and read a model. Raises: ModelFileError, ConfigError."""
    from rnnlm_cli.language_model import LanguageModel
    from rnnlm_cli.machine import prepare_machine

    return LanguageModel.load(path, device=prepare_machine(machine), precision=precision)
