"""The files of a run while it trains. A failed write is a warning and is retried."""

import os
import shutil
import tempfile
import time
from pathlib import Path

from rnnlm_cli.errors import FileError, ModelFileError
from rnnlm_cli.files.container import read_description
from rnnlm_cli.files.overwrite import keep_old
from rnnlm_cli.files.run_files import CHECKPOINT, companion
from rnnlm_cli.messages import Messages
from rnnlm_cli.model_file import MODEL, Model, save_model
from rnnlm_cli.runs.checkpoint import Checkpoint, save_checkpoint
from rnnlm_cli.runs.history import History
from rnnlm_cli.runs.outcome import is_of_same_run

RETRY_SECONDS = 20.0


class Saver:
    """Writes the model file of a run, its checkpoint and its history.

    Args:
        path: the model file.
        messages: receives warnings.
        save_every: seconds between two checkpoints.
        replaced: the checksum of the model file that stood there when the run began; None if there
            was none. That file, and any other that is not of this run, is kept as FILE.old.
    """

    def __init__(
        self, path: Path, messages: Messages, *, save_every: float, replaced: str | None
    ) -> None:
        self.path, self.replaced = path, replaced
        self.best_is_missing = False  # whether the best model could not be written
        self._messages = messages
        self._save_every = save_every
        self._next_checkpoint = 0.0
        self._written: tuple[int, ...] | None = None  # the model file as this process wrote it
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
        """Write the model; keep a file that stands there and is not of this run."""
        kept = None if self._is_own(model) else keep_old(self.path)
        save_model(self.path, model)
        self._written = _identify_contents(self.path)
        if kept is not None:
            self._messages.note(f"the model that was {self.path} is now {kept}")

    def _is_own(self, model: Model) -> bool:
        """Return whether the model file is one that this run wrote, in this process or before."""
        if self._written is not None and self._written == _identify_contents(self.path):
            return True
        try:
            found = read_description(self.path, MODEL)
        except ModelFileError:
            return False
        return found.get("sha256") != self.replaced and is_of_same_run(found, model)

    def _save_elsewhere(self, model: Model) -> Path | None:
        """Write the model to another folder; return its path, or None if no folder takes it."""
        for find_parent in (Path.home, Path.cwd, tempfile.gettempdir):
            try:
                folder = Path(tempfile.mkdtemp(prefix="rnnlm-", dir=find_parent()))
            except (OSError, RuntimeError):  # such as a user without a home folder
                continue
            try:
                save_model(folder / self.path.name, model)
                return folder / self.path.name
            except FileError:
                shutil.rmtree(folder, ignore_errors=True)
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


def _identify_contents(path: Path) -> tuple[int, ...] | None:
    """Return figures that change with the contents of a file; None if there is no file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
