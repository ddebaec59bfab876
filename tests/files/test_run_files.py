"""The files of a run: their names, and the bytes by which they are recognised."""

import json
from pathlib import Path

import pytest

from rnnlm_cli.files.overwrite import may_replace
from rnnlm_cli.files.run_files import (
    RunFileKind,
    companion,
    companions,
    has_run_file_name,
    identify,
    is_run_history,
)
from tests.histories import make_history

MODEL, CHECKPOINT, WEIGHTS, HISTORY, PLOT, PAGE = RunFileKind

# The kind of each file of the folder, and the kinds that may be written over it.
FILES = {
    "none": (None, set(RunFileKind)),
    "empty": (None, set(RunFileKind)),
    "dangling": (None, set(RunFileKind)),
    "model.rnnlm": (MODEL, {MODEL}),
    "newer": (MODEL, {MODEL}),
    "bit": (MODEL, {MODEL}),
    "checkpoint": (CHECKPOINT, {CHECKPOINT}),
    "weights": (WEIGHTS, {WEIGHTS}),
    "history": (HISTORY, {HISTORY}),
    "plot": (PLOT, {PLOT}),
    "page": (PAGE, {PAGE}),
    **dict.fromkeys(
        ("cut", "foreign", "unknown", "undescribed", "lines", "log", "number", "photo", "text",
         "site", "link", "folder", "pipe"),
        (None, set()),
    ),
}


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
    assert list(companions(Path("a/m"))) == [
        Path("a/m"), Path("a/m.old"), Path("a/m.state"), Path("a/m.jsonl"), Path("a/m.png")
    ]
    for name in ("model.rnnlm", "model.rnnlm.state", "model.rnnlm.png", ".model.rnnlm.1.tmp"):
        assert has_run_file_name(name)
    assert not has_run_file_name("notes.txt")


def test_a_history_is_told_from_other_json_lines():
    line = json.dumps(make_history(1)[0]).encode()
    assert is_run_history(line + b"\n") and is_run_history(line + b"\n{}\n")
    for other in (line, b'{"step": 20, "seconds": 1.5}\n', b'{"id": 7}\n', b"[]\n", b""):
        assert not is_run_history(other)
