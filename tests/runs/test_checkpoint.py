"""The checkpoint: all of a run returns from it, and nothing that is not intact."""

import math
from dataclasses import fields, replace
from itertools import product

import pytest
import torch

from rnnlm_cli.runs.checkpoint import (
    Checkpoint,
    describe_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from rnnlm_cli.windows import Position
from tests.checkpoints import B, H, make_checkpoint, numbers_of, tensors_of

PLAIN = [
    field.name for field in fields(Checkpoint) if field.name not in ("state", "learner")
]


def assert_same(loaded, saved):
    assert loaded.learner.sampled == saved.learner.sampled
    for name in PLAIN:
        assert getattr(loaded, name) == getattr(saved, name), name
    assert numbers_of(loaded) == numbers_of(saved)
    tensors, expected = tensors_of(loaded), tensors_of(saved)
    assert set(tensors) == set(expected)
    for name, tensor in expected.items():
        assert tensors[name].dtype == tensor.dtype, name
        assert torch.equal(tensors[name], tensor), name


def saved_and_loaded(path, checkpoint):
    save_checkpoint(path, checkpoint)
    return load_checkpoint(path)


@pytest.fixture
def path(tmp_path):
    save_checkpoint(tmp_path / "model.rnnlm.state", make_checkpoint())
    return tmp_path / "model.rnnlm.state"


@pytest.mark.parametrize(
    ("cell", "optimizer", "sampled"),
    list(product(("elman_tanh", "elman_relu", "gru", "lstm"), ("adamw", "sgd"), (False, True))),
)
def test_a_saved_checkpoint_is_loaded_unchanged(tmp_path, cell, optimizer, sampled):
    checkpoint = make_checkpoint(cell=cell, optimizer=optimizer, sampled=sampled)
    kept = {name.split(".")[1] for name in checkpoint.learner.optimizers}
    assert kept == {"sgd": set(), "adamw": {"mean", "square", "steps"} | (
        {"last"} if sampled else set()
    )}[optimizer]
    assert_same(saved_and_loaded(tmp_path / "state", checkpoint), checkpoint)


@pytest.mark.parametrize("sampled", [False, True])
def test_a_tied_table_is_loaded_once(tmp_path, sampled):
    checkpoint = make_checkpoint(tied=True, embedding_size=H, sampled=sampled)
    assert_same(saved_and_loaded(tmp_path / "state", checkpoint), checkpoint)


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": math.nan, "gradient_norm": math.nan, "best_nats": math.inf, "best_step": 0},
        {"loss": 0.0, "gradient_norm": 0.0, "best_nats": 0.0, "step": 0},
        {"step": 10**12, "position": Position(2**40, 0), "lr_scale": 2.0**-30},
        {"loss": 5e-324, "gradient_norm": 1.7976931348623157e308, "best_nats": 0.1 + 0.2},
    ],
)
def test_numbers_survive_to_the_last_bit(tmp_path, changes):
    checkpoint = make_checkpoint()
    for name, value in changes.items():
        setattr(checkpoint.state, name, value)
    loaded = saved_and_loaded(tmp_path / "state", checkpoint)
    assert numbers_of(loaded) == numbers_of(checkpoint)
    assert {name: repr(getattr(loaded.state, name)) for name in changes} == {
        name: repr(value) for name, value in changes.items()
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [("finished", True), ("replaced", "9" * 64), ("environment", {"name": "\u4e2d", "threads": 1})],
)
def test_every_field_is_loaded(tmp_path, field, value):
    checkpoint = replace(make_checkpoint(), **{field: value})
    assert getattr(saved_and_loaded(tmp_path / "state", checkpoint), field) == value


@pytest.mark.parametrize(
    ("field", "value"),
    [("budget_seconds", 300.25), ("reserve", 1e-9), ("final_tokens", (1 << 40, 7)),
     ("seconds", 0.1 + 0.2)],
)
def test_every_field_of_the_duration_is_loaded(tmp_path, field, value):
    checkpoint = make_checkpoint()
    checkpoint = replace(checkpoint, duration=replace(checkpoint.duration, **{field: value}))
    loaded = saved_and_loaded(tmp_path / "state", checkpoint)
    assert getattr(loaded.duration, field) == value


def test_the_corrections_of_a_plan_survive(tmp_path):
    checkpoint = make_checkpoint()
    checkpoint.duration.plan.move_end(4, 12)
    loaded = saved_and_loaded(tmp_path / "state", checkpoint)
    assert loaded.duration.plan.corrections == [(4, 12)]
    assert [loaded.duration.plan.lr(step, peak=1.0) for step in range(12)] == [
        checkpoint.duration.plan.lr(step, peak=1.0) for step in range(12)
    ]


def test_tensors_keep_numbers_that_are_not_finite(tmp_path):
    checkpoint = make_checkpoint()
    bias = checkpoint.learner.weights["output_bias"]
    bias[:4] = torch.tensor([math.nan, math.inf, -math.inf, -0.0])
    loaded = saved_and_loaded(tmp_path / "state", checkpoint).learner.weights["output_bias"]
    assert torch.equal(loaded.view(torch.int32), bias.view(torch.int32))


def test_loaded_tensors_own_their_memory_and_outlive_the_file(path):
    """A view of the file would change with it, and a foreign block need not be aligned."""
    loaded, expected = tensors_of(load_checkpoint(path)), tensors_of(make_checkpoint())
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)
    path.unlink()
    for name, tensor in loaded.items():
        assert torch.equal(tensor, expected[name]), name
        assert tensor.is_contiguous() and tensor.data_ptr() % 64 == 0, name
        assert tensor.untyped_storage().resizable(), name  # PyTorch's own
        assert tensor.untyped_storage().nbytes() == tensor.nbytes, name
    places = [tensor.data_ptr() for tensor in loaded.values()]
    assert len(set(places)) == len(places)


def test_the_same_run_gives_the_same_bytes(path, tmp_path):
    save_checkpoint(tmp_path / "again", make_checkpoint())
    save_checkpoint(tmp_path / "loaded", load_checkpoint(path))
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    assert (tmp_path / "loaded").read_bytes() == path.read_bytes()


def test_a_description_is_read_without_the_tensors(path):
    description = describe_checkpoint(path)
    assert (description["format"], description["version"]) == ("rnnlm-state", 2)
    assert description["state"]["step"] == 4
    assert description["batch_size"] == B
