"""The state file: all of a run comes back from it, and nothing that is not whole."""

import errno
import math
import os
from dataclasses import fields
from itertools import product

import pytest
import torch

from rnnlm_cli.errors import FileError, ModelFileError
from rnnlm_cli.files import atomic as files
from rnnlm_cli.model_file import Model, load_model, save_model
from rnnlm_cli.runs.checkpoint import (
    Checkpoint,
    describe_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from rnnlm_cli.windows import Position
from tests.builders import rewrite_description
from tests.checkpoints import VOCABULARY, B, H, make_checkpoint, numbers_of, tensors_of

PLAIN = [
    field.name for field in fields(Checkpoint)
    if field.name not in ("state", "weights", "optimizers")
]


def assert_same(loaded, saved):
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
def test_what_is_saved_is_loaded(tmp_path, cell, optimizer, sampled):
    checkpoint = make_checkpoint(cell=cell, optimizer=optimizer, sampled=sampled)
    kept = {name.split(".")[1] for name in checkpoint.optimizers}
    assert kept == {"sgd": set(), "adamw": {"mean", "square", "steps"} | (
        {"last"} if sampled else set()
    )}[optimizer]
    assert_same(saved_and_loaded(tmp_path / "state", checkpoint), checkpoint)


@pytest.mark.parametrize("sampled", [False, True])
def test_a_table_at_both_ends_is_loaded_once(tmp_path, sampled):
    checkpoint = make_checkpoint(tied=True, embedding_size=H, sampled=sampled)
    assert_same(saved_and_loaded(tmp_path / "state", checkpoint), checkpoint)


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": math.nan, "gradient_norm": math.nan, "best_nats": math.inf, "best_step": 0},
        {"loss": 0.0, "gradient_norm": 0.0, "best_nats": 0.0, "step": 0},
        {"step": 10**12, "position": Position(2**40, 0), "rate_scale": 2.0**-30},
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
    [
        ("budget", 300.25),
        ("reserve", 1e-9),
        ("final_tokens", (1 << 40, 7)),
        ("seconds", 0.1 + 0.2),
        ("finished", True),
        ("replaced", "9" * 64),
        ("files", ()),
        ("environment", {"device_name": "\u4e2d", "threads": 1}),
    ],
)
def test_every_field_survives(tmp_path, field, value):
    checkpoint = make_checkpoint()
    setattr(checkpoint, field, value)
    assert getattr(saved_and_loaded(tmp_path / "state", checkpoint), field) == value


def test_the_corrections_of_a_plan_survive(tmp_path):
    checkpoint = make_checkpoint()
    checkpoint.plan.correct(4, 12)
    loaded = saved_and_loaded(tmp_path / "state", checkpoint)
    assert [tuple(each) for each in loaded.plan.corrections] == [(4, 12)]
    assert [loaded.plan.rate(step, peak=1.0) for step in range(12)] == [
        checkpoint.plan.rate(step, peak=1.0) for step in range(12)
    ]


def test_what_is_not_finite_survives_in_tensors(tmp_path):
    checkpoint = make_checkpoint()
    bias = checkpoint.weights["output_bias"]
    bias[:4] = torch.tensor([math.nan, math.inf, -math.inf, -0.0])
    loaded = saved_and_loaded(tmp_path / "state", checkpoint).weights["output_bias"]
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
    assert (description["format"], description["version"]) == ("rnnlm-state", 1)
    assert description["numbers"]["step"] == 4
    assert description["rows"] == B


def test_state_and_model_files_are_not_taken_for_each_other(path, tmp_path, make_network):
    model_path = tmp_path / "model.rnnlm"
    save_model(model_path, Model(make_network(), VOCABULARY, False, "utf-8", {"steps": 3}))
    for load, given, found, wanted in (
        (load_model, path, "rnnlm-state", "a model file"),
        (load_checkpoint, model_path, "rnnlm-model", "a state file"),
        (describe_checkpoint, model_path, "rnnlm-model", "a state file"),
    ):
        with pytest.raises(ModelFileError) as caught:
            load(given)
        message = str(caught.value)
        assert message.startswith(f"{given}: is an {found} file; {wanted} ")
        assert "\n" not in message


def test_a_state_of_a_newer_version_is_refused(path):
    rewrite_description(path, lambda d: d.update(version=2))
    for load in (load_checkpoint, describe_checkpoint):
        with pytest.raises(ModelFileError, match="format 2, from a newer rnnlm"):
            load(path)


def test_a_state_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(ModelFileError, match="none: no such state file"):
        load_checkpoint(tmp_path / "none")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["settings"]["model"].update(hidden_size=6), "do not fit"),
        (lambda d: d["settings"]["model"].update(hidden_size=1 << 20), "do not fit"),
        (lambda d: d["settings"]["model"].update(num_layers=64), "do not fit"),
        (lambda d: d["settings"]["train"].update(optimizer="sgd"), "do not fit"),
        (lambda d: d.update(sampled=True), "do not fit"),
        (lambda d: d.update(rows=4), "do not fit"),
        (lambda d: d.update(rows=1 << 40), "do not fit"),
        (lambda d: d.update(rows=-1), "hold together"),
        (lambda d: d.update(rows=10**400), "hold together"),
        (lambda d: d.update(rows=None), "hold together"),
        (lambda d: d["settings"]["model"].update(vocab_size=8), "hold together"),
        (lambda d: d["settings"]["model"].update(more=1), "hold together"),
        (lambda d: d["settings"]["model"].update(dropout=10**400), "hold together"),
        (lambda d: d["settings"]["train"].update(lr=-1), "hold together"),
        (lambda d: d["settings"]["train"].update(lr=10**400), "hold together"),
        (lambda d: d["settings"]["train"].update(optimizer="magic"), "hold together"),
        (lambda d: d["settings"]["train"].update(epochs=2), "hold together"),  # beside steps
        (lambda d: d["settings"]["text"].update(level="line"), "hold together"),
        (lambda d: d["settings"]["sources"].update(train=None), "hold together"),
        (lambda d: d["settings"].update(sources=[]), "hold together"),
        (lambda d: d["vocabulary"]["tokens"].pop(), "hold together"),
        (lambda d: d["vocabulary"]["tokens"].append("a"), "hold together"),
        (lambda d: d["corpus"]["files"][0].pop("sha256"), "hold together"),
        (lambda d: d["corpus"].update(files=3), "hold together"),
        (lambda d: d["plan"].update(more=1), "hold together"),
        (lambda d: d["plan"].update(total_steps="nine"), "hold together"),
        (lambda d: d["plan"].update(total_steps=10**400, num_validations=0), "hold together"),
        (lambda d: d["numbers"].update(position=[1]), "hold together"),
        (lambda d: d["numbers"].pop("since_best"), "hold together"),
        (lambda d: d.update(numbers=[]), "hold together"),
        (lambda d: d.update(minutes=None), "hold together"),
        (lambda d: d.update(final_tokens=[1, 2, 3]), "hold together"),
        (lambda d: d.pop("environment"), "hold together"),
        (lambda d: d.update(seconds=12.5), "checksum"),
        (lambda d: d["numbers"].update(step=5), "checksum"),
        (lambda d: d.pop("sha256"), "checksum"),
        (lambda d: d.update(format="rnnlm-model"), "is an rnnlm-model file"),
    ],
)
def test_a_description_that_was_changed_is_refused(path, change, message):
    rewrite_description(path, change)
    with pytest.raises(ModelFileError, match=message) as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fault", ["fsync", "replace"])
def test_a_full_disk_leaves_the_state_before_and_no_other_file(path, monkeypatch, fault):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = path.read_bytes()
    monkeypatch.setattr(files.os, fault, fail)
    with pytest.raises(FileError, match="No space left") as caught:
        save_checkpoint(path, make_checkpoint(cell="gru"))
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]
