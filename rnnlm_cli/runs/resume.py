"""A resumed run: continue the run of a checkpoint, after checking that it still matches."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from rnnlm_cli.config import MachineConfig
from rnnlm_cli.config.machine import MAX_THREADS
from rnnlm_cli.config.train import BUDGETS
from rnnlm_cli.errors import ConfigError, ModelFileError
from rnnlm_cli.files.lock import Lock
from rnnlm_cli.files.overwrite import (
    may_replace,
    remove_leftovers,
    require_no_input,
    require_run_files_writable,
    set_aside,
)
from rnnlm_cli.files.run_files import CHECKPOINT, HISTORY, RunFileKind, companion, companions
from rnnlm_cli.machine import describe_environment, prepare_machine
from rnnlm_cli.messages import Messages
from rnnlm_cli.nn.choice import describe_kernels
from rnnlm_cli.runs.checkpoint import (
    Checkpoint,
    describe_checkpoint,
    load_checkpoint,
    optimizer_tensors,
)
from rnnlm_cli.runs.duration import extend_run, resume_plan
from rnnlm_cli.runs.history import History, read_first_records
from rnnlm_cli.runs.progress import Progress
from rnnlm_cli.runs.report import resume_command
from rnnlm_cli.runs.request import TrainingRequest, flag_of_setting
from rnnlm_cli.runs.resume_corpus import load_same_corpus
from rnnlm_cli.runs.run import Run
from rnnlm_cli.runs.saver import Saver
from rnnlm_cli.text.corpus import Corpus
from rnnlm_cli.train.learner import Learner, make_learner

CHANGEABLE = ("patience", "save_every", "sample_every")  # settings that a resume may change


def resume_run(
    request: TrainingRequest, *, progress: Progress | None = None, started: float | None = None
) -> Run | None:
    """Continue the run whose checkpoint stands beside `request.out`.

    Args:
        request: only `out` is needed. Minutes, epochs or steps among its settings are added to the
            run; `patience`, `save_every` and `sample_every` are changed; everything else that it
            states must be as in the run.
        progress: receives messages and figures; None discards them.
        started: `time.monotonic()` when the process began; None is now.
    Returns: the run, or None if it is finished and the request adds nothing to it.
    Raises: ConfigError for settings that differ from those of the run; ModelFileError if there is
        no checkpoint, or one that cannot be used; RnnlmError if the texts have changed.
    """
    started = time.monotonic() if started is None else started
    progress = progress or Progress()
    request = request.resolve()
    request.check()
    path = companion(request.out, CHECKPOINT)
    if not os.path.exists(path):
        raise ModelFileError(
            f"{path}: no such checkpoint, so there is no run to resume; 'rnnlm train TEXT' begins "
            "one, and --out names one that stands elsewhere"
        )
    history = companion(request.out, HISTORY)
    # A damaged history is set aside later; a pipe or a device in its place never is.
    ignored = (HISTORY,) if os.path.isfile(history) else ()
    require_run_files_writable(request.out, ignored=ignored)
    with ExitStack() as resources:
        resources.enter_context(Lock(request.out))
        device = prepare_machine(_machine_of_run(path, request.machine))
        checkpoint = load_checkpoint(path)
        _require_same_settings(request, checkpoint)
        remove_leftovers(request.out)
        more = {name: request.settings[name] for name in BUDGETS if name in request.settings}
        if checkpoint.finished and not more:
            progress.note(
                f"{request.out}: this run is finished, after {checkpoint.state.step:,} steps; "
                f"nothing is left to do. '{resume_command(request.out)} --minutes 10' extends it"
            )
            return None
        corpus = load_same_corpus(request, checkpoint, progress)
        require_no_input(
            companions(request.out), [each.path for each in corpus.files], option="--out"
        )
        progress.say(
            f"{'extending' if checkpoint.finished else 'resuming'} {request.out} after "
            f"{checkpoint.state.step:,} steps"
        )
        run = _rebuild_run(request, checkpoint, corpus, more, device, progress, started)
        run.resources = resources.pop_all()
        return run


def _rebuild_run(
    request: TrainingRequest, checkpoint: Checkpoint, corpus: Corpus, more: Mapping[str, Any],
    device: torch.device, progress: Progress, started: float,
) -> Run:
    """Build the run of a checkpoint as it was, with more budget if that was given."""
    changes = {name: request.settings[name] for name in CHANGEABLE if name in request.settings}
    train = replace(checkpoint.config.train, **changes)
    config = replace(checkpoint.config, train=train)
    sentences, state = config.text.sentences, checkpoint.state
    learner = make_learner(
        corpus, config.model, train, sentences=sentences, device=device, initial=None,
        messages=progress,
    )
    environment = describe_environment(device) | describe_kernels(device)
    _restore(checkpoint, learner)
    _note_differences(checkpoint.environment, environment, progress)
    duration = resume_plan(checkpoint.duration, started=started)
    if checkpoint.finished:
        state.validations_since_best = 0
    if more:
        extend_run(
            duration, learner, corpus, more, sentences=sentences, step=state.step,
            epoch=state.position.epoch, finished=checkpoint.finished,
        )
    history = _take_over_history(
        companion(request.out, HISTORY), checkpoint.num_records, progress
    )
    return Run(
        corpus=corpus,
        config=config,
        learner=learner,
        state=state,
        duration=duration,
        saver=Saver(
            request.out, progress, save_every=60 * train.save_every, replaced=checkpoint.replaced
        ),
        history=history,
        progress=progress,
        environment=environment,
        resources=ExitStack(),
    )


def _take_over_history(path: Path, num_records: int, messages: Messages) -> History:
    """Continue a history with its intact records. A damaged one is renamed: it stops no run."""
    records = read_first_records(path, num_records)
    if os.path.isfile(path):
        is_cut = len(records) < num_records and path.read_bytes().count(b"\n") > len(records)
        if is_cut or not may_replace(path, RunFileKind.HISTORY):
            messages.note(
                f"{path}: is damaged; it is now {set_aside(path)}, and its first {len(records)} "
                "records are kept"
            )
    return History(path, records)


def _restore(checkpoint: Checkpoint, learner: Learner) -> None:
    """Put the tensors of a checkpoint into the learner, and the others on its device."""
    network, state = learner.network, checkpoint.state
    network.load_state_dict(checkpoint.learner.weights)
    for name, tensor in optimizer_tensors(learner.optimizers).items():
        tensor.copy_(checkpoint.learner.optimizers[name])
    state.best_weights = {
        name: each.to(network.device) for name, each in state.best_weights.items()
    }
    state.network_state = tuple(
        tuple(part.to(network.device) for part in layer) for layer in state.network_state
    )


def _note_differences(
    before: Mapping[str, Any], now: Mapping[str, Any], messages: Messages
) -> None:
    """Say which conditions of bitwise reproducibility have changed."""
    changed = [
        f"{name} {before.get(name, 'unknown')} -> {value}"
        for name, value in now.items() if before.get(name) != value
    ]
    if changed:
        messages.note(
            f"resuming with {', '.join(changed)}: results may differ in the last digits from "
            "those of an uninterrupted run"
        )


def _require_same_settings(request: TrainingRequest, checkpoint: Checkpoint) -> None:
    """Raise ConfigError if the request states something that the run does not have."""
    config = checkpoint.config
    text, model, train = config.text, config.model, config.train
    recorded: dict[str, Any] = asdict(model) | asdict(train) | asdict(text)
    recorded |= {  # values that followed from others
        "text": "sentences" if text.sentences else "running", "min_count": text.least_count,
        "encoding": text.codec, "lr": train.peak_lr, "weight_decay": train.decay,
        "softmax": "sampled" if checkpoint.learner.sampled else "full",
        "precision": train.precision or "float32",
    }
    problems = [
        f"{flag_of_setting(name)}: {value!r} given, the run has {recorded[name]!r}"
        for name, value in request.settings.items()
        if name not in (*CHANGEABLE, *BUDGETS) and recorded[name] != value
    ]
    wanted, has = asdict(request.sources.absolute()), asdict(config.sources)
    for part, names in wanted.items():
        if names and names != has[part]:
            flag = "TEXT" if part == "train" else f"--{part}"
            problems.append(
                f"{flag}: {' '.join(names)} given, the run has {' '.join(has[part]) or 'none'}"
            )
    if request.init is not None and str(request.init.absolute()) != config.init:
        problems.append(f"--init: {request.init} given, the run has {config.init or 'none'}")
    if problems:
        raise ConfigError(
            f"{'. '.join(problems)}. Continue with --resume alone, or begin anew with --restart"
        )


def _machine_of_run(path: Path, asked: MachineConfig) -> MachineConfig:
    """Return the device and threads that were asked for, or else those that the run had."""
    environment = describe_checkpoint(path).get("environment")
    environment = environment if isinstance(environment, dict) else {}
    threads, device = environment.get("threads"), environment.get("device")
    if not (isinstance(threads, int) and 1 <= threads <= MAX_THREADS):
        threads = None
    if device != "cpu" and not (torch.cuda.is_available() and str(device).startswith("cuda")):
        device = None  # this machine does not have it
    return MachineConfig(threads=asked.threads or threads, device=asked.device or device)
