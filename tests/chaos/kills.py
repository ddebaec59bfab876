"""Runs that are killed at random moments and resumed, until they end.

Nothing may be lost on the way, and the model must be that of a run that nobody killed. The choices
follow from the seed and the number of the recipe.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
from pathlib import Path

from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.files.run_files import CHECKPOINT, HISTORY, companion
from rnnlm_cli.model_file import load_model
from rnnlm_cli.runs.checkpoint import load_checkpoint
from tests.chaos.commands import RECIPES
from tests.chaos.processes import Process, Setting, prepare
from tests.chaos.references import MAX_SECONDS, References, make_environment

STEPS = ("--steps", "60", "--save-every", "0.000001")  # with a checkpoint after every step
MAX_EVENTS, MOST_SECONDS = 700, 0.6  # of a whole run, about


class KilledRun:
    """A run by a recipe, which begins anew when it has ended, until it was killed often enough."""

    def __init__(self, recipe, seed, folder, references):
        self._recipe, self._folder, self._references = recipe, folder, references
        self._draw = random.Random(f"{seed} {recipe.seed}")
        self._model = folder / "model.rnnlm"
        self._step = None  # of the checkpoint; None if there is none
        self.problems = []
        self.num_kills = 0

    def play(self, num_kills):
        """Train, kill and resume until there were so many kills and the last run has ended."""
        while self.num_kills < num_kills or self._step is not None:
            if self._step is None:
                command = ("train", self._recipe.text, *self._recipe.options, *STEPS)
            else:
                command = ("train", "--resume")
            code = self._run(command, kills=self.num_kills < num_kills)
            if code == 128 + signal.SIGKILL:
                self.num_kills += 1
                self._check_files()
            elif code == 0:
                self._check_end()
                for path in self._folder.glob("*model.rnnlm*"):
                    path.unlink()
                self._step = None
            else:
                self.problems.append(f"{command} ended with {code}: {self._read_stderr()[-500:]}")
            if self.problems:
                return

    def _run(self, command, *, kills):
        """Run a command, and kill it if asked. Returns: its exit code, None if it has hung."""
        by_event = self._draw.random() < 0.5
        event, seconds = self._draw.randint(1, MAX_EVENTS), self._draw.uniform(0, MOST_SECONDS)
        null = os.open(os.devnull, os.O_RDWR)
        said = os.open(self._folder / "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        process = Process(command, Setting(
            self._folder, make_environment(self._folder), (null, null, said),
            self._folder / "stderr", (signal.SIGKILL, event) if kills and by_event else None,
        ))
        os.close(null)
        os.close(said)
        if kills and not by_event:
            process.wait(seconds)
            process.send(signal.SIGKILL)
        code = process.wait(MAX_SECONDS)
        process.kill()
        return code

    def _read_stderr(self):
        return (self._folder / "stderr").read_text(errors="replace")

    def _check_files(self):
        """Check after a kill that all files are whole, and that no step was lost."""
        checkpoint, step = companion(self._model, CHECKPOINT), None
        try:
            if self._model.exists():
                load_model(self._model)
            if checkpoint.exists():
                step = load_checkpoint(checkpoint).state.step
        except RnnlmError as error:
            self.problems.append(str(error))
        if self._step is not None and (step is None or step < self._step):
            self.problems.append(f"the checkpoint was at step {self._step}, and is at {step}")
        self._step = step

    def _check_end(self):
        """Check the model and the history of a run that has ended, and that nothing is left."""
        if self._model.read_bytes() != self._references[self._recipe]:
            self.problems.append("the model is not that of a run that nobody killed")
        lines = companion(self._model, HISTORY).read_text().splitlines()
        steps = [json.loads(line)["step"] for line in lines]
        if steps != sorted(set(steps)) or steps[-1] != int(STEPS[1]):
            self.problems.append(f"the history has the steps {steps}")
        left = [path.name for path in self._folder.glob(".model.rnnlm*")]
        left += [path.name for path in (self._folder / "cache").glob("*.tmp")]
        if left and self._step != int(STEPS[1]):  # otherwise nothing was left to do but to say so
            self.problems.append(f"left over: {left}")


def main():
    options = argparse.ArgumentParser(prog="python -m tests.chaos.kills", description=__doc__)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--kills", type=int, default=10, help="for each recipe")
    options.add_argument("--recipes", help="numbers of recipes: 17, or 0:32:2", default="0:32")
    given = options.parse_args()
    first, *more = map(int, given.recipes.split(":"))
    failed, total = 0, 0
    with tempfile.TemporaryDirectory(prefix="kills-") as work:
        os.environ.setdefault("MPLCONFIGDIR", work)
        prepare()
        references = References(Path(work), STEPS)
        for number in range(first, *(more or [first + 1])):
            with tempfile.TemporaryDirectory(dir=work) as folder:
                (Path(folder) / RECIPES[number].text).symlink_to(
                    Path(work) / RECIPES[number].text
                )
                run = KilledRun(RECIPES[number], given.seed, Path(folder), references)
                run.play(given.kills)
            total += run.num_kills
            if run.problems:
                failed += 1
                print(f"{RECIPES[number]}, killed {run.num_kills} times:", *run.problems, sep="\n")
                print(
                    f"To repeat it: python -m tests.chaos.kills --seed {given.seed} "
                    f"--recipes {number} --kills {given.kills}\n", flush=True,
                )
    print(f"{total} kills, {failed} recipes with problems")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
