"""Files that rnnlm did not write are never overwritten, and models are kept as FILE.old."""

import os
from pathlib import Path

import pytest

from rnnlm_cli.errors import FileError
from rnnlm_cli.files.atomic import read_mode
from rnnlm_cli.files.overwrite import (
    keep_old,
    remove_leftovers,
    require_no_input,
    require_replaceable,
    require_run_files_writable,
    set_aside,
)
from rnnlm_cli.files.run_files import RunFileKind, companion

WEIGHTS = RunFileKind.WEIGHTS


def test_a_model_may_be_written_over_a_model_and_to_a_new_path(model_path, tmp_path):
    require_run_files_writable(model_path)
    require_run_files_writable(tmp_path / "new")
    assert os.listdir(tmp_path) == ["model.rnnlm"]


@pytest.mark.parametrize("ending", ["", ".old", ".state", ".jsonl", ".png"])
@pytest.mark.parametrize("other", ["text", "lines", "log", "photo", "foreign"])
def test_a_file_of_another_program_is_never_overwritten(folder, ending, other):
    path = companion(folder / "new", ending)
    data = (folder / other).read_bytes()
    path.write_bytes(data)
    with pytest.raises(FileError, match="is not overwritten") as caught:
        require_run_files_writable(folder / "new")
    assert str(caught.value).startswith(f"{path}: exists and is not recognised as ")
    assert path.read_bytes() == data


def test_a_model_needs_a_folder_that_exists_and_a_file_name(tmp_path):
    with pytest.raises(FileError, match="is a folder; a file name is needed"):
        require_run_files_writable(tmp_path)
    with pytest.raises(FileError, match="does not exist"):
        require_run_files_writable(tmp_path / "none" / "model")


@pytest.mark.parametrize(("name", "forced"), [
    ("text", True), ("foreign", True), ("folder", False), ("pipe", False),
])
def test_a_person_can_insist_on_a_file_but_not_on_a_folder_or_a_device(folder, name, forced):
    with pytest.raises(FileError) as caught:
        require_replaceable(folder / name, WEIGHTS, option="OUT", force=False)
    assert ("--force" in str(caught.value)) == forced
    if forced:
        require_replaceable(folder / name, WEIGHTS, option="OUT", force=True)
    else:
        with pytest.raises(FileError, match=r"[Cc]hoose another OUT"):
            require_replaceable(folder / name, WEIGHTS, option="OUT", force=True)


def test_an_input_is_no_output_by_whatever_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("history.jsonl").touch()
    Path("link").symlink_to("history.jsonl")
    os.link("history.jsonl", "twin")
    for name in ("history.jsonl", tmp_path / "history.jsonl", "link", "twin"):
        with pytest.raises(FileError, match=r"history.jsonl: would be overwritten.*another --out"):
            require_no_input([Path("none"), Path("history.jsonl")], [name], option="--out")
    require_no_input([Path("history.jsonl")], ["none", "."], option="--out")


def test_the_old_model_is_kept_with_its_permissions(model_path):
    assert keep_old(model_path.with_name("none")) is None
    model_path.chmod(0o600)
    companion(model_path, ".old").write_bytes(model_path.read_bytes())
    old = keep_old(model_path)
    assert old == companion(model_path, ".old")
    assert old.read_bytes() == model_path.read_bytes() and read_mode(old) == 0o600


def test_neither_a_foreign_file_is_kept_as_old_nor_a_foreign_old_file_replaced(folder):
    with pytest.raises(FileError, match=r"text: exists and is not recognised as a model"):
        keep_old(folder / "text")
    companion(folder / "model.rnnlm", ".old").write_text("notes")
    with pytest.raises(FileError, match=r"model.rnnlm.old: exists and is not recognised"):
        keep_old(folder / "model.rnnlm")
    assert companion(folder / "model.rnnlm", ".old").read_text() == "notes"


def test_a_file_is_set_aside_under_the_first_name_that_is_free(tmp_path):
    for text, name in (("first", "file.old"), ("second", "file.old2"), ("third", "file.old3")):
        (tmp_path / "file").write_text(text)
        assert set_aside(tmp_path / "file") == tmp_path / name
        assert (tmp_path / name).read_text() == text
    assert (tmp_path / "file.old").read_text() == "first"


def test_the_temporary_files_of_all_companions_are_removed(model_path):
    for name in (".model.rnnlm.1.tmp", ".model.rnnlm.state.22.tmp", ".model.rnnlm.png.3.tmp"):
        model_path.with_name(name).touch()
    remove_leftovers(model_path)
    assert os.listdir(model_path.parent) == ["model.rnnlm"]
