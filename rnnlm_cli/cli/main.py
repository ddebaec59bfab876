"""rnnlm: all commands, and the exit codes of their errors."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import getdoc
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
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class _PipeClosedError(Exception):
    """stdout was closed. Not an OSError, because Typer turns those into its own exit."""


class _StdoutError(Exception):
    """stdout cannot be written, for example on a full disk. Files have their own errors."""


def _translate_errors(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Wrap a command so that its errors pass through Typer and reach `main`."""

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


def _reflow(text: str) -> str:
    """Return a help text whose paragraphs are single lines, which the terminal wraps."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


for command in (train, score, generate, info, plot, export, cache, bench):
    app.command(help=_reflow(getdoc(command) or ""))(_translate_errors(command))


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"rnnlm {__version__} (PyTorch {version('torch')})")
        raise typer.Exit


@app.callback()
def rnnlm(
    version: Annotated[bool, typer.Option(
        "--version", callback=_print_version, is_eager=True,
        help="Show the versions of rnnlm and PyTorch, and exit.")] = False,
) -> None:
    """Recurrent language models: train on your own text, score sentences, write new text."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; None takes those of the process.
    Returns: 0 done, 1 an error, 2 usage, 130 Ctrl-C, 141 a closed pipe, 143 SIGTERM.
    """
    started = time.monotonic()
    _prepare_streams()
    if arguments is None:
        started -= time.process_time()  # the process began before this module was imported
        arguments = [os.fsencode(each).decode("utf-8", "surrogateescape") for each in sys.argv[1:]]
    try:
        code = app(
            args=arguments, prog_name="rnnlm", standalone_mode=False, obj={"started": started}
        ) or 0
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
    """Use UTF-8 whatever the locale; connect streams that the caller closed to the null device."""
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
    """Discard what is left in the buffer of stdout, which would fail again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int) -> int:
    print(f"rnnlm: error: {message}", file=sys.stderr)
    return code
