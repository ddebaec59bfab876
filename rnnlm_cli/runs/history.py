"""The history of a run beside its model: one JSON object on a line for every report.

    step               number of steps done
    seconds            since the run began, in all its processes
    tokens             number of tokens trained on
    loss               training loss, nats per token, a moving average over about ten steps
    valid_nats         validation loss, nats per token; null if the report has no validation
    perplexity         exp(valid_nats)
    rate               the learning rate of the last step
    gradient_norm      of the last step, before clipping
    tokens_per_second  since the last record
    memory_bytes       resident memory of the process; null if the system does not tell
    planned_steps      the step at which the run will end, as planned now
    undone             number of rollbacks
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnlm_cli.errors import FileError
from rnnlm_cli.files.atomic import replace_file
from rnnlm_cli.files.regular_file import open_regular_file
from rnnlm_cli.score.score import compute_perplexity

if TYPE_CHECKING:  # `rnnlm plot` reads histories without torch
    from rnnlm_cli.train.schedule import Plan
    from rnnlm_cli.train.state import TrainState

STATUS = Path("/proc/self/statm")
NUMBERS, NUMBERS_OR_NULL = ("step", "seconds", "tokens"), ("loss", "valid_nats")
MAX_NUMBER = 2.0**63  # of steps, tokens, seconds and nats; more is damage
NEEDED = "a history that 'rnnlm train' wrote beside its model is needed"


class History:
    """The records of a run, in memory and in their file.

    Args:
        path: the file.
        records: the records that the run has already.
    """

    def __init__(self, path: Path, records: Sequence[dict[str, Any]] = ()) -> None:
        self.path = path
        self.records = list(records)
        self._is_complete = False  # whether the file holds all records

    def add(
        self, plan: Plan, state: TrainState, *, seconds: float, lr: float,
        valid_nats: float | None,
    ) -> None:
        """Add a record of the step that was just done.

        Args:
            seconds: time that the run has taken.
            lr: the learning rate of the step.
            valid_nats: validation loss after the step; None if it was not validated.
        """
        before = self.records[-1] if self.records else {"tokens": 0, "seconds": 0.0}
        tokens = state.step * plan.tokens_per_step
        passed = max(seconds - before["seconds"], 1e-9)
        figures = {
            "step": state.step,
            "seconds": round(seconds, 3),
            "tokens": tokens,
            "loss": state.loss,
            "valid_nats": valid_nats,
            "perplexity": None if valid_nats is None else compute_perplexity(valid_nats),
            "rate": lr,
            "gradient_norm": state.gradient_norm,
            "tokens_per_second": round((tokens - before["tokens"]) / passed, 1),
            "memory_bytes": _measure_memory(),
            "planned_steps": plan.total_steps,
            "undone": state.num_rollbacks,
        }
        self.records.append({name: _finite_or_none(value) for name, value in figures.items()})

    def write(self) -> None:
        """Write the last record, and all that the file lacks.

        Raises: FileError if the file cannot be written; the next `write` tries again.
        """
        if not self._is_complete:
            replace_file(self.path, b"".join(_encode(record) for record in self.records))
            self._is_complete = True
            return
        try:
            with self.path.open("ab") as file:
                file.write(_encode(self.records[-1]))
        except OSError as error:
            self._is_complete = False
            raise FileError(
                f"{self.path}: cannot be written ({error.strerror}); room on the disk is needed"
            ) from None


def read_history(path: Path) -> list[dict[str, Any]]:
    """Return the records of a history file.

    Every line must be a JSON object with at least step, seconds and tokens (numbers), loss and
    valid_nats (nats per token or null; NaN and Infinity are read as null). A last line without
    its newline was cut short and is left out.

    Raises: FileError if there is no such file, no whole line, or a line that is something else.
    """
    try:
        with open_regular_file(path) as file:
            *lines, _ = file.read().split(b"\n")
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); {NEEDED}") from None
    if not lines:
        raise FileError(f"{path}: holds no whole line; {NEEDED}")
    records = []
    for number, line in enumerate(lines, 1):
        record = _parse_record(line)
        problem = _find_problem(record)
        if problem is not None:
            raise FileError(f"{path}: line {number} {problem}; {NEEDED}")
        records.append(record)
    return records


def read_first_records(path: Path, num_records: int) -> list[dict[str, Any]]:
    """Return the first records of a history, or as many as are there and intact.

    A history that is lost or damaged does not stop a run.
    """
    try:
        with open_regular_file(path) as file:
            *lines, _ = file.read().split(b"\n")
    except OSError:
        return []
    records: list[dict[str, Any]] = []
    for line in lines[:num_records]:
        record = _parse_record(line)
        if _find_problem(record) is not None:
            break
        records.append(record)
    return records


def _parse_record(line: bytes) -> Any:
    """Return the JSON value on a line, NaN and Infinity as None; None if it is not JSON."""
    try:
        return json.loads(line, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


def _find_problem(record: object) -> str | None:
    """Return what is wrong with a record, as the predicate of a sentence."""
    if not isinstance(record, dict):
        return "is not a JSON object"
    problems = []
    for key in NUMBERS + NUMBERS_OR_NULL:
        value = record.get(key, "")
        is_number = type(value) in (int, float) and abs(value) < MAX_NUMBER
        if not is_number and not (value is None and key in NUMBERS_OR_NULL):
            found = f"'{key}' {json.dumps(value)[:40]}, not a number"
            problems.append(f"has {found if key in record else 'no ' + repr(key)}")
    return ", ".join(problems) or None


def _encode(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"


def _finite_or_none(value: float | None) -> float | None:
    """Return None for NaN and infinity, which JSON does not have."""
    return value if value is None or math.isfinite(value) else None


def _measure_memory() -> int | None:
    """Return the resident memory of this process in bytes; None if the system does not tell."""
    try:
        pages = int(STATUS.read_text("ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
