"""Load altered files, in this process or in one whose memory is measured."""

import faulthandler
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.model_file import load_model, save_model
from rnnlm_cli.runs.checkpoint import load_checkpoint, save_checkpoint
from tests.mutations.entries import load_entry, load_entry_without_text, save_corpus
from tests.mutations.parts import DAMAGED
from tests.mutations.records import load_and_draw_history, load_history

LOADERS = {
    "model": load_model, "checkpoint": load_checkpoint, "entry": load_entry,
    "entry without its text": load_entry_without_text, "history": load_history,
    "drawn history": load_and_draw_history,
}
SAVERS = {
    "model": save_model, "checkpoint": save_checkpoint, "entry": save_corpus,
    "entry without its text": save_corpus,
}

MAX_SECONDS_PER_FILE, MAX_SECONDS = 60, 20 * 60  # beyond them, loading has hung
# Settings under which memory is what is used: threads have stacks and put blocks by, and the
# allocator would keep freed blocks of some megabytes.
FRUGAL = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}


def attempt(kind, path, copy_path=None):
    """Load a file, and save what was loaded. Returns (outcome, message)."""
    try:
        loaded = LOADERS[kind](Path(path))
    except RnnlmError as error:
        return "refused", str(error)
    except Exception as error:  # no file may cause one; the test lists all that do
        return "crashed", repr(error)
    if copy_path is not None:
        SAVERS[kind](Path(copy_path), loaded)
    return "loaded", ""


def find_outcome(mutation, path, original, load, *, subject=None):
    """Load a mutation. Returns: "refused", "same", "other", or what went wrong.

    Args:
        original: the bytes that are saved of the file before it was altered.
        load: `attempt`, in this process or in another one.
        subject: how a message must begin; None is the path of the file.
    """
    path.write_bytes(mutation.data)
    copy_path = path.parent.with_name("copy") if mutation.allowed <= DAMAGED else None
    found, message = load(path, copy_path)
    subject = f"{path}: " if subject is None else subject
    if found == "refused" and not (message.startswith(subject) and message.isprintable()):
        return f"refused, but not in one line: {message!r}"
    if found != "loaded":
        return found if found == "refused" else f"{found}: {message}"
    same = copy_path is not None and copy_path.read_bytes() == original
    return "same" if same else "other"


class Worker:
    """Another process that loads files of one kind, and whose memory is measured."""

    def __init__(self, kind):
        self._process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-c",
             f"from tests.mutations.loading import serve; serve({kind!r})"],
            cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env=os.environ | FRUGAL,
        )
        self._timer = threading.Timer(MAX_SECONDS, self._process.kill)

    def __enter__(self):
        self._timer.start()
        return self

    def __exit__(self, *_):
        self._timer.cancel()
        self._process.kill()
        self._process.communicate()

    def load(self, path, copy_path=None):
        """Do what `attempt` does, and set `peaks` to the peak memory of the process in bytes."""
        print(json.dumps([str(path), copy_path and str(copy_path)]), file=self._process.stdin,
              flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            return "ended", f"the process returned {self._process.wait()}"
        found, message, self.peaks = json.loads(answer)
        return found, message


def serve(kind):
    """Load the files that are named on stdin. This is what the other process runs."""
    faulthandler.register(signal.SIGALRM, chain=True)  # prints a traceback; then the process ends
    for line in sys.stdin:
        signal.alarm(MAX_SECONDS_PER_FILE)
        print(json.dumps([*attempt(kind, *json.loads(line)), read_memory_peaks()]), flush=True)


def read_memory_peaks():
    """Return the peaks of resident and of virtual memory, in bytes.

    getrusage does not serve: there a process begins with the peak of the one that started it.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name].split()[0]) << 10 for name in ("VmHWM", "VmPeak")}
