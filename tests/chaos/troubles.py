"""Random troubles of a command: signals, streams that close or fill up, and full disks."""

import os
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass

SIGNALS = (
    signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT,
)
MAX_EVENTS = {True: 360, False: 90}  # of a short run, and of another command
MAX_SECONDS = 0.4
MAX_FREE_BYTES = 150_000


@dataclass(frozen=True)
class Trouble:
    """What happens to a command.

    Args:
        signum: a signal that it gets, at an event (see `processes.EVENTS`) or after some seconds.
        stdout, stderr: "file", "closed" (the descriptor), "full" (a full disk), or the number of
            bytes after which the reader of a pipe stops to read.
        max_file_bytes: the size beyond which no file can grow.
    """

    signum: int | None = None
    at_event: int | None = None
    after_seconds: float | None = None
    stdout: str | int = "file"
    stderr: str | int = "file"
    max_file_bytes: int | None = None
    is_real: bool = False

    def __str__(self):
        facts = (
            f"{name} {value!s}" for name, value in vars(self).items()
            if value not in (None, "file") and value is not False
        )
        return ", ".join(facts) or "nothing"


def draw_trouble(draw, *, trains):
    """Return a random trouble; one command in three has none."""
    kind = draw.choices(
        ("nothing", "event", "time", "stdout", "stderr", "both", "limit"), (5, 6, 4, 1, 2, 1, 1)
    )[0]
    is_real = draw.random() < 0.04
    if kind == "event":
        at_event = draw.randint(1, MAX_EVENTS[trains])
        return Trouble(signum=draw.choice(SIGNALS), at_event=at_event)
    if kind == "time":
        seconds = draw.uniform(0, 4 if is_real else MAX_SECONDS)
        return Trouble(signum=draw.choice(SIGNALS), after_seconds=seconds, is_real=is_real)
    if kind == "limit":
        return Trouble(max_file_bytes=draw.randrange(60_000), is_real=is_real)
    streams = {
        name: draw.choice(("closed", "full", 0, draw.randrange(400)))
        for name in ("stdout", "stderr") if kind in (name, "both")
    }
    return Trouble(**streams, is_real=is_real)


@contextmanager
def open_stream(kind, path):
    """Open the descriptor that a command gets as its stdout or stderr; None if it is closed."""
    reader = None
    if kind == "closed":
        yield None
        return
    if kind == "full":
        descriptor = os.open("/dev/full", os.O_WRONLY)
    elif kind == "file":
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    else:
        end, descriptor = os.pipe()
        reader = subprocess.Popen(["head", "-c", str(kind)], stdin=end, stdout=subprocess.DEVNULL)
        os.close(end)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
        if reader is not None:
            reader.wait()


@contextmanager
def nearly_full_disk(folder, free_bytes):
    """Leave so many bytes free on the disk of a folder; None leaves it as it is."""
    if free_bytes is None:
        yield
        return
    status = os.statvfs(folder)
    filler = folder / "filler"
    with filler.open("wb") as file:
        size = status.f_bavail * status.f_frsize - free_bytes
        os.posix_fallocate(file.fileno(), 0, max(size, 1))
    try:
        yield
    finally:
        filler.unlink()
