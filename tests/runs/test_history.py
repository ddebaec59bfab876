"""The history: what its records say, and what is left of it after a fault."""

import json
import math
import shutil
from itertools import pairwise

import pytest

from rnnlm_cli.errors import FileError
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.runs.history import History, read_first_records
from rnnlm_cli.train.schedule import make_plan
from rnnlm_cli.train.state import TrainState
from tests.training import read_records, train


@pytest.fixture
def path(tmp_path):
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "model.jsonl"


def add(history, step, valid_nats=None):
    state = TrainState((), step=step, loss=2.5, gradient_norm=math.inf)
    history.add(make_plan(100, 10), state, seconds=step / 4, lr=0.1, valid_nats=valid_nats)
    history.write()


def steps_in(path):
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_a_record_covers_the_time_since_the_one_before(path):
    history = History(path)
    add(history, 4)
    add(history, 8, valid_nats=math.log(7))
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first["valid_nats"] is None and first["perplexity"] is None
    assert second["perplexity"] == pytest.approx(7) and second["tokens_per_second"] == 40
    assert second["gradient_norm"] is None  # infinite, which JSON does not have
    assert second["planned_steps"] == 100


def test_a_record_that_could_not_be_written_is_written_with_the_next_one(path):
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
def test_a_resumed_run_drops_the_records_that_came_after_its_checkpoint(path, damage):
    history = History(path)
    for step in range(1, 7):
        add(history, step)
    with path.open("a") as file:
        file.write(damage)
    resumed = History(path, read_first_records(path, 4))
    add(resumed, 5)
    assert steps_in(path) == [1, 2, 3, 4, 5]


def test_a_lost_history_does_not_stop_a_run(path):
    history = History(path, read_first_records(path, 4))
    add(history, 5)
    assert steps_in(path) == [5]


def test_the_history_records_every_step_of_a_short_run(text):
    train(text, steps=50, clip=0.001)
    history = read_records()
    assert [each["step"] for each in history] == list(range(1, 51))
    for before, after in pairwise(history):
        assert after["tokens"] - before["tokens"] == 8 * 16
        assert after["seconds"] >= before["seconds"]
    assert all(each["gradient_norm"] > 0.001 for each in history)  # before clipping
    assert all(each["memory_bytes"] > 1 << 20 for each in history)
    lr = [each["rate"] for each in history]
    assert lr.index(max(lr)) in (1, 2) and min(lr) == lr[-1]
    validated = [each for each in history if each["valid_nats"] is not None]
    assert validated[-1]["step"] == 50
    best = min(validated, key=lambda each: each["valid_nats"])
    assert LanguageModel.load("model.rnnlm").training["steps"] == best["step"]
