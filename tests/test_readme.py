"""The README's commands, as they stand, in order (with a short --steps put in)."""

import gzip
import math
import re
import shlex
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
TEXT = """To be, or not to be, that is the question:
The quick brown fox jumps over a garden path, or it does not;
Whether 'tis nobler in the mind to suffer a lazy dog.
"""
BUDGET = re.compile(r"--(minutes|epochs|steps) \S+")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("corpus.txt", "valid.txt", "test.txt", "lines.txt"):
        (tmp_path / name).write_text(TEXT * 20)
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "one.txt").write_text(TEXT * 20)
    (tmp_path / "prompts.txt").write_text("to be\nthe quick \n")
    (tmp_path / "nbest.txt").write_text(
        "0 ||| to be or not ||| F= -1 ||| -1\n0 ||| to bee ||| F= -2 ||| -2\n"
    )
    (tmp_path / "references.txt").write_text("to be or not\n")
    (tmp_path / "pairs.tsv").write_text("to be or not\tto or be not\n")
    (tmp_path / "packed.txt.gz").write_bytes(gzip.compress(TEXT.encode() * 20))
    monkeypatch.chdir(tmp_path)


def test_every_command_works_as_it_stands(folder, run):
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(commands) > 10
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "rnnlm"
        if arguments[0] == "train":
            arguments = [*shlex.split(BUDGET.sub("", command))[1:], "--steps", "2"]
        code, out, err = run(*arguments)
        assert code == 0, f"{command}: {err}"
        wanted = arguments[0] not in ("train", "plot", "export", "page") or "--dry-run" in arguments
        assert bool(out) == wanted, command


def test_the_python_examples_run(folder, run, capfd):
    run("train", "corpus.txt", "--steps", "2")
    loading, training = blocks("python")
    exec(loading, {})
    assert len(capfd.readouterr().out) > 200
    exec(training, {})
    nats, perplexity = map(float, capfd.readouterr().out.split())
    assert math.exp(nats) == pytest.approx(perplexity)
    assert Path("python.rnnlm").exists()


def test_no_figure_is_left_to_fill_in():
    assert re.findall(r"\b(SESSION|PAIRS|BAR|NOVELTY|TODO)\b", README) == []


def test_the_rooms_of_the_readme_are_those_of_the_code():
    package = Path(__file__).parents[1] / "rnnlm_cli"
    table = " ".join(line for line in README.splitlines() if line.startswith("| `"))
    named = {room.rstrip("/") for room in re.findall(r"`([a-z_]+(?:/|\.py))`", table)}
    rooms = {path.name for path in package.iterdir() if not path.name.startswith("_")}
    assert named == rooms - {"errors.py", "py.typed"}
