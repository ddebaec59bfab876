"""The files of a run. What cannot be written on the way is said, and tried again later."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rnnlm_cli.errors import FileError, RnnlmError
from rnnlm_cli.files import container
from rnnlm_cli.files.run_files import CHECKPOINT, PLOT, companion, keep_old
from rnnlm_cli.model_file import MODEL, Model, save_model
from rnnlm_cli.runs.checkpoint import Checkpoint, save_checkpoint
from rnnlm_cli.runs.history import History
from rnnlm_cli.runs.progress import Progress

RETRY_SECONDS = 20.0


class Output:
    """The model file of a run, its state file and its picture.

    Args:
        path: the model file.
        progress: where warnings go.
        save_every: seconds from one state to the next.
        replaced: the checksum of the model that was there when the run began; the first model of
            the run sets it aside. None where there was none.
    """

    def __init__(
        self, path: Path, progress: Progress, *, save_every: float, replaced: str | None
    ) -> None:
        self.path, self.progress = path, progress
        self.replaced = replaced
        self.model_is_missing = False  # the best one could not be written
        self._save_every = save_every
        self._next_state = 0.0
        self._failed: set[str] = set()  # what was warned about and has not worked since

    def state_is_due(self) -> bool:
        """Whether it is time to save the state."""
        return time.monotonic() >= self._next_state

    def save_state(self, checkpoint: Checkpoint) -> None:
        """Write the state file; a failure is a warning."""
        path = companion(self.path, CHECKPOINT)
        saved = self._try("state", lambda: save_checkpoint(path, checkpoint))
        pause = self._save_every if saved else min(self._save_every, RETRY_SECONDS)
        self._next_state = time.monotonic() + pause

    def save_best(self, model: Model) -> None:
        """Write the best model so far; a failure is a warning."""
        self.model_is_missing = not self._try("model", lambda: self._save_model(model))

    def save_last(self, model: Model) -> None:
        """Write the finished model, where it can be.

        Raises: FileError where its place does not take it, naming the place that did.
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
                "it to where it is to stay"
            ) from None
        self.model_is_missing = False

    def report(self, write: Callable[[], None]) -> None:
        """Write a record of the history; a failure is a warning."""
        self._try("history", write)

    def draw(self, history: History) -> None:
        """Draw the losses, or say how to have them drawn; a failure is a warning."""
        if not history.records:
            return
        from rnnlm_cli.plots.losses import draw_losses

        picture = companion(self.path, PLOT)
        try:
            draw_losses({self.path.name: history.records}, picture)
        except RnnlmError as error:
            self.progress.say(f"note: no picture of the losses: {error}")

    def _save_model(self, model: Model) -> None:
        """Write the model; the first one of a run keeps the one that was there."""
        if self.replaced is not None and checksum_of(self.path) == self.replaced:
            old = keep_old(self.path)
            self.progress.say(f"note: the model that was {self.path} is now {old}")
        save_model(self.path, model)

    def _save_elsewhere(self, model: Model) -> Path | None:
        """Where the model could be written instead; None if nowhere."""
        for parent in (Path(tempfile.gettempdir()), Path.home(), Path.cwd()):
            try:
                path = Path(tempfile.mkdtemp(prefix="rnnlm-", dir=parent)) / self.path.name
                save_model(path, model)
                return path
            except (FileError, OSError):
                continue
        return None

    def _try(self, what: str, write: Callable[[], None]) -> bool:
        try:
            write()
        except FileError as error:
            if what not in self._failed:
                self.progress.say(f"rnnlm: warning: {error}; training goes on")
            self._failed.add(what)
            return False
        if what in self._failed:
            self.progress.say(f"note: the {what} could be written again")
            self._failed.remove(what)
        return True


def checksum_of(path: Path) -> str | None:
    """What a model file says is its checksum; None where it is none."""
    try:
        return str(container.read_description(path, MODEL).get("sha256"))
    except FileError:
        return None

