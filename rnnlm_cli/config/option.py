"""Configurations whose fields are command-line options with checks.

A field is declared once, with `option(...)`: its default, its check, and the flag, help and panel
of its command-line option. The commands build their options from these declarations, and
`find_problems` checks values that a person gave before any default is chosen.
"""

import math
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from rnnlm_cli.errors import ConfigError

MAX_SIZE = 1 << 20  # upper bound for any size option; anything larger is a typo
MAX_SEED = (1 << 63) - 1

Check = Callable[[Any], str | None]  # what is needed instead of a value; None if it is valid


@dataclass(frozen=True, kw_only=True)
class Option:
    """The command-line option of a configuration field.

    Args:
        help: a noun phrase or an imperative; None keeps the field off the command line.
        flags: the names of the option; empty takes the field's name.
        panel: the title of its panel in `--help`; None is the first panel.
        default_text: the default as `--help` shows it; None shows the field's default.
        type: the type of the value on the command line; None takes the field's type.
        check: tests one value; choices are tested by the field's type.
    """

    help: str | None
    flags: tuple[str, ...] = ()
    panel: str | None = None
    default_text: str | None = None
    type: Any = None
    check: Check | None = None


def option(
    default: Any, help: str | None, check: Check | None = None, *, flags: tuple[str, ...] = (),
    panel: str | None = None, default_text: str | None = None, type: Any = None,
) -> Any:
    """Declare a field with its command-line option; see `Option`."""
    declared = Option(
        help=help, flags=flags, panel=panel, default_text=default_text, type=type, check=check
    )
    return field(default=default, metadata={"option": declared})


def whole_number(minimum: int, maximum: int) -> Check:
    """Make a check for a whole number within bounds, both included."""

    def check(value: Any) -> str | None:
        if isinstance(value, int) and minimum <= value <= maximum:
            return None
        return f"a whole number from {minimum} to {maximum}"

    return check


def number(
    *, above: float = -math.inf, minimum: float = -math.inf, below: float = math.inf,
    maximum: float = math.inf,
) -> Check:
    """Make a check for a finite number; `above` and `below` exclude the bound itself.

    A number so near 0 that it is subnormal counts as 0, which it becomes when tensors are computed
    (see `rnnlm_cli.machine`).
    """
    bounds = {"above": above, "at least": minimum, "below": below, "at most": maximum}
    words = [f"{word} {bound:g}" for word, bound in bounds.items() if math.isfinite(bound)]

    def check(value: Any) -> str | None:
        is_subnormal = 0 < abs(value) < sys.float_info.min
        flushed = 0.0 if is_subnormal else value
        if math.isfinite(flushed) and above < flushed < below and minimum <= flushed <= maximum:
            return None
        counts_as_zero = f" (below {sys.float_info.min:.3g} counts as 0)" if is_subnormal else ""
        return f"a number {' and '.join(words)}{counts_as_zero}"

    return check


class Config:
    """Base of the configurations: a frozen dataclass that checks itself when it is made.

    Raises: ConfigError naming every invalid value and every conflict.
    """

    def __post_init__(self) -> None:
        problems = find_problems(type(self), known_values(self))
        if problems:
            raise ConfigError(". ".join(problems))

    @classmethod
    def find_conflicts(cls, known: Mapping[str, Any]) -> Iterator[str]:
        """Yield conflicts between valid values.

        Args:
            known: the values that are set, by field name; fields that are None or not given yet
                are absent.
        """
        yield from ()


def known_values(config: Any) -> dict[str, Any]:
    """Return the fields of a configuration that are not None, by name."""
    values = {each.name: getattr(config, each.name) for each in fields(config)}
    return {name: value for name, value in values.items() if value is not None}


def find_problems(config_class: type[Config], given: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with values for a configuration, a sentence for each problem.

    Args:
        given: values by field name; names of other configurations are ignored, and so are values
            that are None.
    """
    declared = options_of(config_class)
    known = {name: given[name] for name in declared if given.get(name) is not None}
    problems = []
    for name, value in known.items():
        needed = _needed_instead(declared[name], _type_of(config_class, name), value)
        if needed is not None:
            problems.append(
                f"{flag_of(config_class, name)}: '{_show(value)}' given; {needed} is needed"
            )
    return problems or list(config_class.find_conflicts(known))


def _show(value: Any) -> str:
    if isinstance(value, tuple):
        return "', '".join(map(_show, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _needed_instead(declared: Option, value_type: Any, value: Any) -> str | None:
    if get_origin(value_type) is Literal:
        choices = get_args(value_type)
        return None if value in choices else f"one of {', '.join(choices)}"
    return None if declared.check is None else declared.check(value)


def options_of(config_class: type[Config]) -> dict[str, Option]:
    """Return the option of every field, by field name."""
    return {
        each.name: each.metadata["option"]
        for each in fields(config_class)  # type: ignore[arg-type]
    }


def flag_of(config_class: type[Config], name: str) -> str:
    """Return the name by which messages call a field: its longest flag."""
    declared = options_of(config_class)[name]
    return max(declared.flags or ("--" + name.replace("_", "-"),), key=len)


def _type_of(config_class: type[Config], name: str) -> Any:
    return type_without_none(get_type_hints(config_class)[name])


def command_line_type(config_class: type[Config], name: str) -> Any:
    """Return the type of a field's value on the command line."""
    return options_of(config_class)[name].type or _type_of(config_class, name)


def type_without_none(annotation: Any) -> Any:
    """Return T for `T | None`, and any other annotation as it is."""
    if get_origin(annotation) in (Union, types.UnionType):
        (annotation,) = (each for each in get_args(annotation) if each is not types.NoneType)
    return annotation


def command_line_fields(config_class: type[Config]) -> list[str]:
    """Return the names of the fields that are command-line options."""
    return [name for name, each in options_of(config_class).items() if each.help is not None]


def select_fields(config_class: type[Config], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that belong to the command-line fields of a configuration."""
    names = command_line_fields(config_class)
    return {name: given[name] for name in names if name in given}
