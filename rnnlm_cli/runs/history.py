"""The history of a run beside its model: a record a report, a JSON object a line.

    step               how many are done
    seconds            since the run began, what came before an interruption included
    tokens             trained on
    loss               nats per token in training, an average of about the last ten steps
    valid_nats         nats per token on the validation text; null where the report has none
    perplexity         exp of it
    rate               of the last step
    gradient_norm      of the last step, before clipping
    tokens_per_second  since the record before
    memory_bytes       of the process, resident; null where the system does not tell
    planned_steps      where the run ends, as it stands
    undone             how often training went back for a loss beyond all bounds
"""

import json
import math
import os
from pathlib import Path
from typing import Any

from rnnlm_cli.errors import ModelFileError
from rnnlm_cli.files.atomic import replace_file
from rnnlm_cli.score.score import compute_perplexity
from rnnlm_cli.train.schedule import Plan
from rnnlm_cli.train.state import TrainState

STATUS = Path("/proc/self/statm")


class History:
    """The records of a run, in memory and in their file.

    Args:
        path: the file.
        num_kept: how many records of a file that is there are this run's.
    """

    def __init__(self, path: Path, num_kept: int = 0) -> None:
        self.path = path
        self.records = _first_records(path, num_kept) if num_kept else []
        self._whole = False  # whether the file holds all of them

    def add(
        self, plan: Plan, state: TrainState, *, seconds: float, rate: float,
        valid_nats: float | None,
    ) -> None:
        """A report was made. Raises: ModelFileError where it cannot be written; it is kept."""
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
            "rate": rate,
            "gradient_norm": state.gradient_norm,
            "tokens_per_second": round((tokens - before["tokens"]) / passed, 1),
            "memory_bytes": _resident_memory(),
            "planned_steps": plan.total_steps,
            "undone": state.num_undone,
        }
        self.records.append({name: _finite(value) for name, value in figures.items()})
        self._write()

    def _write(self) -> None:
        if not self._whole:  # a new run, one that goes on, or a disk that was full
            replace_file(self.path, b"".join(_line(record) for record in self.records))
            self._whole = True
            return
        try:
            with self.path.open("ab") as file:
                file.write(_line(self.records[-1]))
        except OSError as error:
            self._whole = False
            raise ModelFileError(
                f"{self.path}: cannot be written ({error.strerror}); room on the disk is needed"
            ) from None


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"


def _finite(value: float | None) -> float | None:
    """JSON has no infinity."""
    return value if value is None or math.isfinite(value) else None


def _first_records(path: Path, num_kept: int) -> list[dict[str, Any]]:
    """As many of them as are there: a history that is lost or damaged does not stop a run."""
    records: list[dict[str, Any]] = []
    try:
        for line in path.read_text("utf-8").splitlines()[:num_kept]:
            record = json.loads(line)
            if not isinstance(record, dict) or not {"tokens", "seconds"} <= set(record):
                break
            records.append(record)
    except (OSError, ValueError):
        pass
    return records


def _resident_memory() -> int | None:
    try:
        pages = int(STATUS.read_text("ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
