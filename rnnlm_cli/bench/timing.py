"""Runs timed in turns: what is compared meets the same machine."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch

MIN_TURNS, MAX_TURNS = 3, 25

Run = Callable[[], Any]


@dataclass(frozen=True)
class Timing:
    """Seconds of one run, and how far the middle half of the runs lie apart, in percent."""

    median: float
    spread: float


def compare(runs: Mapping[str, Run], device: torch.device, *, seconds: float) -> dict[str, Timing]:
    """Run all in turns, after one turn to warm up, for about so many seconds.

    Returns: the median of each, with the interquartile range, in percent of it, as its spread.
    """
    durations: dict[str, list[float]] = {name: [] for name in runs}
    started = time.perf_counter()
    for turn in range(MAX_TURNS + 1):
        for name, run in runs.items():
            duration = seconds_of(run, device)
            if turn:
                durations[name].append(duration)
        if turn >= MIN_TURNS and time.perf_counter() - started > seconds:
            break
    return {name: _timing(each) for name, each in durations.items()}


def seconds_of(run: Run, device: torch.device) -> float:
    """How long one run takes; on CUDA between two events."""
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


def _timing(durations: list[float]) -> Timing:
    median = statistics.median(durations)
    first, _, third = statistics.quantiles(durations, n=4)
    return Timing(median, 100 * (third - first) / median)
