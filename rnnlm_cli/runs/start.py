"""A new run of `rnnlm train`: refuse what must be, read the texts, choose, train."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rnnlm_cli.config import Level, TextConfig
from rnnlm_cli.errors import ConfigError, ModelFileError, RnnlmError
from rnnlm_cli.files.lock import Lock
from rnnlm_cli.files.run_files import CHECKPOINT, companion, remove_leftovers, require_writable
from rnnlm_cli.runs import STARTED
from rnnlm_cli.runs.recipe import USUAL_TEXT, TextSize, choose
from rnnlm_cli.runs.report import finish, introduce, resume_command
from rnnlm_cli.runs.request import Request, checked, model_config, train_config
from rnnlm_cli.runs.warm_start import RATE, settings_and_weights, text_of, weights_of
from rnnlm_cli.text.cache import Cache

if TYPE_CHECKING:
    import torch

    from rnnlm_cli.runs.run import Run


def begin(request: Request) -> int:
    """A new run. Returns the exit code."""
    given, out = request.given, request.out
    if not request.sources.train:
        raise ConfigError(
            "TEXT: nothing given; a text to train on is needed. See 'rnnlm train --help'"
        )
    level: Level = given.get("level", TextConfig.level)
    text_config = checked(given, choose(level, USUAL_TEXT, given).settings)
    if request.dry_run:
        return _plan(request, text_config)
    require_writable(out)
    with Lock(out):
        remove_leftovers(out)
        if not request.restart:
            _refuse_unfinished(out)
        run, reason = _new_run(request, text_config)
        introduce(run, reason=reason)
        return finish(run, out)


def _new_run(request: Request, text_config: TextConfig) -> tuple[Run, str]:
    """Read the texts, choose what was not asked for, and set up. Returns why the size is so."""
    from rnnlm_cli.runs.progress import Progress
    from rnnlm_cli.text.corpus import load_corpus

    progress = Progress()
    weights = None
    if request.init is not None:
        _prepared(request)  # before any tensor is made
        weights = weights_of(request.init, request)
        text_config = text_of(weights, request, text_config)
    cache = Cache(request.cache_folder)
    corpus = load_corpus(
        request.sources, text_config, cache=cache, watch=progress,
        vocabulary=None if weights is None else weights.vocabulary,
    )
    # Only now, as torch takes seconds to import: what is wrong with a text is said at once.
    device = _prepared(request)

    from rnnlm_cli.runs.run import Run
    from rnnlm_cli.runs.run_config import Settings

    size = TextSize(len(corpus.train.tokens_N), len(corpus.vocabulary))
    given, initial = dict(request.given), None
    if weights is not None:
        given, initial = settings_and_weights(weights, corpus, request, progress)
    choice = choose(text_config.level, size, given)
    model = replace(
        model_config(choice.settings), vocab_size=len(corpus.vocabulary),
        unknown_trained=corpus.vocabulary.num_unknown > 0,
    )
    fitting = train_config(choice.settings)
    if weights is not None and "lr" not in request.given:
        fitting = replace(fitting, lr=fitting.peak_lr * RATE)
    settings = Settings(
        sources=request.sources.absolute(), text=text_config, model=model, train=fitting,
        cache=None if request.cache_folder is None else str(request.cache_folder.absolute()),
        init=None if request.init is None else str(request.init.absolute()),
        init_unknown=None if weights is None or weights.vocabulary is None
        else weights.vocabulary.num_unknown,
    )
    run = Run(
        corpus, settings, out=request.out, device=device, started=STARTED, progress=progress,
        initial=initial,
    )
    entry = cache.find(corpus.key)
    if entry is not None and not request.dry_run:
        entry.note_run(companion(request.out, CHECKPOINT))
    return run, choice.reason


def _prepared(request: Request) -> torch.device:
    """Set the machine up; doing it again changes nothing."""
    from rnnlm_cli.machine import prepare_machine

    return prepare_machine(device=request.device, threads=request.threads)


def _plan(request: Request, text_config: TextConfig) -> int:
    """--dry-run: say what would be done."""
    run, reason = _new_run(request, text_config)

    from rnnlm_cli.runs.dry_run import plan_of

    for name, value in plan_of(run, reason).items():
        print(f"{name:<18} {value}")
    return 0


def _refuse_unfinished(out: Path) -> None:
    path = companion(out, CHECKPOINT)
    if not path.exists():
        return
    from rnnlm_cli.runs.checkpoint import describe_checkpoint

    try:
        description = describe_checkpoint(path)
        finished, step = description["finished"], int(description["numbers"]["step"])
        names = " ".join(description["settings"]["sources"]["train"])
    except (KeyError, TypeError, ValueError):
        raise ModelFileError(
            f"{path}: is damaged; it held a run that may not be finished. Delete it, or begin "
            "anew with --restart"
        ) from None
    if not finished:
        raise RnnlmError(
            f"{path}: holds an unfinished run, {step:,} steps on {names}; it is not thrown away. "
            f"'{resume_command(out)}' goes on with it, --restart begins anew"
        )


