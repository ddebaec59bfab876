"""Threads that share the rows of a batch."""

import threading
from itertools import pairwise

import pytest
import torch

from rnnlm_cli.threads import one_thread, run_together, split_rows

CPU = torch.device("cpu")


@pytest.fixture
def set_threads():
    """A function that sets the number of PyTorch's threads for the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("num_threads, num_rows, sizes", [
    (1, 32, [32]), (2, 32, [16, 16]), (3, 32, [10, 11, 11]), (2, 7, [7]), (8, 17, [4, 4, 4, 5]),
    (4, 1, [1]),
])
def test_the_rows_are_split_in_order_into_parts_of_about_equal_size(
    set_threads, num_threads, num_rows, sizes
):
    set_threads(num_threads)
    parts = split_rows(num_rows, CPU)
    assert [part.stop - part.start for part in parts] == sizes
    assert parts[0].start == 0 and parts[-1].stop == num_rows
    assert all(a.stop == b.start for a, b in pairwise(parts))
    assert split_rows(num_rows, torch.device("cuda")) == [slice(0, num_rows)]


def test_tasks_run_at_the_same_time_on_one_thread_each_and_return_in_order(set_threads):
    set_threads(3)
    together = threading.Barrier(3, timeout=60)

    def task(number):
        together.wait()
        assert torch.get_num_threads() == 1
        return number

    for _ in range(3):
        assert run_together([lambda number=number: task(number) for number in range(3)]) == [
            0, 1, 2
        ]
    assert torch.get_num_threads() == 3


def test_a_single_task_keeps_the_threads_of_torch(set_threads):
    set_threads(3)
    assert run_together([torch.get_num_threads]) == [3]


def test_an_exception_arrives_after_all_tasks_have_ended(set_threads):
    set_threads(2)
    ended = threading.Event()

    def fail():
        raise ValueError("in a task")

    def wait_a_little():
        threading.Event().wait(0.05)
        ended.set()

    for tasks in ([fail, wait_a_little], [wait_a_little, fail]):
        ended.clear()
        with pytest.raises(ValueError, match="in a task"):
            run_together(tasks)
        assert ended.is_set() and torch.get_num_threads() == 2


def test_denormals_are_flushed_in_all_threads_alike(set_threads):
    set_threads(2)
    torch.set_flush_denormal(True)
    try:
        halves = run_together([lambda: torch.tensor(1e-38) / 8 for _ in range(2)])
        assert [half.item() for half in halves] == [0.0, 0.0]
    finally:
        torch.set_flush_denormal(False)


def test_one_thread_is_left_even_by_an_error(set_threads):
    set_threads(2)
    with pytest.raises(ValueError, match="inside"), one_thread():
        raise ValueError("inside")
    assert torch.get_num_threads() == 2
