"""What a run shows on stderr: a bar on a terminal, else one plain line a report."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from rnnlm_cli.messages import Messages
from rnnlm_cli.train.schedule import Plan

if TYPE_CHECKING:  # texts are read before torch is imported
    from rnnlm_cli.train.state import TrainState

REFRESH_SECONDS = 0.25
STAGE_DELAY = 1.0  # seconds


class Progress(Messages):
    """Step, epoch, loss, validation loss and perplexity, tokens per second, time left."""

    def __init__(self) -> None:
        self.on_terminal = sys.stderr.isatty()
        self._bar: tqdm[Any] | None = None
        self._validation = "no validation yet"
        self._begun = (time.monotonic(), 0)  # when, and after how many steps
        self._refreshed = 0.0

    def say(self, line: str) -> None:
        """A line for the person at the terminal, above the bar."""
        if self._bar is None:
            print(line, file=sys.stderr, flush=True)
        else:
            self._bar.write(line, file=sys.stderr)

    @contextmanager
    def stage(self, name: str, paths: Sequence[str]) -> Iterator[Callable[[int], object]]:
        """A pass over some files: a bar of the bytes read, where it takes long enough to see."""
        sizes = [os.path.getsize(path) if os.path.isfile(path) else None for path in paths]
        known = [size for size in sizes if size is not None]
        with tqdm(
            total=sum(known) if len(known) == len(sizes) else None, unit="B", unit_scale=True,
            desc=name, leave=False, delay=STAGE_DELAY, disable=not self.on_terminal,
        ) as bar:
            yield bar.update

    def start(self, plan: Plan, step: int) -> None:
        """Training begins, or goes on."""
        self._begun = (time.monotonic(), step)
        if self.on_terminal:
            self._bar = tqdm(
                initial=step,
                total=plan.total_steps,
                unit="step",
                dynamic_ncols=True,
                bar_format="{percentage:3.0f}% {n_fmt}/{total_fmt} {bar:8} {desc} {remaining} left",
            )

    def step(self, plan: Plan, state: TrainState) -> None:
        """A step was taken."""
        now = time.monotonic()
        if self._bar is None or now - self._refreshed < REFRESH_SECONDS:
            return
        self._refreshed = now
        self._bar.total, self._bar.n = plan.total_steps, state.step
        self._bar.set_description_str(f"{self._figures(plan, state)}", refresh=False)
        self._bar.refresh()

    def validated(self, plan: Plan, state: TrainState, nats: float) -> None:
        """A validation was taken."""
        from rnnlm_cli.score.score import compute_perplexity

        self._validation = f"valid {nats:.4f} (ppl {compute_perplexity(nats):.4g})"
        if self._bar is None:
            self.say(f"step {state.step}/{plan.total_steps}  {self._figures(plan, state)}")
        else:
            self._refreshed = 0.0
            self.step(plan, state)

    def stop(self) -> None:
        """Training is over: the bar goes."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _figures(self, plan: Plan, state: TrainState) -> str:
        begun_at, begun_step = self._begun
        seconds = max(time.monotonic() - begun_at, 1e-9)
        speed = (state.step - begun_step) * plan.tokens_per_step / seconds
        figures = (
            f"epoch {state.position.epoch + 1}  loss {state.loss:.4f}  {self._validation}  "
            f"{speed:,.0f} tokens/s"
        )
        if self._bar is None:
            left = seconds / max(state.step - begun_step, 1) * (plan.total_steps - state.step)
            figures += f"  {left:.0f} s left"
        return figures
