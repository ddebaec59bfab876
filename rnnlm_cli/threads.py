"""Threads that share the rows of a batch.

PyTorch shares every single operation between its threads. A window has several hundred
operations, and the threads wait for each other after each of them. If another program takes a
part of one core, all threads wait for the slowest several hundred times, and a run becomes ten
times slower. Here each thread takes some rows of the batch through a whole window, and the
operations inside run on one thread. The threads wait for each other once in a window.

The rows are split by their number and the number of threads alone, and results come back in the
order of the rows. So sums over them are the same in every run with the same number of threads.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import TypeVar

import torch

Result = TypeVar("Result")

MIN_ROWS = 4  # of a thread; the products of fewer rows are too slow to be worth a thread


def split_rows(num_rows: int, device: torch.device, *, min_rows: int = MIN_ROWS) -> list[slice]:
    """Split rows into one part for each of PyTorch's threads, in order.

    Args:
        num_rows: the number of rows, 1 or more.
        device: the device that computes. On CUDA there is one part, because the device itself
            works on all rows at once.
        min_rows: the minimum number of rows of a part, if there are several.
    """
    num_parts = 1
    if device.type == "cpu":
        num_parts = max(1, min(torch.get_num_threads(), num_rows // min_rows))
    ends = [num_rows * part // num_parts for part in range(num_parts + 1)]
    return [slice(begin, end) for begin, end in pairwise(ends)]


def run_together(tasks: Sequence[Callable[[], Result]]) -> list[Result]:
    """Run each task in a thread of its own, the first one in the calling thread.

    PyTorch's operations inside the tasks run on one thread, unless there is one task only.

    Returns: the results, in the order of the tasks.
    Raises: the exception of the first task that fails, after all have ended.
    """
    if len(tasks) == 1:
        return [tasks[0]()]
    futures: list[Future[Result]] = []
    with one_thread():
        pool = _make_pool(len(tasks) - 1, os.getpid())
        try:
            futures = [pool.submit(task) for task in tasks[1:]]
            first = tasks[0]()
        finally:
            wait(futures)
        return [first, *(future.result() for future in futures)]


@contextmanager
def one_thread() -> Iterator[None]:
    """Run PyTorch's operations of the calling thread on this thread alone."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


@cache
def _make_pool(num_threads: int, process_id: int) -> ThreadPoolExecutor:
    """Return the threads for `run_together`, which live as long as the process.

    Threads do not survive a fork, so a forked process makes its own: `process_id` is its number.
    """
    return ThreadPoolExecutor(
        num_threads, thread_name_prefix="rnnlm", initializer=torch.set_num_threads, initargs=(1,)
    )
