"""Read the history of a training run, as far as a plot of its losses needs it."""

import json
from pathlib import Path
from typing import Any

from rnnlm_cli.errors import FileError

NUMBERS, NUMBERS_OR_NULL = ("step", "seconds", "tokens"), ("loss", "valid_nats")
NEEDED = "a history that 'rnnlm train' wrote beside its model is needed"


def read_history(path: Path) -> list[dict[str, Any]]:
    """Read the records of a history, which `rnnlm train` writes beside its model.

    Every line is a JSON object with at least step, seconds and tokens (numbers), loss and
    valid_nats (nats per token or null; NaN and Infinity are read as null). A last line without a
    newline was cut short and is left out.

    Raises: FileError if the file is missing, has no whole line, or has a line of another form.
    """
    try:
        *lines, _ = path.read_bytes().split(b"\n")
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); {NEEDED}") from None
    if not lines:
        raise FileError(f"{path}: holds no whole line; {NEEDED}")
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(json.loads(line, parse_constant=lambda _: None))
        except (ValueError, RecursionError):
            records.append(None)
        if problem := _find_problem(records[-1]):
            raise FileError(f"{path}: line {number} {problem}; {NEEDED}")
    return records


def _find_problem(record: object) -> str:
    """Return what a record lacks or has wrong; an empty string if nothing."""
    if not isinstance(record, dict):
        return "is not a JSON object"
    problems = []
    for key in NUMBERS + NUMBERS_OR_NULL:
        value = record.get(key, "")
        is_number = type(value) in (int, float) and abs(value) < 1e300  # must fit a float
        if not is_number and not (value is None and key in NUMBERS_OR_NULL):
            found = f"'{key}' {json.dumps(value)[:40]}, not a number"
            problems.append(f"has {found if key in record else 'no ' + repr(key)}")
    return ", ".join(problems)
