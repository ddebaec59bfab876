"""The progress of a run: silent by default, or on stderr, as a bar or as plain lines."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rnnlm_cli.messages import Messages, escape_lines

if TYPE_CHECKING:  # torch is imported only after the texts are read
    from tqdm import tqdm

    from rnnlm_cli.train.schedule import Plan
    from rnnlm_cli.train.state import TrainState

REFRESH_SECONDS = 0.25
STAGE_DELAY = 1.0  # seconds before a bar of a pass over files appears


class Progress(Messages):
    """Receives the messages and the progress of a run. This one discards them.

    `shows_samples` tells the run whether text samples are wanted on the way.
    """

    shows_samples = False

    def begin(self, plan: Plan, step: int) -> None:
        """Announce that training begins or continues, after `step` steps are done."""

    def show_step(self, plan: Plan, state: TrainState) -> None:
        """Show the figures of a step."""

    def show_validation(self, plan: Plan, state: TrainState, nats: float) -> None:
        """Show a validation loss, in nats per token."""

    def end(self) -> None:
        """Announce that training is over."""


class StderrProgress(Progress):
    """Shows progress on stderr: a bar on a terminal, otherwise a plain line for each validation.

    The figures are epoch, training loss, validation loss and perplexity, tokens per second, and
    the time left.
    """

    def __init__(self) -> None:
        self.shows_samples = self._on_terminal = sys.stderr.isatty()
        self._bar: tqdm[Any] | None = None
        self._validation = "no validation yet"
        self._begin_time, self._begin_step = 0.0, 0
        self._refreshed = 0.0

    def say(self, line: str) -> None:
        """Print one line, above the bar."""
        if self._bar is None:
            print(escape_lines(line), file=sys.stderr, flush=True)
        else:
            self._bar.write(escape_lines(line), file=sys.stderr)

    @contextmanager
    def stage(self, name: str, paths: Sequence[str]) -> Iterator[Callable[[int], object]]:
        """Show a bar of the bytes read, on a terminal and if the pass takes long enough."""
        from tqdm import tqdm

        sizes = [os.path.getsize(path) if os.path.isfile(path) else None for path in paths]
        known = [size for size in sizes if size is not None]
        with tqdm(
            total=sum(known) if len(known) == len(sizes) else None, unit="B", unit_scale=True,
            desc=name, leave=False, delay=STAGE_DELAY, disable=not self._on_terminal,
        ) as bar:
            yield bar.update

    def begin(self, plan: Plan, step: int) -> None:
        """Open the bar."""
        from tqdm import tqdm

        self._begin_time, self._begin_step = time.monotonic(), step
        if self._on_terminal:
            self._bar = tqdm(
                initial=step,
                total=plan.total_steps,
                unit="step",
                dynamic_ncols=True,
                bar_format="{percentage:3.0f}% {n_fmt}/{total_fmt} {bar:8} {desc} {remaining} left",
            )

    def show_step(self, plan: Plan, state: TrainState) -> None:
        """Refresh the bar, at most four times a second."""
        now = time.monotonic()
        if self._bar is None or now - self._refreshed < REFRESH_SECONDS:
            return
        self._refreshed = now
        self._bar.total, self._bar.n = plan.total_steps, state.step
        self._bar.set_description_str(self._describe(plan, state), refresh=False)
        self._bar.refresh()

    def show_validation(self, plan: Plan, state: TrainState, nats: float) -> None:
        """Refresh the bar, or print a line."""
        from rnnlm_cli.score.score import compute_perplexity

        self._validation = f"valid {nats:.4f} (ppl {compute_perplexity(nats):.4g})"
        if self._bar is None:
            self.say(f"step {state.step}/{plan.total_steps}  {self._describe(plan, state)}")
        else:
            self._refreshed = 0.0
            self.show_step(plan, state)

    def end(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _describe(self, plan: Plan, state: TrainState) -> str:
        """Return the figures; the bar shows the time left by itself."""
        seconds = max(time.monotonic() - self._begin_time, 1e-9)
        steps = state.step - self._begin_step
        speed = steps * plan.tokens_per_step / seconds
        figures = (
            f"epoch {state.position.epoch + 1}  loss {state.loss:.4f}  {self._validation}  "
            f"{speed:,.0f} tokens/s"
        )
        if self._bar is None:
            left = seconds / max(steps, 1) * (plan.total_steps - state.step)
            figures += f"  {left:.0f} s left"
        return figures
