"""Commands as processes, forked from this one, which has imported everything once.

A forked child becomes what `python -m rnnlm_cli` would be, with streams, folder, environment and
limits of its own. This process must not start threads: a child would wait for them for ever.
"""

import gc
import importlib
import os
import pkgutil
import resource
import runpy
import select
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path

import matplotlib.backends.backend_agg
import matplotlib.figure  # noqa: F401
import torch

import rnnlm_cli
from rnnlm_cli.train import schedule

VALIDATION_TOKENS = 64  # so that short runs have many validations, and save many models
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What the system gets to see: system calls on files, as Python's audit hooks report them.
EVENTS = {
    "open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.utime",
    "os.chmod", "os.listdir", "os.scandir", "fcntl.flock", "tempfile.mkdtemp", "mmap.__new__",
}


@dataclass(frozen=True)
class Setting:
    """The surroundings of a command.

    Args:
        streams: descriptors of stdin, stdout and stderr; None for one that is closed.
        signal_at: a signal, and the number of the event at which the command sends it to itself.
        max_file_bytes: the size beyond which a file cannot grow.
        crash_log: a file for the traceback of an error that no part of the program handled; it is
            written even if nobody reads stderr.
        is_real: whether a new interpreter runs the command, rather than a copy of this process.
    """

    folder: Path
    environment: dict[str, str]
    streams: tuple[int | None, int | None, int | None]
    crash_log: Path
    signal_at: tuple[int, int] | None = None
    max_file_bytes: int | None = None
    is_real: bool = False


class Process:
    """A command that runs, or has run. `code` is that of a shell: 128 + N for signal N."""

    def __init__(self, arguments, setting):
        sys.stdout.flush()
        self.code = None
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _become(arguments, setting)
            finally:
                os._exit(99)
        self._watched = os.pidfd_open(self.pid)

    def send(self, signum):
        if self.code is None:
            os.kill(self.pid, signum)

    def wait(self, seconds):
        """Wait for the end. Returns: the exit code, or None if it takes longer."""
        if self.code is None and select.select([self._watched], [], [], max(seconds, 0))[0]:
            os.close(self._watched)
            code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            self.code = code if code >= 0 else 128 - code
        return self.code

    def kill(self):
        """End the process at once. Returns: its exit code."""
        self.send(signal.SIGKILL)
        return self.wait(60)


def prepare():
    """Import all that a command could import, and make this process safe to fork."""
    torch.set_num_threads(1)
    schedule.MIN_VALIDATION_TOKENS = VALIDATION_TOKENS
    for module in pkgutil.walk_packages(rnnlm_cli.__path__, "rnnlm_cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    gc.collect()
    gc.freeze()
    assert threading.active_count() == 1


def _become(arguments, setting):
    """Turn this process into a command; does not return."""
    for target, descriptor in enumerate(setting.streams):
        if descriptor is None:
            os.close(target)
        else:
            os.dup2(descriptor, target)
    os.closerange(3, 512)
    os.chdir(setting.folder)
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_DFL)
    if setting.max_file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (setting.max_file_bytes,) * 2)
    if setting.is_real:
        program = [sys.executable, "-m", "rnnlm_cli", *arguments]
        os.execve(program[0], program, setting.environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(setting.environment)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        stream = None
        if setting.streams[number] is not None:
            stream = open(
                number, mode, encoding="utf-8", errors="backslashreplace", closefd=False,
                buffering=1 if name == "stderr" else -1,
            )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.argv = ["rnnlm", *arguments]
    if setting.signal_at is not None:
        sys.addaudithook(_make_hook(*setting.signal_at))
    os._exit(_run_module(setting.crash_log))


def _run_module(crash_log):
    """Run `python -m rnnlm_cli` in this process. Returns: its exit code."""
    code = 0
    try:
        runpy.run_module("rnnlm_cli", run_name="__main__", alter_sys=True)
    except SystemExit as error:
        code = error.code or 0
    except KeyboardInterrupt:  # before the first line of the program, or after its last one
        code = 128 + signal.SIGINT
    except BaseException:
        crash_log.write_text(traceback.format_exc())
        code = 1
    for stream in (sys.stdout, sys.stderr):  # as the interpreter does at its end
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            crash_log.write_text(traceback.format_exc())
            code = 120
    return code


def _make_hook(signum, number):
    """Return an audit hook that sends a signal to this process at its `number`-th event."""
    left = number

    def count(event, arguments):
        nonlocal left
        if event in EVENTS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signum)

    return count
