"""Interleaved timing, so that all candidates see the same load of the machine."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch

MIN_TURNS, MAX_TURNS = 3, 25
# After a parallel operation, the threads of OpenMP wait for the next one in a busy loop, and take
# a core from a candidate that has threads of its own. They fall asleep in this time.
PAUSE_SECONDS = 0.01
# After the pause, caches are cold and the threads of a candidate asleep, which are awake and warm
# in training. So a run that is shorter than this is repeated, and the second one counts.
WARM_SECONDS = 0.05

Run = Callable[[], Any]


@dataclass(frozen=True)
class Timing:
    """The median seconds of a run, and the interquartile range in percent of the median."""

    median: float
    spread: float


def compare(runs: Mapping[str, Run], device: torch.device, *, seconds: float) -> dict[str, Timing]:
    """Time the runs in turns, after one turn to warm up.

    Args:
        runs: the candidates, by name.
        seconds: the approximate total time. At least MIN_TURNS turns are taken.

    Returns: the timing of each candidate.
    """
    durations: dict[str, list[float]] = {name: [] for name in runs}
    started = time.perf_counter()
    for turn in range(MAX_TURNS + 1):
        for name, run in runs.items():
            time.sleep(PAUSE_SECONDS)
            duration = measure_seconds(run, device)
            if duration < WARM_SECONDS:
                duration = measure_seconds(run, device)
            if turn:
                durations[name].append(duration)
        if turn >= MIN_TURNS and time.perf_counter() - started > seconds:
            break
    return {name: _summarise(each) for name, each in durations.items()}


def measure_seconds(run: Run, device: torch.device) -> float:
    """Return the seconds of one run; on CUDA, measured between two events."""
    if device.type == "cuda":
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        run()
        last.record()
        torch.cuda.synchronize()
        return cast(float, first.elapsed_time(last)) / 1000
    before = time.perf_counter()
    run()
    return time.perf_counter() - before


def _summarise(durations: list[float]) -> Timing:
    """Return the median and the spread of some durations."""
    median = statistics.median(durations)
    first, _, third = statistics.quantiles(durations, n=4)
    return Timing(median, 100 * (third - first) / median)
