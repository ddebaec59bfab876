"""Checkpoints that are damaged, altered, foreign, too old or too new: refused in one line."""

import errno
import math
import os

import pytest

from rnnlm_cli.errors import FileError, ModelFileError
from rnnlm_cli.model_file import Model, load_model, save_model
from rnnlm_cli.runs.checkpoint import describe_checkpoint, load_checkpoint, save_checkpoint
from tests.builders import rewrite_description
from tests.checkpoints import VERSION_1, VOCABULARY, make_checkpoint


@pytest.fixture
def path(tmp_path):
    save_checkpoint(tmp_path / "model.rnnlm.state", make_checkpoint())
    return tmp_path / "model.rnnlm.state"


def test_checkpoints_and_models_are_not_taken_for_each_other(path, tmp_path, make_network):
    model_path = tmp_path / "model.rnnlm"
    save_model(model_path, Model(make_network(), VOCABULARY, False, "utf-8", {"steps": 3}))
    for load, given, found, wanted in (
        (load_model, path, "rnnlm-state", "a model file"),
        (load_checkpoint, model_path, "rnnlm-model", "a checkpoint"),
        (describe_checkpoint, model_path, "rnnlm-model", "a checkpoint"),
    ):
        with pytest.raises(ModelFileError) as caught:
            load(given)
        message = str(caught.value)
        assert message.startswith(f"{given}: is an {found} file; {wanted} ")
        assert "\n" not in message


def test_a_checkpoint_of_a_newer_version_is_refused(path):
    rewrite_description(path, lambda d: d.update(version=3))
    for load in (load_checkpoint, describe_checkpoint):
        with pytest.raises(ModelFileError, match="format 3, from a newer rnnlm"):
            load(path)


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(ModelFileError, match="none: no such checkpoint"):
        load_checkpoint(tmp_path / "none")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["config"]["model"].update(hidden_size=6), "do not fit"),
        (lambda d: d["config"]["model"].update(hidden_size=1 << 20), "do not fit"),
        (lambda d: d["config"]["model"].update(num_layers=64), "do not fit"),
        (lambda d: d["config"]["train"].update(optimizer="sgd"), "do not fit"),
        (lambda d: d.update(sampled=True), "do not fit"),
        (lambda d: d.update(batch_size=4), "do not fit"),
        (lambda d: d.update(batch_size=1 << 40), "do not fit"),
        (lambda d: d.update(batch_size=-1), "hold together"),
        (lambda d: d.update(batch_size=10**400), "hold together"),
        (lambda d: d.update(batch_size=None), "hold together"),
        (lambda d: d["config"]["model"].update(vocab_size=8), "hold together"),
        (lambda d: d["config"]["model"].update(more=1), "hold together"),
        (lambda d: d["config"]["model"].update(dropout=10**400), "hold together"),
        (lambda d: d["config"]["train"].update(lr=-1), "hold together"),
        (lambda d: d["config"]["train"].update(lr=10**400), "hold together"),
        (lambda d: d["config"]["train"].update(optimizer="magic"), "hold together"),
        (lambda d: d["config"]["train"].update(epochs=2), "hold together"),  # beside steps
        (lambda d: d["config"]["text"].update(level="line"), "hold together"),
        (lambda d: d["config"]["sources"].update(train=None), "hold together"),
        (lambda d: d["config"].update(sources=[]), "hold together"),
        (lambda d: d["vocabulary"]["tokens"].pop(), "hold together"),
        (lambda d: d["vocabulary"]["tokens"].append("a"), "hold together"),
        (lambda d: d["corpus"]["files"][0].pop("sha256"), "hold together"),
        (lambda d: d["corpus"].update(files=3), "hold together"),
        (lambda d: d["duration"]["plan"].update(more=1), "hold together"),
        (lambda d: d["duration"]["plan"].update(total_steps=10**400), "hold together"),
        (lambda d: d["state"].update(position=[1]), "hold together"),
        (lambda d: d["state"].pop("validations_since_best"), "hold together"),
        (lambda d: d.update(state=[]), "hold together"),
        (lambda d: d["duration"].pop("reserve"), "hold together"),
        (lambda d: d["duration"].update(final_tokens=[1, 2, 3]), "hold together"),
        (lambda d: d.pop("environment"), "hold together"),
        (lambda d: d.update(environment=5), "hold together"),
        (lambda d: d.update(num_records="4"), "hold together"),
        (lambda d: d.update(num_records=-1), "hold together"),
        (lambda d: d.update(finished="no"), "hold together"),
        (lambda d: d.update(replaced=5), "hold together"),
        (lambda d: d["state"].update(step="4"), "hold together"),
        (lambda d: d["state"].update(best_step=1.5), "hold together"),
        (lambda d: d["state"].update(position=["a", "b"]), "hold together"),
        (lambda d: d["duration"].update(seconds="x"), "hold together"),
        (lambda d: d["duration"].update(final_tokens=["a", "b"]), "hold together"),
        (lambda d: d["duration"]["plan"].update(total_steps="9"), "hold together"),
        (lambda d: d["corpus"].update(key=5), "hold together"),
        (lambda d: d["config"].update(cache_dir=5), "hold together"),
        (lambda d: d["config"]["model"].update(unknown_trained="no"), "hold together"),
        (lambda d: d["duration"].update(seconds=12.5), "checksum"),
        (lambda d: d["state"].update(step=5), "checksum"),
        (lambda d: d.pop("sha256"), "checksum"),
        (lambda d: d.update(format="rnnlm-model"), "is an rnnlm-model file"),
    ],
)
def test_a_description_that_was_changed_is_refused(path, change, message):
    rewrite_description(path, change)
    with pytest.raises(ModelFileError, match=message) as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [math.nan, -math.inf])
def test_best_weights_that_are_not_finite_are_refused(path, number):
    checkpoint = make_checkpoint()
    checkpoint.state.best_weights["output_bias"][1] = number
    save_checkpoint(path, checkpoint)
    with pytest.raises(ModelFileError, match="its best weights are not finite"):
        load_checkpoint(path)


@pytest.mark.parametrize("fault", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_checkpoint_and_no_other_file(path, monkeypatch, fault):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = path.read_bytes()
    monkeypatch.setattr(os, fault, fail)
    with pytest.raises(FileError, match="No space left") as caught:
        save_checkpoint(path, make_checkpoint(cell="gru"))
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_version_1_checkpoint_is_refused_in_one_line_that_names_init():
    for load in (load_checkpoint, describe_checkpoint):
        with pytest.raises(ModelFileError, match="--init") as caught:
            load(VERSION_1)
        assert "\n" not in str(caught.value)
