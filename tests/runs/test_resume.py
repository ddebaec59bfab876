"""Resumed and extended runs: they end in the bytes of an uninterrupted run."""

from pathlib import Path

import pytest

from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.model_file import load_model
from tests.training import SMALL, read_records, resume, train


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 40, "test": ["text"]},
        {"epochs": 1, "optimizer": "sgd", "accumulate": 2, "cell": "elman_tanh"},
        {"steps": 40, "level": "bpe", "vocab_size": 270, "embedding_size": 24},
        {"steps": 40, "level": "byte", "text": "sentences", "patience": 50},
    ],
    ids=["char", "accumulated", "bpe", "sentences of bytes"],
)
def test_a_paused_and_resumed_run_ends_in_the_same_bytes(text, settings):
    assert train(text, out="whole", **settings).finished
    assert not train(text, out="broken", pause_at=5, **settings).finished
    outcome = resume("broken", pause_at=17)
    assert not outcome.finished and outcome.step == 17
    assert resume("broken").finished
    assert Path("broken").read_bytes() == Path("whole").read_bytes()


def test_a_resumed_run_ends_with_the_same_sampling_temperature(text, many_validations):
    """The validation text contradicts the training text, so the network is overconfident."""
    Path("train").write_text("ab" * 3000)
    Path("valid").write_text("aabb" * 100)
    train("train", valid=["valid"], steps=60, out="whole")
    train("train", valid=["valid"], steps=60, out="broken", pause_at=5)
    resume("broken", pause_at=40)
    resume("broken")
    assert load_model("whole").sampling["temperature"] > 0.8
    assert Path("broken").read_bytes() == Path("whole").read_bytes()


def test_a_stop_before_the_first_validation_does_not_change_what_follows(text):
    """The model of such a stop is validated once more, and that must not count as the best."""
    train(text, steps=60, out="whole")
    train(text, steps=60, out="broken", pause_at=1)
    assert Path("broken").exists()
    resume("broken")
    assert Path("broken").read_bytes() == Path("whole").read_bytes()


def test_a_finished_run_says_so_and_can_be_extended(text, run):
    train(text, steps=20)
    before = Path("model.rnnlm").read_bytes()
    code, _, err = run("train", "--resume")
    assert code == 0 and "is finished, after 20 steps" in err
    assert Path("model.rnnlm").read_bytes() == before
    code, _, err = run("train", "--resume", "--steps", 15)
    assert code == 0 and "step 35/35" in err and "extending model.rnnlm after 20 steps" in err
    lr = {record["step"]: record["rate"] for record in read_records()}
    assert max(lr[step] for step in range(21, 36)) == pytest.approx(
        max(lr[step] for step in range(1, 21)) / 2, rel=0.15
    )
    assert not Path("model.rnnlm.old").exists()


def test_an_unfinished_run_stretches_its_schedule(text, run):
    train(text, steps=40, pause_at=10)
    code, _, err = run("train", "--resume", "--steps", 20)
    assert code == 0 and "step 60/60" in err and "resuming model.rnnlm after 10 steps" in err
    lr = [record["rate"] for record in read_records()]
    assert lr[8:] == sorted(lr[8:], reverse=True)  # no second warm-up


def test_minutes_are_added_to_the_steps_that_are_left(text):
    train(text, steps=40, pause_at=10)
    resume(minutes=0.02)
    planned = LanguageModel.load("model.rnnlm").training["planned_steps"]
    assert planned > 40
    resume(minutes=0.02)
    assert LanguageModel.load("model.rnnlm").training["planned_steps"] > planned


DIFFERENCES = [
    (["--lr", "0.5"], "--lr: 0.5 given, the run has"),
    (["--cell", "lstm"], "--cell: 'lstm' given, the run has 'gru'"),
    (["--hidden-size", "25", "--bptt", "8"], "--hidden-size: 25 given, the run has 24. --bptt: 8"),
    (["other"], "TEXT: "),
    (["--valid", "other"], "--valid: "),
    (["--seed", "4", "--minutes", "1"], "--seed: 4 given, the run has 1"),
    (["--restart"], "--resume and --restart"),
    (["--dry-run"], "--resume and --dry-run"),
]


def test_settings_that_differ_from_the_run_are_refused_and_named(text, run):
    train(text, steps=40, pause_at=10)
    Path("other").write_text("abc\n" * 40)
    checkpoint = Path("model.rnnlm.state").read_bytes()
    for flags, message in DIFFERENCES:
        code, _, err = run("train", "--resume", *flags)
        assert code == 2 and message in err and len(err.splitlines()) == 1, err
    assert run("train", text, "--resume", "--steps", 1, "--save-every", 9, "--seed", 1,
               "--text", "running", "--softmax", "full", "--level", "char")[0] == 0
    assert Path("model.rnnlm.state").read_bytes() != checkpoint


def test_the_vocabulary_size_that_a_run_began_with_may_be_repeated(text, run):
    """The text may have fewer tokens than --vocab-size allows."""
    settings = ("--level", "word", "--vocab-size", 30_000)
    train(text, level="word", vocab_size=30_000, steps=20, pause_at=5)
    code, _, err = run("train", text, *SMALL[:2], "--resume", *settings)
    assert code == 0, err


def test_an_unfinished_run_is_not_overwritten_unasked(text, run):
    train(text, steps=40, pause_at=10)
    before = {path: path.read_bytes() for path in Path().iterdir()}
    code, _, err = run("train", text, *SMALL, "--steps", 5)
    assert code == 1 and "holds an unfinished run, 10 steps on" in err
    assert "'rnnlm train --resume' continues it, --restart begins anew" in err
    assert {path: path.read_bytes() for path in Path().iterdir()} == before
    assert run("train", text, *SMALL, "--steps", 5, "--restart")[0] == 0


def test_without_a_checkpoint_the_error_says_how_to_begin(text, run):
    code, _, err = run("train", "--resume")
    assert code == 1 and "no such checkpoint" in err and "'rnnlm train TEXT' begins one" in err


def test_a_version_1_checkpoint_gets_one_line_that_names_init(text, run):
    version_1 = Path(__file__).parents[1] / "data" / "v1" / "v1-char-gru.state"
    Path("model.rnnlm.state").write_bytes(version_1.read_bytes())
    code, _, err = run("train", "--resume")
    assert code == 1 and len(err.splitlines()) == 1 and "--init" in err
    code, _, err = run("train", text, *SMALL, "--steps", 2)
    assert code == 1 and len(err.splitlines()) == 1 and "--init" in err
    assert run("train", text, *SMALL, "--steps", 2, "--restart")[0] == 0


def test_another_number_of_threads_is_reported(text, run):
    assert run("train", text, *SMALL, "--steps", 40, "--threads", 1)[0] == 0
    assert "rnnlm: note: resuming with" not in run(
        "train", "--resume", "--steps", 3, "--threads", 1
    )[2]
    err = run("train", "--resume", "--steps", 3, "--threads", 2)[2]
    assert "rnnlm: note: resuming with threads 1 -> 2" in err
