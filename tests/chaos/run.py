"""One chaos run: rounds of commands under troubles in a folder, and what must hold after each."""

import os
import random
import re
import shlex
import signal
import time
import traceback
from contextlib import ExitStack
from pathlib import Path

from rnnlm_cli.errors import ModelFileError
from rnnlm_cli.files.run_files import CHECKPOINT, OLD, RunFileKind, companion, companions, identify
from rnnlm_cli.model_file import load_model
from rnnlm_cli.runs.checkpoint import load_checkpoint
from tests.chaos.commands import RECIPES, STEPS, TINY, Command, draw_command, train_by_recipe
from tests.chaos.folder import OUTS, TEXTS, find_changes, make_folder, remove_folder
from tests.chaos.processes import Process, Setting
from tests.chaos.references import MAX_SECONDS, make_environment, run_quietly
from tests.chaos.troubles import (
    MAX_FREE_BYTES,
    Trouble,
    draw_trouble,
    nearly_full_disk,
    open_stream,
)

NUM_ROUNDS = 4
LIKELY_OUTS = ("model.rnnlm", "m", "sub/n.rnnlm", "link.rnnlm")  # nothing is in their way, usually
FORBIDDEN = re.compile(r"Traceback|Exception ignored|Warning:|Fatal|\bcore dumped|Segmentation")
LOADERS = {RunFileKind.MODEL: load_model, RunFileKind.CHECKPOINT: load_checkpoint}


class ChaosRun:
    """A run, whose choices follow from a seed and a number.

    Args:
        folder: does not exist yet; on a disk of its own if `fills_disk`.
        logs: an existing folder elsewhere, for what commands say.
        references: a References.
    Attributes: `problems`, lines about what should not be; `story`, lines about what was done.
    """

    def __init__(self, seed, number, folder, logs, references, *, fills_disk):
        self._draw = random.Random(f"{seed} {number}")
        self._folder, self._logs, self._references = folder, logs, references
        self._fills_disk = fills_disk
        self.problems, self.story = [], []

    def play(self):
        """Do everything, and delete the folder."""
        self._folder.mkdir()
        try:
            self._play()
        except Exception:  # a checkpoint that cannot be read, for example
            self.problems.append(traceback.format_exc())
        remove_folder(self._folder)

    def _play(self):
        draw = self._draw
        models = [self._references[recipe] for recipe in draw.sample(RECIPES, 2)]
        self._users = make_folder(self._folder, draw, models)
        likely = draw.choice(LIKELY_OUTS)
        outs = (likely, likely, likely, draw.choice(OUTS))
        self._play_round([train_by_recipe(draw, likely)])
        for _ in range(NUM_ROUNDS - 1):
            out, num_at_once = draw.choice(outs), draw.choice((1, 1, 1, draw.randint(2, 4)))
            self._play_round([draw_command(draw, out) for _ in range(num_at_once)])
        self._resume_all()
        self._check_loading()

    def _play_round(self, commands):
        """Run commands at once, and check what they left."""
        draw = self._draw
        chosen = [(each, draw_trouble(draw, trains=each.out is not None)) for each in commands]
        free_bytes = draw.randrange(MAX_FREE_BYTES) if draw.random() < 0.15 else None
        if not self._fills_disk:
            free_bytes = None
        before = self._read_checkpoints()
        first = len(self.story)
        with nearly_full_disk(self._folder.parent, free_bytes):
            ended = self._run_at_once(chosen)
        if free_bytes is not None:
            self.story.insert(first, f"at most {free_bytes:,} bytes are free:")
        if len(commands) > 1:
            self.story.insert(first, f"{len(commands)} at once:")
        for (command, trouble), code, said in ended:
            self._check_end(command, trouble, code, said)
        if len(commands) == 1 and ended[0][1] == 0:
            self._check_model(*chosen[0])
        self._check_checkpoints(before, commands)
        self.problems += find_changes(self._folder, self._users)

    def _run_at_once(self, chosen):
        """Run commands at once, each with its trouble. Returns: (both, exit code, stderr)."""
        with ExitStack() as resources:
            processes = [
                self._start(command, trouble, number, resources)
                for number, (command, trouble) in enumerate(chosen)
            ]
            started = time.monotonic()
            timed = [(trouble, process) for (_, trouble), process in zip(
                chosen, processes, strict=True
            ) if trouble.after_seconds is not None]
            for trouble, process in sorted(timed, key=lambda each: each[0].after_seconds):
                process.wait(started + trouble.after_seconds - time.monotonic())
                process.send(trouble.signum)
            codes = [process.wait(MAX_SECONDS) for process in processes]
            for process in processes:
                process.kill()
        ended = []
        for number, (both, code) in enumerate(zip(chosen, codes, strict=True)):
            said = (self._logs / f"stderr{number}").read_text(errors="replace")
            crash_log = self._logs / f"crash{number}"
            if crash_log.exists():
                said += crash_log.read_text()
                crash_log.unlink()
            self.story.append(
                f"  rnnlm {shlex.join(both[0].arguments)}   [{both[1]}] -> {code} {said[-200:]!r}"
            )
            ended.append((both, code, said))
        return ended

    def _start(self, command, trouble, number, resources):
        stdin = self._logs / f"stdin{number}"
        stdin.write_bytes(command.stdin)
        given = os.open(stdin, os.O_RDONLY)
        resources.callback(os.close, given)
        streams = [given]
        for name in ("stdout", "stderr"):
            path = self._logs / f"{name}{number}"
            path.write_bytes(b"")
            streams.append(resources.enter_context(open_stream(getattr(trouble, name), path)))
        signal_at = None if trouble.at_event is None else (trouble.signum, trouble.at_event)
        return Process(command.arguments, Setting(
            self._folder, make_environment(self._folder, self._logs), tuple(streams),
            self._logs / f"crash{number}", signal_at, trouble.max_file_bytes, trouble.is_real,
        ))

    def _check_end(self, command, trouble, code, said):
        """Check an exit code, and that an error is one line."""
        allowed = {0, 1, 2} | ({128 + trouble.signum} if trouble.signum else set())
        if trouble.stdout != "file":
            allowed.add(128 + signal.SIGPIPE)
        self._check_rescue(command, trouble, said)
        subject = shlex.join(command.arguments)
        if code not in allowed:
            what = "has hung" if code is None else f"ended with {code}"
            self.problems.append(f"rnnlm {subject} {what}: {said[-300:]!r}")
        if FORBIDDEN.search(said):
            self.problems.append(f"rnnlm {subject} said: {said[-1500:]}")
        num_errors = len(re.findall("^rnnlm: error: ", said, re.MULTILINE))
        is_heard = trouble.stderr == "file" and trouble.max_file_bytes is None
        if is_heard and num_errors != (1 if code in (1, 2) else 0) and code in (0, 1, 2):
            self.problems.append(f"rnnlm {subject} ended with {code} and {num_errors} errors")

    def _check_model(self, command, trouble):
        """Check the model of a run by a recipe that ended well."""
        if command.recipe is not None and not trouble.is_real:
            model = Path(os.path.realpath(self._folder / command.out))
            if model.read_bytes() != self._references[command.recipe]:
                self.problems.append(f"{model.name} is not the model of {command.recipe}")

    def _read_checkpoints(self):
        """Return (seed, step, whether it is finished) of each checkpoint, by its model's path."""
        found = {}
        for model in {Path(os.path.realpath(self._folder / out)) for out in OUTS}:
            path = companion(model, CHECKPOINT)
            if identify(path) is RunFileKind.CHECKPOINT:
                checkpoint = load_checkpoint(path)
                seed = checkpoint.config.train.seed
                found[model] = seed, checkpoint.state.step, checkpoint.finished
        return found

    def _check_checkpoints(self, before, commands):
        """Check that no run was lost or set back that nobody wanted to begin anew."""
        now = self._read_checkpoints()
        restarted = {
            Path(os.path.realpath(self._folder / command.out))
            for command in commands if command.restarts
        }
        for model, (seed, step, finished) in before.items():
            if model in restarted:
                continue
            new_seed, new_step, _ = now.get(model, (None, 0, None))
            if new_seed is None or (not finished and (new_seed != seed or new_step < step)):
                self.problems.append(
                    f"the run of {model.name} was at step {step} of recipe {seed}, and is now at "
                    f"{new_step} of {new_seed}"
                )

    def _resume_all(self):
        """Resume every run to its end, and compare its model with that of an unbroken run."""
        recipes = {recipe.seed: recipe for recipe in RECIPES}
        for model, (seed, _, is_finished) in self._read_checkpoints().items():
            recipe = recipes.get(seed)
            text = b"" if recipe is None else TEXTS[recipe.text].encode()
            arguments = ("train", "--resume", "--out", str(model.relative_to(self._folder)))
            code, said = run_quietly(arguments, self._folder, text)
            self.story.append(f"  {shlex.join(arguments)}   [at the end] -> {code} {said[:60]!r}")
            self._check_end(Command(arguments), Trouble(), code, said)
            if code != 0 and recipe is not None:
                self.problems.append(f"{model.name} cannot be resumed: {said[-300:]!r}")
            if recipe is not None and not self._holds(model, recipe, is_finished):
                self.problems.append(f"{model.name}, resumed, is not the model of {recipe}")
            for path in companions(model):
                self._check_leftovers(path.parent.glob(f".{path.name}.*"))
        run_quietly(("train", "text.txt", "--dry-run", *TINY, *STEPS), self._folder)
        self._check_leftovers((self._folder / "cache").glob("*.tmp"))
        self.problems += find_changes(self._folder, self._users)

    def _holds(self, model, recipe, is_finished):
        """Return whether a model file is that of a recipe, or its copy if the run had ended.

        On a full disk a later run may have kept the model as FILE.old, and saved no checkpoint.
        """
        paths = [model, companion(model, OLD)] if is_finished else [model]
        return any(
            path.read_bytes() == self._references[recipe] for path in paths if path.is_file()
        )

    def _check_rescue(self, command, trouble, said):
        """Check the model that was saved elsewhere, because the disk was full."""
        for name in re.findall(r"The model was saved as (.*) instead: ", said):
            rescued = self._folder / name
            load_model(rescued)
            is_whole = command.recipe is not None and trouble.signum is None
            if is_whole and rescued.read_bytes() != self._references[command.recipe]:
                self.problems.append(f"{rescued} is not the model of {command.recipe}")

    def _check_leftovers(self, paths):
        """Check that no temporary file is left of a run that has ended."""
        for path in paths:
            if str(path.relative_to(self._folder)) not in self._users:
                self.problems.append(f"{path.name} is left over")

    def _check_loading(self):
        """Check that every model and checkpoint loads, and all else is refused in one line."""
        for folder, _, names in os.walk(self._folder):
            for path in filter(Path.is_file, (Path(folder, name) for name in names)):
                kind = identify(path)
                try:
                    LOADERS.get(kind, load_model)(path)
                except ModelFileError as error:
                    if kind in LOADERS or not str(error).isprintable():
                        self.problems.append(f"{path.name}, {kind}, does not load: {error}")
