"""The files of a run: recognised by their first bytes, and never written over other files."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from rnnlm_cli.errors import FileError
from rnnlm_cli.files.run_files import (
    RunFileKind,
    companion,
    has_run_file_name,
    identify,
    is_run_history,
    keep_old,
    may_replace,
    remove_leftovers,
    require_writable,
)
from rnnlm_cli.model_file import load_model
from rnnlm_cli.weights_file import save_weights

V1_FOLDER = Path(__file__).parents[1] / "data" / "v1"
PNG = b"\x89PNG\r\n\x1a\n and more"
HISTORY_LINE = b'{"step": 20, "seconds": 1.5}\n'
MODEL, CHECKPOINT, WEIGHTS, HISTORY, PLOT = RunFileKind

# The kind of each file of the folder below, and the kinds that may be written over it.
FILES = {
    "none": (None, set(RunFileKind)),
    "empty": (None, set(RunFileKind)),
    "model.rnnlm": (MODEL, {MODEL, CHECKPOINT}),
    "checkpoint": (CHECKPOINT, {MODEL, CHECKPOINT}),
    "weights": (WEIGHTS, {MODEL, CHECKPOINT, WEIGHTS}),
    "history": (HISTORY, {HISTORY}),
    "plot": (PLOT, {PLOT}),
    "cut": (None, {MODEL, CHECKPOINT}),
    "foreign": (None, {WEIGHTS}),
    "unknown": (None, {MODEL, CHECKPOINT}),
    "undescribed": (None, {MODEL, CHECKPOINT}),
    "lines": (None, {HISTORY}),
    "text": (None, set()),
    "folder": (None, set()),
    "pipe": (None, set()),
}


@pytest.fixture
def folder(model_path, tmp_path):
    """One file of each kind, damaged ones, and files of other programs."""
    save_weights(tmp_path / "weights", load_model(model_path))
    tensors = {"weight": torch.zeros(2)}
    save_file(tensors, tmp_path / "foreign", {"format": "pt"})
    save_file(tensors, tmp_path / "unknown", {"rnnlm": json.dumps({"format": "rnnlm-else"})})
    save_file(tensors, tmp_path / "undescribed", {"rnnlm": "[]"})
    for name, data in {
        "empty": b"",
        "checkpoint": (V1_FOLDER / "v1-char-gru.state").read_bytes(),
        "cut": model_path.read_bytes()[:-1],
        "history": HISTORY_LINE, "plot": PNG, "lines": b'{"id": 7, "text": "To be"}\n',
        "text": b"To be, or not to be: that is the question.",
    }.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_identified_by_its_first_bytes(folder, name):
    assert identify(folder / name) is FILES[name][0]


@pytest.mark.parametrize("name", FILES)
def test_a_path_may_be_replaced_by_files_of_its_own_kind_only(folder, name):
    assert {kind for kind in RunFileKind if may_replace(folder / name, kind)} == FILES[name][1]


def test_a_file_that_cannot_be_read_is_of_no_kind_and_is_not_replaced(folder, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError

    monkeypatch.setattr("pathlib.Path.open", refuse)
    assert identify(folder / "model.rnnlm") is None
    assert not any(may_replace(folder / "model.rnnlm", kind) for kind in RunFileKind)


def test_companion_files_have_the_name_of_the_model_and_an_ending():
    assert companion(Path("a/model.rnnlm"), ".jsonl") == Path("a/model.rnnlm.jsonl")
    for name in ("model.rnnlm", "model.rnnlm.state", "model.rnnlm.png", ".model.rnnlm.1.tmp"):
        assert has_run_file_name(name)
    assert not has_run_file_name("notes.txt")


def test_a_history_is_told_from_other_json_lines():
    assert is_run_history(HISTORY_LINE)
    assert not is_run_history(b'{"id": 7}') and not is_run_history(b"")


def test_a_model_may_be_written_over_a_model_and_to_a_new_path(model_path, tmp_path):
    require_writable(model_path)
    require_writable(tmp_path / "new")
    assert os.listdir(tmp_path) == ["model.rnnlm"]


@pytest.mark.parametrize("ending", ["", ".old", ".state", ".jsonl", ".png"])
def test_a_file_of_another_program_is_never_overwritten(tmp_path, ending):
    text = companion(tmp_path / "model", ending)
    text.write_text("To be, or not to be: that is the question.")
    with pytest.raises(FileError, match="not overwritten") as caught:
        require_writable(tmp_path / "model")
    assert str(caught.value).startswith(f"{text}: exists and is not ")
    assert os.listdir(tmp_path) == [text.name]


def test_a_model_needs_a_folder_that_exists_and_a_file_name(tmp_path):
    with pytest.raises(FileError, match="is a folder; a file name is needed"):
        require_writable(tmp_path)
    with pytest.raises(FileError, match="does not exist"):
        require_writable(tmp_path / "none" / "model")


def test_the_old_model_is_kept_beside_the_new_one(model_path):
    assert keep_old(model_path.with_name("none")) is None
    old = keep_old(model_path)
    assert old == companion(model_path, ".old")
    assert old.read_bytes() == model_path.read_bytes()


def test_only_the_temporary_files_of_killed_processes_are_removed(model_path):
    left = [".model.rnnlm.1.tmp", ".model.rnnlm.state.22.tmp", ".model.rnnlm.png.3.tmp"]
    others = ["model.rnnlm.1.tmp", ".model.rnnlm.x.tmp", ".model.rnnlm.1", ".other.rnnlm.1.tmp"]
    for name in left + others:
        model_path.with_name(name).write_bytes(b"")
    remove_leftovers(model_path)
    assert sorted(os.listdir(model_path.parent)) == sorted(["model.rnnlm", *others])
