"""Text with control characters: escaped for a terminal, exact in a pipe."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import save_tiny

PACKAGE_FOLDER = str(Path(__file__).parents[2])
PROMPT = "a\x1b]0;t\x07b\r\tc\nd\x9b2J e\u00e9"
GENERATE = ("generate", "--n", "1", "--seed", "1", "-f", "prompt.txt")


@pytest.fixture(autouse=True)
def folder(make_network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_tiny(make_network, tmp_path / "model.rnnlm", level="byte")
    Path("prompt.txt").write_text(PROMPT, "utf-8", newline="")


def run_on_terminal(*arguments):
    """Run a command whose stdout is a terminal, and return the bytes that the terminal gets."""
    control, terminal = pty.openpty()
    command = [sys.executable, "-m", "rnnlm_cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": PACKAGE_FOLDER}
    process = subprocess.Popen(
        command, env=environment, stdout=terminal, stderr=subprocess.DEVNULL
    )
    os.close(terminal)
    received = b""
    while True:
        try:
            piece = os.read(control, 4096)
        except OSError:  # the terminal has no writer any more
            break
        if not piece:
            break
        received += piece
    os.close(control)
    assert process.wait(timeout=60) == 0
    return received


def test_generated_text_cannot_give_orders_to_the_terminal(run):
    shown = run_on_terminal(*GENERATE).decode("utf-8")
    assert shown.startswith("a\\x1b]0;t\\x07b\\r\tc\r\nd\\x9b2J e\u00e9")  # \r\n: the terminal's


def test_generated_text_in_a_pipe_is_exact(run):
    assert run(*GENERATE)[1].startswith(PROMPT)
    assert json.loads(run(*GENERATE, "--json")[1])["prompt"] == PROMPT


def test_a_prompt_that_is_not_utf8_gives_json_that_strict_readers_take(run):
    arguments = ("generate", "--n", "1", "--seed", "1", "--prompt", os.fsdecode(b"a\xff"))
    out = run(*arguments, "--json")[1]
    assert json.loads(out)["prompt"] == "a\ufffd" and "\\ud" not in out
