"""`rnnlm train --resume`: the run of a state file goes on, if it still fits."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnlm_cli.errors import ConfigError, ModelFileError, RnnlmError, TextError
from rnnlm_cli.files.lock import Lock
from rnnlm_cli.files.run_files import CHECKPOINT, companion, remove_leftovers, require_writable
from rnnlm_cli.runs import STARTED
from rnnlm_cli.runs.report import finish, introduce, resume_command
from rnnlm_cli.runs.request import FREE, LONGER, Request, flag, train_config
from rnnlm_cli.text.cache import Cache

if TYPE_CHECKING:
    from rnnlm_cli.runs.checkpoint import Checkpoint
    from rnnlm_cli.runs.progress import Progress
    from rnnlm_cli.text.corpus import Corpus, FileIdentity

MAX_THREADS = 4096


def resume(request: Request) -> int:
    """Go on with a run. Returns the exit code."""
    from rnnlm_cli.machine import prepare_machine
    from rnnlm_cli.runs.checkpoint import describe_checkpoint, load_checkpoint
    from rnnlm_cli.runs.progress import Progress
    from rnnlm_cli.runs.run import Run

    out, path = request.out, companion(request.out, CHECKPOINT)
    if not path.exists():
        raise ModelFileError(
            f"{path}: no such state file, so there is no run to go on with; "
            "'rnnlm train TEXT' begins one, and --out names one that stands elsewhere"
        )
    require_writable(out)
    with Lock(out):
        remove_leftovers(out)
        before = describe_checkpoint(path).get("environment")
        before = before if isinstance(before, dict) else {}
        # Before any tensor is made: see `prepare_machine`.
        device = prepare_machine(
            device=request.device or _device_of(before),
            threads=request.threads or _threads_of(before),
        )
        checkpoint = load_checkpoint(path)
        _refuse_differences(request, checkpoint)
        more = {name: request.given[name] for name in LONGER if name in request.given}
        train_config(more)  # which refuses what cannot be
        if checkpoint.finished and not more:
            print(
                f"{out}: this run is finished, after {checkpoint.state.step:,} steps; nothing is "
                f"left to do. '{resume_command(out)} --minutes 10' makes it longer",
                file=sys.stderr,
            )
            return 0
        progress = Progress()
        corpus = _same_corpus(request, checkpoint, progress)
        free = {name: request.given[name] for name in FREE if name in request.given}
        settings = replace(
            checkpoint.settings, train=replace(checkpoint.settings.train, **free)
        )
        progress.say(
            f"going on with {out} after {checkpoint.state.step:,} steps"
            + (", which was finished" if checkpoint.finished else "")
        )
        run = Run(
            corpus, settings, out=out, device=device, started=STARTED, progress=progress,
            checkpoint=checkpoint, more=more,
        )
        introduce(run)
        return finish(run, out)


def _refuse_differences(request: Request, checkpoint: Checkpoint) -> None:
    """Raise ConfigError where a flag asks for something else than the run has."""
    settings = checkpoint.settings
    text, model, train = settings.text, settings.model, settings.train
    recorded: dict[str, Any] = asdict(text) | asdict(model) | asdict(train)
    recorded |= {  # what followed from others
        "text": "sentences" if text.sentences else "running", "min_count": text.least_count,
        "encoding": text.codec, "lr": train.peak_lr, "weight_decay": train.decay,
        "softmax": "sampled" if checkpoint.sampled else "full",
    }
    problems = [
        f"{flag(name)}: {value!r} given, the run has {recorded[name]!r}"
        for name, value in request.given.items()
        if name not in (*FREE, *LONGER) and recorded[name] != value
    ]
    wanted, has = asdict(request.sources.absolute()), asdict(settings.sources)
    for part, names in wanted.items():
        if names and names != has[part]:
            option = "TEXT" if part == "train" else f"--{part}"
            problems.append(
                f"{option}: {' '.join(names)} given, the run has {' '.join(has[part]) or 'none'}"
            )
    if request.init is not None and str(request.init.absolute()) != settings.init:
        problems.append(f"--init: {request.init} given, the run has {settings.init or 'none'}")
    if problems:
        raise ConfigError(
            f"{'. '.join(problems)}. Go on with --resume alone, or begin anew with --restart"
        )


def _same_corpus(request: Request, checkpoint: Checkpoint, progress: Progress) -> Corpus:
    """The run's texts again. Raises: RnnlmError where they are not what they were."""
    from rnnlm_cli.text.corpus import load_corpus, open_entry

    settings = checkpoint.settings
    cache = Cache(request.cache_folder or (Path(settings.cache) if settings.cache else None))

    def check(key: str, files: tuple[FileIdentity, ...]) -> None:
        if key != checkpoint.key:
            raise _ChangedError(
                f"{_what_differs(checkpoint.files, files)}; the texts that the run began with are "
                "needed. Put them back, or begin anew with --restart"
            )

    vocabulary = None
    if settings.init_unknown is not None:
        vocabulary = replace(checkpoint.vocabulary, num_unknown=settings.init_unknown)
    entry = cache.find(checkpoint.key)
    try:
        if entry is not None and settings.sources.read_stdin:
            return open_entry(entry, checkpoint.files)
        if settings.sources.read_stdin and sys.stdin.isatty():
            raise TextError(
                "-: the text came from stdin and is no longer in the cache; it is needed again. "
                f"Pipe it into '{resume_command(request.out)}'"
            )
        corpus = load_corpus(
            settings.sources, settings.text, cache=cache, vocabulary=vocabulary, watch=progress,
            check=check,
        )
    except TextError as error:
        if entry is None:
            raise
        progress.say(f"note: {error}; going on with the encoded text in the cache")
        corpus = open_entry(entry, checkpoint.files)
    entry = cache.find(corpus.key)
    if entry is not None:
        entry.note_run(companion(request.out, CHECKPOINT))
    if corpus.vocabulary != checkpoint.vocabulary:
        raise RnnlmError(
            "vocabulary: the one built from the texts is not that of the run, though they are the "
            "same; the version of rnnlm that began it is needed. Or begin anew with --restart"
        )
    return corpus


class _ChangedError(RnnlmError):
    """The texts are not those that the run began with."""


def _what_differs(before: tuple[FileIdentity, ...], now: tuple[FileIdentity, ...]) -> str:
    """The first file that is not what it was."""
    for was, found in zip(before, now, strict=False):
        if was.path != found.path:
            return f"{found.path}: stands where {was.path} stood when the run began"
        if was != found:
            return (
                f"{found.path}: has changed since the run began ({was.num_bytes:,} bytes then, "
                f"{found.num_bytes:,} now, SHA-256 {was.sha256[:8]}... then, "
                f"{found.sha256[:8]}... now)"
            )
    if len(before) != len(now):
        longer, what = (before, "is gone") if len(before) > len(now) else (now, "is new")
        return f"{longer[min(len(before), len(now))].path}: {what} since the run began"
    return "texts: are the same, but this version of rnnlm cuts them into tokens in another way"


def _threads_of(environment: Mapping[str, Any]) -> int | None:
    """How many threads the run had."""
    threads = environment.get("threads")
    return threads if isinstance(threads, int) and 1 <= threads <= MAX_THREADS else None


def _device_of(environment: Mapping[str, Any]) -> str | None:
    """The device that the run had, if this machine has it too."""
    import torch

    device = environment.get("device")
    if device == "cpu" or (torch.cuda.is_available() and str(device).startswith("cuda")):
        return str(device)
    return None


