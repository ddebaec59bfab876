"""The lines of an interactive session: texts, and commands that begin with a colon."""

from __future__ import annotations

import math
import re
import textwrap
from dataclasses import dataclass, replace
from typing import Any

from rnnlm_cli.config import SampleConfig
from rnnlm_cli.config.option import (
    command_line_fields,
    command_line_type,
    flag_of,
    options_of,
)
from rnnlm_cli.config.sample import SEARCH
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.messages import escape_controls

COMMANDS = {
    "undo": "Take back the last turn, or the last :new; several times for several of them.",
    "show": "Show the whole text.",
    "new": "Begin a new text.",
    "settings": "Show the settings that differ from their defaults.",
    "reset": "Restore the default of a setting (:reset NAME), or all defaults.",
    "help": "Show this help.",
    "quit": "End the session, as Ctrl-D does.",
}
ABOUT_TEXTS = (
    "Type a text: the model continues everything that has been written so far. An empty line "
    "continues it without new text. A backslash at the end of a line stands for a newline, and :: "
    "at its beginning for a colon. Ctrl-C ends a continuation early. Commands:"
)
ABOUT_SETTINGS = (
    "Settings (:top-k 40 changes one, :top-k alone explains it, :until-end takes on or off):"
)
NOT_CHANGEABLE = {  # the fields of SampleConfig that a session cannot change
    "num_samples",  # a turn has one continuation
    "logit_bias",  # its value has a syntax of its own; the command line reads it
}
MAX_END = 60  # characters of the end of a text that are shown


@dataclass(frozen=True)
class Command:
    """A command without its colon, and its value, which is empty if none was given."""

    name: str
    value: str


def parse_line(line: str) -> str | Command:
    """Return the text that a typed line adds, or its command.

    A backslash at the end of the line stands for a newline, and two colons at its beginning for
    a colon of the text.
    """
    if line.endswith("\\"):
        line = line[:-1] + "\n"
    if line.startswith("::"):
        return line[1:]
    if line.startswith(":"):
        match = re.fullmatch(r":(\S*)\s?(.*)", line, re.DOTALL)
        assert match is not None
        return Command(match[1], match[2])
    return line


def join_typed(text: str, typed: str, *, level: str) -> str:
    """Return a text with what was typed after it, exactly as it was typed.

    At word level, a space separates them if neither has white space at the border.
    """
    touch = bool(text) and bool(typed) and not text[-1].isspace() and not typed[0].isspace()
    return text + (" " if touch and level == "word" else "") + typed


def find_settings() -> dict[str, str]:
    """Return the fields of SampleConfig that a session can change, by each of their names."""
    return {
        flag.lstrip("-"): field
        for field, declared in options_of(SampleConfig).items()
        if field in command_line_fields(SampleConfig) and field not in NOT_CHANGEABLE
        and declared.panel != SEARCH
        for flag in declared.flags or (flag_of(SampleConfig, field),)
    }


def find_changed(config: SampleConfig) -> list[str]:
    """Return the fields that differ from their defaults."""
    return [
        field for field in command_line_fields(SampleConfig)
        if getattr(config, field) != getattr(SampleConfig, field)
    ]


def change_setting(config: SampleConfig, field: str, given: str) -> SampleConfig:
    """Return the settings with a new value. A string is added to those that were given before.

    Raises: ConfigError if the value is not valid.
    """
    value = _parse_value(field, given)
    if isinstance(value, tuple):
        value = tuple(dict.fromkeys((*getattr(config, field), *value)))
    return replace(config, **{field: value})


def reset_settings(config: SampleConfig, *changed: str) -> SampleConfig:
    """Return the settings with the defaults of some fields."""
    return replace(config, **{field: getattr(SampleConfig, field) for field in changed})


def describe_setting(config: SampleConfig, field: str) -> str:
    """Return the name and the value of a setting, as a line."""
    value = getattr(config, field)
    shown = _describe_default(field) if value is None or value == () else _format_value(value)
    return f"{_name_setting(field)}: {shown}"


def explain_setting(config: SampleConfig, field: str) -> str:
    """Return the value of a setting, its default, and its help, in two lines."""
    shown = describe_setting(config, field)
    return f"{shown} [default: {_describe_default(field)}]\n{options_of(SampleConfig)[field].help}"


def describe_end(text: str) -> str:
    """Say in one line how a text ends."""
    if not text:
        return "the text is empty"
    beginning = "..." if len(text) > MAX_END else ""
    return f"the text ends with '{beginning}{escape_controls(text[-MAX_END:])}'"


def describe_error(error: Exception) -> str:
    """Return the message of an error, where an option becomes the command of the same name."""
    message = str(error)
    return ":" + message.removeprefix("--") if message.startswith("--") else message


def format_help(width: int) -> str:
    """Return the help of a session.

    Args:
        width: the number of columns of the terminal.
    """
    margin = max(map(len, COMMANDS)) + 5
    commands = [
        textwrap.fill(
            about, width, initial_indent=f"  :{name}".ljust(margin),
            subsequent_indent=" " * margin,
        )
        for name, about in COMMANDS.items()
    ]
    names = " ".join(f":{name}" for name in find_settings())
    settings = textwrap.fill(
        names, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )
    about_texts, about_settings = (
        textwrap.fill(about, width) for about in (ABOUT_TEXTS, ABOUT_SETTINGS)
    )
    return "\n".join([about_texts, *commands, about_settings, settings])


def _parse_value(field: str, given: str) -> Any:
    """Return the value of a field. Raises: ConfigError if it is not of the type of the field."""
    value_type, word = command_line_type(SampleConfig, field), given.strip()
    if value_type == list[str]:
        return (given,)
    try:
        if value_type is bool:
            return {"on": True, "off": False}[word]
        return value_type(word) if value_type in (int, float) else word
    except (KeyError, ValueError):
        check = options_of(SampleConfig)[field].check
        needed = "on or off" if check is None else check(math.nan)
        raise ConfigError(
            f"{flag_of(SampleConfig, field)}: '{word}' given; {needed} is needed"
        ) from None


def _name_setting(field: str) -> str:
    return flag_of(SampleConfig, field).removeprefix("--")


def _describe_default(field: str) -> str:
    declared = options_of(SampleConfig)[field]
    return declared.default_text or _format_value(getattr(SampleConfig, field))


def _format_value(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(
            f"'{escape_controls(each)}'" if isinstance(each, str) else str(each) for each in value
        )
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
