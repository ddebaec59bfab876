"""rnnlm info: the facts about a model, and the command that repeats its run."""

import json
import shlex
from pathlib import Path

import pytest

from rnnlm_cli.files.container import write_container
from rnnlm_cli.model_file import MODEL, Model, describe_model, to_arrays
from rnnlm_cli.text.vocabulary import Vocabulary
from tests.training import markov_text


@pytest.fixture
def text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = markov_text(6000, seed=3, letters="abcdefghijk")[0]
    lines = [" ".join(words[k : k + 30 : 2]) for k in range(0, 6000, 30)]
    Path("text").write_text("\n".join(lines) + "\n")
    return "text"


@pytest.mark.parametrize(
    "settings",
    [
        "--steps 12 --hidden-size 24 --batch-size 8 --bptt 16 --dropout 0.25 --clip 0 --seed 5",
        "--epochs 1 --cell elman --nonlinearity relu --layers 2 --hidden-size 16 --lr 0.0015",
        "--steps 9 --level word --min-count 1 --vocab-size 9 --no-tied --softmax sampled"
        " --softmax-samples 5 --hidden-size 16",
        "--steps 9 --level bpe --vocab-size 280 --text sentences --optimizer sgd --cell lstm"
        " --hidden-size 16 --accumulate 2 --valid-fraction 0.3",
        "--steps 9 --level byte --hidden-size 16 --valid text --weight-decay 0.3",
    ],
)
def test_the_command_that_info_prints_repeats_the_run(text, run, settings):
    code, _, err = run("train", text, *settings.split(), "--out", "first")
    assert code == 0, err
    command = json.loads(run("info", "first", "--json")[1])["repeat"]
    program, *arguments = shlex.split(command.replace("TEXT", text).replace("VALID", text))
    assert program == "rnnlm" and arguments[0] == "train"
    code, _, err = run(*arguments, "--out", "second")
    assert code == 0, err
    assert Path("first").read_bytes() == Path("second").read_bytes()


def test_the_command_names_the_initial_model_of_a_warm_start(text, run):
    small = ("--hidden-size", 16, "--batch-size", 8, "--bptt", 16, "--steps", 5)
    run("train", text, *small, "--out", "base")
    run("train", text, "--init", "base", *small[2:], "--out", "tuned")
    command = json.loads(run("info", "tuned", "--json")[1])["repeat"]
    assert "--init INIT" in command and "--min-count" not in command
    code, _, err = run(*shlex.split(
        command.replace("TEXT", text).replace("INIT", "base")
    )[1:], "--out", "again")
    assert code == 0, err
    assert Path("tuned").read_bytes() == Path("again").read_bytes()


def test_a_version_1_model_is_described_too(run):
    model = Path(__file__).parents[1] / "data" / "v1" / "v1-char-gru.model"
    facts = json.loads(run("info", model, "--json")[1])
    assert facts["unknown_tokens"] == 715 and facts["level"] == "char"
    assert "--hidden-size 8" in facts["repeat"] and "--steps 150" in facts["repeat"]


def test_info_shows_the_sampling_temperature(write_model, run):
    write_model(sampling={"temperature": 0.92}, training={"sampling_temperature": 3})
    assert json.loads(run("info", "--json")[1])["sampling_temperature"] == 0.92
    lines = run("info")[1].splitlines()
    assert "sampling_temperature 0.92" in lines
    assert all(line[20] == " " != line[21] for line in lines)
    write_model(sampling={})
    assert "sampling_temperature -" in run("info")[1].splitlines()


@pytest.fixture
def write_model(make_network, tmp_path, monkeypatch):
    """Writes a model file with right checksums and an altered description."""
    monkeypatch.chdir(tmp_path)

    def write(network=None, **changes):
        network = network or make_network(vocab_size=7)
        vocabulary = Vocabulary("char", ("<unk>", "\n", *"abcde"))
        description = describe_model(Model(network, vocabulary, False, "utf-8", {}))
        arrays = to_arrays(network.state_dict())
        write_container(Path("model.rnnlm"), MODEL, description | changes, arrays)

    return write


@pytest.mark.parametrize("changes", [
    {"training": {"valid_nats": "x"}}, {"training": {"valid_nats": True}},
    {"training": {"steps": [1]}}, {"training": {"steps": 10**400}}, {"encoding": 5},
    {"encoding": "no-such-codec"}, {"encoding": "rot13"}, {"training": 5}, {"sentences": "no"},
    {"training": {"test_nats": "x"}}, {"sampling": None}, {"sampling": {"temperature": "x"}},
    {"sampling": {"temperature": -1}},
    {"vocabulary": {"level": "char", "tokens": ["<unk>", "\n", *"abcd", "\udcc3"]}},
])
def test_a_model_with_values_of_wrong_types_is_damaged(write_model, run, changes):
    write_model(**changes)
    for command in (["info"], ["score", "abc"], ["generate", "--n", "3"]):
        code, out, err = run(*command)
        assert (code, out) == (1, "") and "its description does not hold together" in err


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_model_with_weights_that_are_not_finite_is_damaged(
    write_model, make_network, run, number
):
    network = make_network(vocab_size=7)
    next(network.parameters()).data.view(-1)[1] = number
    write_model(network)
    code, out, err = run("score", "abc")
    assert (code, out) == (1, "") and "its weights are not finite numbers" in err


@pytest.mark.parametrize("training", [
    {}, {"min_count": 2}, {"valid_nats": 1e9}, {"cell": "elman_a_b", "level": 5, "text": None},
    {"parameters": "many", "vocabulary": None, "repeat": "rm"},
    {"\x1b]0;title\x07": "\x1b[2J", "optimizer": "\x1b[2J\nb", "seed": "\r"},
])
def test_info_shows_any_training_summary_and_gives_no_orders_to_the_terminal(
    write_model, run, training
):
    write_model(training=training)
    code, out, err = run("info")
    assert (code, err) == (0, "") and all(line.isprintable() for line in out.split("\n"))
    shown = json.loads(run("info", "--json")[1], parse_constant=lambda name: pytest.fail(name))
    assert shown["cell"] == "lstm" and shown["level"] == "char" and shown["text"] == "running"
    assert (shown["vocabulary"], type(shown["parameters"])) == (7, int)
    assert shown["repeat"].startswith("rnnlm train TEXT")
    assert all(name in shown for name in training)
