"""rnnlm generate --interactive on a terminal: lines, Ctrl-C, and Ctrl-D."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from rnnlm_cli.cli.interactive import require_terminal
from rnnlm_cli.config import SampleConfig
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.language_model import LanguageModel

PACKAGE_FOLDER = str(Path(__file__).parents[2])
PROMPT = "> "
SECONDS = 120  # to wait for a prompt, at most
CTRL_C, CTRL_D = "\x03", "\x04"
HINT = "rnnlm: note: :quit or Ctrl-D ends the session\n"


class Terminal:
    """A command on a terminal of its own, whose keyboard and screen the test has."""

    def __init__(self, *arguments):
        self._control, terminal = pty.openpty()
        attributes = termios.tcgetattr(terminal)
        attributes[3] |= termios.NOFLSH  # otherwise Ctrl-C drops what has not been read yet
        attributes[3] &= ~termios.ECHOCTL  # ^C is not shown
        termios.tcsetattr(terminal, termios.TCSANOW, attributes)
        command = [sys.executable, "-m", "rnnlm_cli", "generate", "--interactive", *arguments]
        # The shell is the leader of a session: what it opens becomes the terminal of the session,
        # whose Ctrl-C is a signal.
        self.process = subprocess.Popen(
            ["sh", "-c", 'exec "$@" <"$0"', os.ttyname(terminal), *command],
            stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
            env={**os.environ, "PYTHONPATH": PACKAGE_FOLDER, "TERM": "dumb", "INPUTRC": os.devnull},
        )
        os.close(terminal)

    def read(self, has_come):
        """Read the screen until `has_come` is true of what was read, or until the end."""
        shown = ""
        while not has_come(shown):
            assert select.select([self._control], [], [], SECONDS)[0], shown
            try:
                piece = os.read(self._control, 4096)
            except OSError:  # the command has ended
                piece = b""
            if not piece:
                break
            shown += piece.decode("ascii").replace("\r", "").replace(CTRL_C, "")
        return shown

    def read_answer(self):
        """Read the screen until the next prompt, or until the command ends."""
        return self.read(lambda shown: shown.endswith(PROMPT)).removesuffix(PROMPT)

    def type(self, keys):
        """Press keys."""
        os.write(self._control, keys.encode())

    def interrupt_prompt(self):
        """Press Ctrl-C at the prompt, and read until the next prompt.

        Python misses a signal that arrives just before it waits for the next key. The pause makes
        this rare, and if nothing has happened for long, the key is pressed again.
        """
        time.sleep(0.1)
        self.type(CTRL_C)
        while not select.select([self._control], [], [], 20)[0]:
            self.type(CTRL_C)
        return self.read_answer()

    def ask(self, line):
        """Type a line, and return what is shown after it, until the next prompt."""
        self.type(line + "\n")
        return self.read_answer().removeprefix(line + "\n")

    def close(self):
        """End the command if it has not ended."""
        self.process.kill()
        self.process.wait()
        os.close(self._control)


@pytest.fixture
def open_terminal(model_path):
    terminals = []

    def start(*arguments):
        terminals.append(Terminal(*arguments))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def continue_once(prompt, **settings):
    model = LanguageModel.load("model.rnnlm")
    return "".join(model.generate(SampleConfig(**settings), prompt=prompt))


def with_newline(text):
    return text if text.endswith("\n") else text + "\n"


def test_a_session_answers_in_turns_until_ctrl_d(open_terminal):
    terminal = open_terminal("--seed", "7", "--n", "20")
    assert terminal.read_answer().startswith("char model, ")
    text = "ab"
    for turn, line in enumerate(("ab", "", "c")):
        text += line if turn else ""
        new = continue_once(text, seed=7 + turn, num_tokens=20)
        assert terminal.ask(line) == with_newline(new)
        text += new
    assert terminal.ask("xyz").startswith("rnnlm: error: text: the model does not know ")
    assert terminal.ask(":show") == with_newline(text)
    terminal.type(CTRL_D)
    assert terminal.read_answer() == "\n"
    assert terminal.process.wait(SECONDS) == 0


def test_ctrl_c_ends_a_continuation_and_not_the_session(open_terminal):
    terminal = open_terminal("--n", "100000000", "--temperature", "2")
    terminal.read_answer()
    terminal.type("ab\n")
    shown = terminal.read(lambda shown: len(shown) > 3000)
    terminal.type(CTRL_C)
    shown += terminal.read_answer()
    text = "ab" + shown.removeprefix("ab\n")
    assert len(text) > 3000 and terminal.ask(":show") == text
    terminal.type("abc")
    terminal.read(lambda shown: shown.endswith("abc"))
    assert terminal.interrupt_prompt() == f"\n{HINT}"
    assert terminal.ask(":n 5") == "n: 5\n"
    assert len(terminal.ask("").rstrip("\n")) <= 5
    assert terminal.ask(":undo").startswith("the text ends with '...")
    assert terminal.ask(":show") == text
    assert terminal.ask(":quit") == ""
    assert terminal.process.wait(SECONDS) == 0


def test_ctrl_d_directly_after_ctrl_c_is_no_error(open_terminal):
    """Ctrl-D may be read before the signal is seen. It is then lost, and pressed again here."""
    terminal = open_terminal()
    terminal.read_answer()
    terminal.type(CTRL_C + CTRL_D)
    assert HINT in terminal.read_answer()
    terminal.type(CTRL_D)
    assert terminal.process.wait(SECONDS) == 0


@pytest.mark.parametrize("missing", ["stdin", "stdout"])
def test_a_session_needs_a_terminal_on_both_sides(monkeypatch, tmp_path, missing):
    control, terminal = pty.openpty()
    with (
        open(terminal, "r+b", buffering=0) as present, open(tmp_path / "file", "w") as file,
        monkeypatch.context() as patch,
    ):
        for name in ("stdin", "stdout"):
            patch.setattr(sys, name, file if name == missing else present)
        with pytest.raises(ConfigError) as caught:
            require_terminal()
    os.close(control)
    assert str(caught.value) == (
        f"--interactive: {missing} is not a terminal; a terminal is needed. "
        "Use --prompts - for lines from a pipe"
    )


def test_lines_from_a_pipe_are_refused(model_path, run):
    code, out, err = run("generate", "--interactive")
    assert (code, out) == (2, "")
    assert err.startswith("rnnlm: error: --interactive: stdin is not a terminal; ")
    assert err.count("\n") == 1
