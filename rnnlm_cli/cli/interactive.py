"""`rnnlm generate --interactive`: a person and a model write a text in turns on a terminal."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from rnnlm_cli.cli.interactive_session import Session
from rnnlm_cli.cli.interrupts import note_interrupts
from rnnlm_cli.cli.text_stream import OutputOptions
from rnnlm_cli.config import SampleConfig
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.messages import StderrMessages

if TYPE_CHECKING:
    from rnnlm_cli.language_model import LanguageModel

PROMPT = "> "


def converse(
    model: LanguageModel, config: SampleConfig, output: OutputOptions, *, skip_unknown: bool
) -> int:
    """Continue what a person types on a terminal, until they end the session.

    Returns: the exit code. Raises: ConfigError if stdin or stdout is not a terminal.
    """
    require_terminal()
    with suppress(ImportError):
        import_module("readline")  # gives input() a history and keys to edit the line
    sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    session = Session(model, config, output, skip_unknown=skip_unknown)
    session.greet()
    while not session.has_ended:
        try:
            line = _read_line()
            with note_interrupts() as is_interrupted:
                session.answer(line, is_interrupted)
        except KeyboardInterrupt:
            sys.stdout.write("\n")
            sys.stdout.flush()
            StderrMessages().note(":quit or Ctrl-D ends the session")
    return 0


def _read_line() -> str:
    """Return the next line that is typed; Ctrl-D stands for :quit.

    Python may notice a Ctrl-C only when input() has returned or failed. So this function is called
    where a KeyboardInterrupt is expected, and the exception handler for Ctrl-D is part of it.
    """
    try:
        return input(PROMPT)
    except EOFError:
        sys.stdout.write("\n")
        return ":quit"


def require_terminal() -> None:
    """Raise ConfigError if stdin or stdout is not a terminal."""
    for name, stream in (("stdin", sys.stdin), ("stdout", sys.stdout)):
        if not stream.isatty():
            raise ConfigError(
                f"--interactive: {name} is not a terminal; a terminal is needed. "
                "Use --prompts - for lines from a pipe"
            )
