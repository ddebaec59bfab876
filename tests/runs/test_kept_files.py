"""Files that stand in the way of a run: they are kept, or the run does not begin."""

import os
import re
import tempfile
from pathlib import Path

import pytest

from rnnlm_cli.errors import FileError
from rnnlm_cli.files.atomic import read_mode
from rnnlm_cli.files.lock import Lock
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.model_file import load_model
from rnnlm_cli.weights_file import save_weights
from tests.builders import save_tiny
from tests.runs.test_saver import Disk
from tests.training import SMALL, read_records, resume, train

RECORD = '{"step": 1, "seconds": 1.0, "tokens": 9, "loss": 2.0, "valid_nats": null}\n'


@pytest.mark.parametrize("option", ["TEXT", "--valid", "--test"])
def test_a_text_is_never_overwritten_by_the_history_of_its_run(text, run, option):
    """Not even if it is the history of another run."""
    Path("data.jsonl").write_text(RECORD * 300)
    texts = ["data.jsonl"] if option == "TEXT" else [text, option, "data.jsonl"]
    code, _, err = run("train", *texts, *SMALL, "--steps", 3, "--out", "data")
    assert code == 1 and "data.jsonl: would be overwritten, and this command reads it" in err
    assert Path("data.jsonl").read_text() == RECORD * 300
    assert sorted(os.listdir()) == ["data.jsonl", "text"]


def test_a_run_does_not_replace_the_model_that_it_starts_from(text, run):
    train(text, steps=2)
    first = Path("model.rnnlm").read_bytes()
    code, _, err = run("train", text, "--init", "model.rnnlm", "--steps", 2)
    assert code == 1 and "model.rnnlm: would be overwritten, and this command reads it" in err
    assert Path("model.rnnlm").read_bytes() == first


def _damage(path):
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def _make_newer(path):
    path.write_bytes(re.sub(rb'(\\"version\\":)\d', rb"\g<1>9", path.read_bytes()))


@pytest.mark.parametrize("change", [_damage, _make_newer])
def test_a_model_that_cannot_be_loaded_is_kept_as_old(text, run, change):
    train(text, steps=2)
    change(Path("model.rnnlm"))
    kept = Path("model.rnnlm").read_bytes()
    code, _, err = run("train", text, *SMALL, "--steps", 4)
    assert code == 0 and "the model that was model.rnnlm is now model.rnnlm.old" in err
    assert Path("model.rnnlm.old").read_bytes() == kept
    assert LanguageModel.load("model.rnnlm").training["planned_steps"] == 4


def test_exported_weights_and_the_checkpoint_of_another_run_are_not_replaced(text, run):
    train(text, steps=20, pause_at=10)
    save_weights(Path("weights"), load_model("model.rnnlm"))
    for name in ("weights", "model.rnnlm.state"):
        kept = Path(name).read_bytes()
        code, _, err = run("train", text, *SMALL, "--steps", 3, "--out", name)
        assert code == 1 and f"{name}: exists and is not recognised as a model of rnnlm" in err
        assert Path(name).read_bytes() == kept


def test_a_model_that_was_copied_in_while_a_run_was_paused_is_kept_as_old(text, make_network):
    train(text, steps=20, pause_at=10)
    save_tiny(make_network, Path("model.rnnlm"))
    copied = Path("model.rnnlm").read_bytes()
    resume()
    assert Path("model.rnnlm.old").read_bytes() == copied
    assert LanguageModel.load("model.rnnlm").training["planned_steps"] == 20


def test_the_own_models_of_a_resumed_run_are_not_kept_as_old(text, many_validations):
    train(text, steps=40, pause_at=20)
    resume()
    assert not Path("model.rnnlm.old").exists()


def test_a_restart_sets_a_checkpoint_of_a_newer_version_aside(text, run):
    train(text, steps=20, pause_at=10)
    path = Path("model.rnnlm.state")
    _make_newer(path)
    newer = path.read_bytes()
    code, _, err = run("train", text, *SMALL, "--steps", 2)
    assert code == 1 and "from a newer rnnlm" in err and path.read_bytes() == newer
    code, _, err = run("train", text, *SMALL, "--steps", 2, "--restart")
    assert code == 0 and "it is now model.rnnlm.state.old" in err
    assert Path("model.rnnlm.state.old").read_bytes() == newer


@pytest.mark.parametrize("head", ["notes of mine\n", '{"step": "1"}\n'])
def test_a_damaged_history_is_set_aside_and_the_run_goes_on(text, run, head):
    train(text, steps=20, pause_at=10)
    Path("model.rnnlm.jsonl").write_text(head)
    code, _, err = run("train", "--resume")
    assert code == 0 and "it is now model.rnnlm.jsonl.old" in err
    assert Path("model.rnnlm.jsonl.old").read_text() == head
    assert read_records()[-1]["step"] == 20


def test_the_records_behind_a_damaged_one_are_not_lost(text, run, many_validations):
    train(text, steps=20, pause_at=12)
    history = Path("model.rnnlm.jsonl")
    lines = history.read_text().splitlines(keepends=True)
    history.write_text("".join([*lines[:2], "damage\n", *lines[3:]]))
    before = history.read_text()
    code, _, err = run("train", "--resume")
    assert code == 0 and "its first 2 records are kept" in err
    assert Path("model.rnnlm.jsonl.old").read_text() == before
    assert history.read_text().startswith("".join(lines[:2])) and read_records()[-1]["step"] == 20


def test_a_resume_that_is_refused_touches_nothing(text, run):
    Path("data.state").write_text("notes")
    Path("data.jsonl").write_text('{"text": "x"}\n')
    code, _, err = run("train", "--resume", "--out", "data")
    assert code == 1 and "data.state" in err
    assert sorted(os.listdir()) == ["data.jsonl", "data.state", "text"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_resume_does_not_replace_a_pipe_or_a_folder_in_the_place_of_the_history(
    text, run, make
):
    train(text, steps=20, pause_at=10)
    history = Path("model.rnnlm.jsonl")
    history.unlink()
    make(history)
    before = os.lstat(history)
    code, _, err = run("train", "--resume")
    assert code == 1 and "model.rnnlm.jsonl: exists and is not recognised" in err
    assert os.path.samestat(before, os.lstat(history))


def test_every_save_keeps_the_permissions_that_a_person_gave(text):
    train(text, steps=20, pause_at=10)
    private = [Path(f"model.rnnlm{ending}") for ending in ("", ".state", ".jsonl")]
    for path in private:
        path.chmod(0o600)
    resume()
    train(text, steps=2)
    for path in [*private, Path("model.rnnlm.old")]:
        assert read_mode(path) == 0o600, path


def test_a_link_and_the_model_that_it_names_are_trained_by_one_run_at_a_time(text, run):
    Path("real").mkdir()
    Path("link").symlink_to("real/m")
    assert run("train", text, *SMALL, "--steps", 2, "--out", "link")[0] == 0
    assert sorted(os.listdir("real")) == ["m", "m.jsonl", "m.png", "m.state"]
    assert Path("link").is_symlink() and sorted(os.listdir()) == ["link", "real", "text"]
    with Lock(Path("real/m")):
        code, _, err = run("train", text, *SMALL, "--steps", 2, "--out", "link")
    assert code == 1 and "is being trained by another process" in err


def test_the_rescued_model_goes_where_there_is_room(text, monkeypatch, tmp_path):
    """The folder of temporary files may be on the full disk, and a user may have no home."""
    home = tmp_path / "home"
    home.mkdir()

    def fail():
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", fail)
    monkeypatch.setattr(Path, "home", lambda: home)
    Disk(monkeypatch, full=range(3, 10**6))
    with pytest.raises(FileError, match="No space left") as caught:
        train(text, steps=20)
    rescued = Path(re.search("saved as (.*) instead", str(caught.value))[1])
    assert rescued.is_relative_to(home)
    assert LanguageModel.load(rescued).training["planned_steps"] == 20


def test_a_rescue_that_fails_everywhere_leaves_no_folder_and_says_so(text, monkeypatch, tmp_path):
    def have_no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(Path, "home", have_no_home)
    Disk(monkeypatch, full=range(3, 10**6), endings=("", ".state", ".jsonl"))
    monkeypatch.setattr("rnnlm_cli.runs.saver.save_model", _refuse)
    with pytest.raises(FileError, match="No space left"):
        train(text, steps=20)
    assert not list(Path().glob("rnnlm-*"))


def test_a_plot_that_fails_is_a_note_and_the_figures_of_the_run_are_shown(text, run, monkeypatch):
    def fail(*_, **__):
        raise OSError("Matplotlib requires access to a writable cache directory")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    code, _, err = run("train", text, *SMALL, "--steps", 2)
    assert code == 0 and "no plot of the losses: matplotlib: cannot draw the plot (Matplotli" in err
    assert "validation: " in err and "Traceback" not in err
    assert LanguageModel.load("model.rnnlm").training["steps"] == 2


def _refuse(path, model):
    raise FileError(f"{path}: cannot be written (No space left on device)")
