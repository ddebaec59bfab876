"""rnnlm: all commands, and the exit codes of their errors."""

import os
import sys
import time
from _thread import interrupt_main
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from inspect import getdoc
from threading import Timer
from typing import Annotated, Any

import typer

from rnnlm_cli import __version__
from rnnlm_cli.cli.bench import bench
from rnnlm_cli.cli.cache import cache
from rnnlm_cli.cli.export import export
from rnnlm_cli.cli.generate import generate
from rnnlm_cli.cli.info import info
from rnnlm_cli.cli.inspect.context import context
from rnnlm_cli.cli.inspect.gradient import gradient
from rnnlm_cli.cli.inspect.units import units
from rnnlm_cli.cli.inspect.unroll import unroll
from rnnlm_cli.cli.page import page
from rnnlm_cli.cli.pairs import pairs
from rnnlm_cli.cli.plot import plot
from rnnlm_cli.cli.rescore import rescore
from rnnlm_cli.cli.score import score
from rnnlm_cli.cli.streams import PipeClosedError, StdoutError, guard_streams, redirect_to_null
from rnnlm_cli.cli.train import train
from rnnlm_cli.errors import InterruptedByUser, RnnlmError
from rnnlm_cli.messages import escape_controls

app = typer.Typer(
    name="rnnlm",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _translate_errors(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Wrap a command so that its errors pass through Typer and reach `main`."""

    @wraps(command)
    def run(**options: Any) -> int | None:
        try:
            code = command(**options)
            sys.stdout.flush()
            return code
        except OSError as error:  # Typer would make an exit of its own of some of them
            raise _describe_os_error(error) from None
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            raise RnnlmError(
                "memory: is full; a smaller model, a smaller --batch-size or --bptt, or a machine "
                "with more memory is needed. Close other programs, or choose smaller sizes"
            ) from None
        except KeyboardInterrupt:
            raise InterruptedByUser("interrupted") from None

    return run


def _describe_os_error(error: OSError) -> RnnlmError:
    """Return the error for a failed system call that no part of the program expected."""
    subject = "files" if error.filename is None else os.fsdecode(error.filename)
    return RnnlmError(
        f"{subject}: cannot be used ({error.strerror or error}); a file or a folder that you may "
        "read, with room if it is written, is needed. Name another one"
    )


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether the memory is used up, of the processor or of the GPU."""
    message = str(error)
    return isinstance(error, MemoryError) or any(
        each in message for each in ("can't allocate memory", "out of memory")
    )


def _reflow(text: str) -> str:
    """Return a help text whose paragraphs are single lines, which the terminal wraps."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


for command in (train, score, rescore, pairs, generate, info, page, plot, export, cache, bench):
    app.command(help=_reflow(getdoc(command) or ""))(_translate_errors(command))
inspect_app = typer.Typer(
    name="inspect", no_args_is_help=True,
    help="Look inside a trained model: its steps, gradients, context and hidden units.",
)
for command in (unroll, gradient, context, units):
    inspect_app.command(help=_reflow(getdoc(command) or ""))(_translate_errors(command))
app.add_typer(inspect_app)


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
    Returns: 0 done, 1 an error, 2 usage, 129 a closed terminal, 130 Ctrl-C, 141 a closed pipe, 143
        SIGTERM.
    """
    started = time.monotonic()
    if arguments is None:
        started -= time.process_time()  # the process began before this module was imported
        arguments = sys.argv[1:]
    with guard_streams(), _deliver_interrupts():
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
        except PipeClosedError:
            redirect_to_null(sys.stdout)
            return 141
        except StdoutError as error:
            redirect_to_null(sys.stdout)
            return _fail(f"stdout: cannot be written ({error}); room for the output is needed", 1)


@contextmanager
def _deliver_interrupts() -> Iterator[None]:
    """Deliver a Ctrl-C that arrives while code in another language runs.

    Typer reads the command line with such code. Python can then only print the traceback of the
    KeyboardInterrupt, and the command would go on.
    """
    usual = sys.unraisablehook

    def deliver(error: "sys.UnraisableHookArgs") -> None:
        if issubclass(error.exc_type, KeyboardInterrupt):
            later = Timer(0.01, interrupt_main)  # one from within this hook would be lost too
            later.daemon = True
            later.start()
        else:
            usual(error)

    sys.unraisablehook = deliver
    try:
        yield
    finally:
        sys.unraisablehook = usual


def _fail(message: str, code: int) -> int:
    print(f"rnnlm: error: {escape_controls(message)}", file=sys.stderr, flush=True)
    return code
