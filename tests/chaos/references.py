"""The models that uninterrupted runs make, each made once."""

import os

from tests.chaos import PROJECT_FOLDER
from tests.chaos.commands import STEPS
from tests.chaos.folder import TEXTS
from tests.chaos.processes import Process, Setting

MAX_SECONDS = 60  # beyond them a command has hung


class References:
    """The results of recipes, from runs in a folder where nothing happens.

    Args:
        folder: an empty folder.
        steps: options for the length of the runs.
    """

    def __init__(self, folder, steps=STEPS):
        self._folder, self._steps, self._models = folder, steps, {}
        for name, text in TEXTS.items():
            (folder / name).write_text(text, "utf-8")

    def __getitem__(self, recipe):
        """Return the bytes of the model file of a recipe."""
        if recipe not in self._models:
            out = f"{recipe.seed}.rnnlm"
            arguments = ("train", recipe.text, *recipe.options, *self._steps, "--out", out)
            code, said = run_quietly(arguments, self._folder)
            assert code == 0, (arguments, code, said)
            self._models[recipe] = (self._folder / out).read_bytes()
        return self._models[recipe]


def make_environment(folder, temporary=None):
    """Return the environment of commands in a folder.

    Args:
        temporary: the folder for temporary files; None is the folder itself.
    """
    return {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT_FOLDER), "HOME":
        str(folder / "home"), "TMPDIR": str(temporary or folder), "RNNLM_CACHE_DIR":
        str(folder / "cache"), "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1",
        "MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR", ""),
        "PYTHONDONTWRITEBYTECODE": "1",  # a limit on the size of files would cut it short
    }


def run_quietly(arguments, folder, stdin=b""):
    """Run a command without troubles. Returns: its exit code and what it said on stderr."""
    given, said = os.memfd_create("stdin"), os.memfd_create("stderr")
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.write(given, stdin)
        os.lseek(given, 0, os.SEEK_SET)
        process = Process(arguments, Setting(
            folder, make_environment(folder), (given, null, said), folder / "crash"
        ))
        code = process.wait(MAX_SECONDS)
        if code is None:
            process.kill()
        os.lseek(said, 0, os.SEEK_SET)
        return code, os.read(said, 1 << 20).decode(errors="replace")
    finally:
        for descriptor in (given, said, null):
            os.close(descriptor)
