"""The history file: whole again after a fault, cut to what a run that goes on has done."""

import json
import math
import shutil

import pytest

from rnnlm_cli.errors import FileError
from rnnlm_cli.runs.history import History
from rnnlm_cli.train.schedule import Plan
from rnnlm_cli.train.state import TrainState


@pytest.fixture
def path(tmp_path):
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "model.jsonl"


def add(history, step, valid_nats=None):
    state = TrainState((), step=step, loss=2.5, gradient_norm=math.inf)
    history.add(Plan(100, 10), state, seconds=step / 4, rate=0.1, valid_nats=valid_nats)


def steps_in(path):
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_a_record_says_what_was_done_since_the_one_before(path):
    history = History(path)
    add(history, 4)
    add(history, 8, valid_nats=math.log(7))
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first["valid_nats"] is None and first["perplexity"] is None
    assert second["perplexity"] == pytest.approx(7) and second["tokens_per_second"] == 40
    assert second["gradient_norm"] is None  # infinite, which JSON has not
    assert second["planned_steps"] == 100


def test_what_could_not_be_written_is_written_with_the_next_record(path):
    history = History(path)
    add(history, 1)
    shutil.rmtree(path.parent)
    for step in (2, 3):
        with pytest.raises(FileError):
            add(history, step)
    path.parent.mkdir()
    add(history, 4)
    assert steps_in(path) == [1, 2, 3, 4]


@pytest.mark.parametrize("damage", ["", '{"step": 9, "tok', "null\n", "\xff"])
def test_a_run_that_goes_on_drops_what_came_after_its_state(path, damage):
    history = History(path)
    for step in range(1, 7):
        add(history, step)
    with path.open("a") as file:
        file.write(damage)
    again = History(path, num_kept=4)
    add(again, 5)
    assert steps_in(path) == [1, 2, 3, 4, 5]


def test_a_lost_history_does_not_stop_a_run(path):
    history = History(path, num_kept=4)
    add(history, 5)
    assert steps_in(path) == [5]
