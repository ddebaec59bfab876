"""Checks that the plain data of a file has the types that a dataclass declares."""

import math
import types
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

MAX_WHOLE = 1 << 63  # whole numbers of a file are below


def require_type(value: object, annotation: Any, name: str) -> None:
    """Raise TypeError with the name of a value that does not have a type."""
    if not has_type(value, annotation):
        raise TypeError(name)


def has_type(value: object, annotation: Any) -> bool:
    """Return whether a value has a type, in all its parts.

    A whole number is not negative and fits into 64 bits; a number is finite. True and False are
    not numbers.

    Args:
        annotation: a dataclass, str, bool, int, float, None, or a union, literal, tuple or list.
    """
    parts = get_args(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return any(has_type(value, each) for each in parts)
    if get_origin(annotation) is Literal:
        return isinstance(value, str) and value in parts
    if get_origin(annotation) in (tuple, list):
        return _has_part_types(value, annotation)
    if is_dataclass(annotation):
        hints = get_type_hints(annotation)
        return isinstance(value, annotation) and all(  # type: ignore[arg-type]
            has_type(getattr(value, each.name), hints[each.name]) for each in fields(annotation)
        )
    if annotation is float:
        return has_type(value, int) or (isinstance(value, float) and math.isfinite(value))
    if annotation is int:
        return type(value) is int and 0 <= value < MAX_WHOLE
    return type(value) is annotation


def _has_part_types(value: object, annotation: Any) -> bool:
    """Return whether a tuple or a list has the types of its annotation."""
    if not isinstance(value, get_origin(annotation)):
        return False
    parts = get_args(annotation)
    if len(parts) == 1 or parts[-1] is ...:
        return all(has_type(each, parts[0]) for each in value)
    return len(value) == len(parts) and all(map(has_type, value, parts))
