"""The help of the commands, as a terminal shows it."""

import re
from itertools import pairwise

import pytest

COMMANDS = (
    "train", "score", "rescore", "pairs", "generate", "info", "inspect unroll", "inspect gradient",
    "inspect context", "inspect units", "page", "plot", "export", "cache", "bench",
)


@pytest.fixture
def show_help(run, monkeypatch):
    def show(*command):
        monkeypatch.setenv("COLUMNS", "80")
        code, out, _ = run(*command, "--help")
        assert code == 0
        return out

    return show


def test_train_shows_ten_options_first_and_the_others_in_panels(show_help):
    panels = re.split(r"^╭─ (\w+) ─+╮$", show_help("train"), flags=re.MULTILINE)
    options = {
        title: re.findall(r"^│ (--[\w-]+)", text, re.MULTILINE)
        for title, text in zip(panels[1::2], panels[2::2], strict=True)
    }
    assert set(options["Options"]) == {
        "--out", "--valid", "--init", "--resume", "--level", "--cell", "--layers",
        "--hidden-size", "--dropout", "--minutes", "--help",
    }
    assert set(options) == {
        "Arguments", "Options", "Text", "Model", "Optimization", "Budget", "Run", "Machine"
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_defaults_have_no_parentheses_and_usage_no_doubled_brackets(show_help, command):
    text = " ".join(re.sub("[│╭╮╰╯─]", " ", show_help(*command.split())).split())
    assert "[default: (" not in text and "[[" not in text
    assert "[default: " in text or command in ("cache",)


@pytest.mark.parametrize("command", COMMANDS)
def test_paragraphs_reflow_to_the_width_of_the_terminal(show_help, command):
    """No line of a paragraph ends where the next word would have fitted."""
    description = show_help(*command.split()).split("╭")[0]
    for paragraph in re.split(r"\n\s*\n", description):
        lines = [line.strip() for line in paragraph.strip().splitlines()]
        for line, following in pairwise(lines):
            assert len(line) + 1 + len(following.split()[0]) > 76, line
