"""The files of a run while it trains. A failed write is a warning and is retried."""

import tempfile
import time
from pathlib import Path

from rnnlm_cli.errors import FileError, ModelFileError
from rnnlm_cli.files.container import read_description
from rnnlm_cli.files.run_files import CHECKPOINT, companion, keep_old
from rnnlm_cli.messages import Messages
from rnnlm_cli.model_file import MODEL, Model, save_model
from rnnlm_cli.runs.checkpoint import Checkpoint, save_checkpoint
from rnnlm_cli.runs.history import History

RETRY_SECONDS = 20.0


class Saver:
    """Writes the model file of a run, its checkpoint and its history.

    Args:
        path: the model file.
        messages: receives warnings.
        save_every: seconds between two checkpoints.
        replaced: the checksum of the model file that the run replaces; the first model of the run
            is written after that file was kept as FILE.old. None if there was none.
    """

    def __init__(
        self, path: Path, messages: Messages, *, save_every: float, replaced: str | None
    ) -> None:
        self.path, self.replaced = path, replaced
        self.best_is_missing = False  # whether the best model could not be written
        self._messages = messages
        self._save_every = save_every
        self._next_checkpoint = 0.0
        self._failing: set[str] = set()  # warned about, and not written successfully since

    def checkpoint_is_due(self) -> bool:
        """Return whether it is time for the next checkpoint."""
        return time.monotonic() >= self._next_checkpoint

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write the checkpoint; a failure is a warning."""
        pause = self._save_every
        try:
            save_checkpoint(companion(self.path, CHECKPOINT), checkpoint)
            self._report_success("checkpoint")
        except FileError as error:
            self._report_failure("checkpoint", error)
            pause = min(self._save_every, RETRY_SECONDS)
        self._next_checkpoint = time.monotonic() + pause

    def save_best(self, model: Model) -> None:
        """Write the best model so far; a failure is a warning."""
        try:
            self._save_model(model)
            self.best_is_missing = False
            self._report_success("model")
        except FileError as error:
            self.best_is_missing = True
            self._report_failure("model", error)

    def save_last(self, model: Model) -> None:
        """Write the finished model.

        Raises: FileError if it cannot be written there, naming the place where it was written
            instead.
        """
        try:
            self._save_model(model)
        except FileError as error:
            rescued = self._save_elsewhere(model)
            if rescued is None:
                raise
            reason = str(error).split(";")[0]
            raise FileError(
                f"{reason}; room for it is needed. The model was saved as {rescued} instead: move "
                "it to its place"
            ) from None
        self.best_is_missing = False

    def save_history(self, history: History) -> None:
        """Write the last record of the history; a failure is a warning."""
        try:
            history.write()
            self._report_success("history")
        except FileError as error:
            self._report_failure("history", error)

    def _save_model(self, model: Model) -> None:
        """Write the model; before the first one of a run, keep the file that was there."""
        if self.replaced is not None and read_checksum(self.path) == self.replaced:
            old = keep_old(self.path)
            self._messages.note(f"the model that was {self.path} is now {old}")
        save_model(self.path, model)

    def _save_elsewhere(self, model: Model) -> Path | None:
        """Write the model to another folder; return its path, or None if no folder takes it."""
        for parent in (Path(tempfile.gettempdir()), Path.home(), Path.cwd()):
            try:
                path = Path(tempfile.mkdtemp(prefix="rnnlm-", dir=parent)) / self.path.name
                save_model(path, model)
                return path
            except (FileError, OSError):
                continue
        return None

    def _report_failure(self, what: str, error: FileError) -> None:
        """Warn, once until it succeeds again."""
        if what not in self._failing:
            self._messages.warn(f"{error}; training continues")
        self._failing.add(what)

    def _report_success(self, what: str) -> None:
        """Say that a file could be written again after a failure."""
        if what in self._failing:
            self._messages.note(f"the {what} could be written again")
            self._failing.remove(what)


def read_checksum(path: Path) -> str | None:
    """Return the checksum that a model file states; None if it is no model file."""
    try:
        return str(read_description(path, MODEL).get("sha256"))
    except ModelFileError:
        return None
