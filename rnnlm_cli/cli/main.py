"""rnnlm: the commands together, and what becomes of their errors."""

import os
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from io import TextIOWrapper
from typing import Annotated, Any

import typer

from rnnlm_cli import __version__
from rnnlm_cli.cli.bench import bench
from rnnlm_cli.cli.cache import cache
from rnnlm_cli.cli.export import export
from rnnlm_cli.cli.generate import generate
from rnnlm_cli.cli.info import info
from rnnlm_cli.cli.plot import plot
from rnnlm_cli.cli.score import score
from rnnlm_cli.cli.train import train
from rnnlm_cli.errors import InterruptedByUser, RnnlmError

app = typer.Typer(
    name="rnnlm",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class _PipeClosedError(Exception):
    """Nobody reads stdout any more. Not an OSError: of those Typer makes an exit of its own."""


class _StdoutError(Exception):
    """The disk that stdout is written to is full, say. Files have errors of their own."""


def _with_typers_hands_off(command: Callable[..., int | None]) -> Callable[..., int | None]:
    @wraps(command)
    def run(**options: Any) -> int | None:
        try:
            code = command(**options)
            sys.stdout.flush()
            return code
        except BrokenPipeError:
            raise _PipeClosedError from None
        except OSError as error:
            raise _StdoutError(error.strerror) from None
        except KeyboardInterrupt:
            raise InterruptedByUser("interrupted") from None

    return run


for command in (train, score, generate, info, plot, export, cache, bench):
    app.command()(_with_typers_hands_off(command))


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"rnnlm {__version__}")
        raise typer.Exit


@app.callback()
def rnnlm(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="And exit.")
    ] = False,
) -> None:
    """Recurrent language models: train on your own text, score sentences, write new text."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; None takes the process's own.
    Returns: 0 done, 1 an error, 2 usage, 130 Ctrl-C, 141 a closed pipe, 143 SIGTERM.
    """
    _prepare_streams()
    if arguments is None:
        arguments = [os.fsencode(each).decode("utf-8", "surrogateescape") for each in sys.argv[1:]]
    try:
        code = app(args=arguments, prog_name="rnnlm", standalone_mode=False) or 0
        sys.stdout.flush()
        return code
    except RnnlmError as error:
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:  # usage: an option or an argument that does not fit
        message = " ".join(error.format_message().split()).rstrip(".")
        # No message: there were no arguments at all, and the help was shown.
        return _fail(f"{message}. See 'rnnlm --help'", 2) if message else 2
    except _PipeClosedError:
        _abandon_stdout()
        return 141
    except (OSError, _StdoutError) as error:
        _abandon_stdout()
        reason = getattr(error, "strerror", None) or error
        return _fail(f"stdout: cannot be written ({reason}); room for the output is needed", 1)


def _prepare_streams() -> None:
    """Text is UTF-8 whatever the locale; a stream that the caller closed leads nowhere."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")


def _abandon_stdout() -> None:
    """What is left in its buffer must not fail again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int) -> int:
    print(f"rnnlm: error: {message}", file=sys.stderr)
    return code
