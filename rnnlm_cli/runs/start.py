"""A new run: check the request, load the corpus, choose defaults, build the run."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rnnlm_cli.config import TextConfig
from rnnlm_cli.config.option import select_fields
from rnnlm_cli.errors import ModelFileError, RnnlmError
from rnnlm_cli.files.lock import Lock
from rnnlm_cli.files.overwrite import (
    remove_leftovers,
    require_no_input,
    require_run_files_writable,
    set_aside,
)
from rnnlm_cli.files.run_files import CHECKPOINT, HISTORY, companion, companions
from rnnlm_cli.messages import Messages
from rnnlm_cli.runs.progress import Progress
from rnnlm_cli.runs.recipe import TextSize, choose_recipe
from rnnlm_cli.runs.report import resume_command
from rnnlm_cli.runs.request import TrainingRequest
from rnnlm_cli.text.cache import Cache

if TYPE_CHECKING:  # torch takes a second to import: what is wrong with a text is said before
    from rnnlm_cli.runs.run import Run
    from rnnlm_cli.text.corpus import Corpus
    from rnnlm_cli.weights_file import Weights


def start_run(
    request: TrainingRequest, *, progress: Progress | None = None, started: float | None = None
) -> Run:
    """Begin a new run: read the texts, choose what was not given, and build the network.

    >>> run = start_run(TrainingRequest(                         # doctest: +SKIP
    ...     sources=Sources(train=("corpus.txt",)), settings={"minutes": 5, "cell": "lstm"}
    ... ))
    >>> outcome = run.train()                                    # doctest: +SKIP

    Args:
        progress: receives messages and figures; None discards them.
        started: `time.monotonic()` when the process began, from which a time limit counts; None is
            now.
    Returns: the run; it holds the lock of its model file until it has trained or is closed.
    Raises: ConfigError for an invalid request; TextError for a text that cannot be used;
        FileError if the model file cannot be written; RnnlmError if an unfinished run or another
        process stands in the way, or if the model does not fit into memory.
    """
    started = time.monotonic() if started is None else started
    request = request.resolve()
    request.check()
    request.require_texts()
    require_run_files_writable(request.out)
    with ExitStack() as resources:
        resources.enter_context(Lock(request.out))
        remove_leftovers(request.out)
        if not request.restart:
            _require_no_unfinished_run(request.out)
        progress = progress or Progress()
        run = build_run(request, progress, started)
        inputs = [each.path for each in run.corpus.files]
        if request.init is not None:
            inputs.append(str(request.init))
        require_no_input(companions(request.out), inputs, option="--out")
        _set_unreadable_checkpoint_aside(request.out, progress)
        cache = Cache(request.cache_dir)
        entry = cache.find(run.corpus.key)
        if entry is not None:
            entry.note_checkpoint(companion(request.out, CHECKPOINT))
        run.resources = resources.pop_all()
        return run


def build_run(request: TrainingRequest, progress: Progress, started: float) -> Run:
    """Build a new run without touching its files, as `--dry-run` needs it.

    Args:
        request: a valid request with a text.
    """
    weights = _load_weights(request)
    text = TextConfig(**select_fields(TextConfig, request.settings))
    corpus, text = _load_corpus(request, text, weights, progress)

    from rnnlm_cli.machine import describe_environment, prepare_machine
    from rnnlm_cli.model_file import require_storable
    from rnnlm_cli.nn.choice import describe_kernels, must_compile
    from rnnlm_cli.nn.matmul import choose_precision, require_bfloat16
    from rnnlm_cli.runs.duration import plan_run
    from rnnlm_cli.runs.history import History
    from rnnlm_cli.runs.run import Run
    from rnnlm_cli.runs.run_config import RunConfig
    from rnnlm_cli.runs.saver import Saver, read_checksum
    from rnnlm_cli.runs.warm_start import LR_FACTOR, adopt_model_settings, fit_weights
    from rnnlm_cli.train.learner import make_learner
    from rnnlm_cli.train.state import TrainState, copy_tensors

    require_storable(corpus.vocabulary)
    device = prepare_machine(request.machine)
    if request.settings.get("precision") == "bfloat16":
        require_bfloat16(device)
    settings, initial = request.settings, None
    if weights is not None:
        settings = adopt_model_settings(weights, request, corpus)
        initial = fit_weights(weights, request, corpus, progress)
    recipe = choose_recipe(
        text.level, TextSize(len(corpus.train.tokens_N), len(corpus.vocabulary)), settings,
        unknown_trained=_is_unknown_trained(weights) or corpus.num_unknown > 0,
    )
    train = recipe.train
    if weights is not None and "lr" not in request.settings:
        train = replace(train, lr=train.peak_lr * LR_FACTOR)
    if train.precision is None:
        train = replace(train, precision=choose_precision(device))
    config = RunConfig(
        sources=request.sources.absolute(), text=text, model=recipe.model, train=train,
        cache_dir=_absolute(request.cache_dir), init=_absolute(request.init),
        init_has_vocabulary=weights is not None and weights.vocabulary is not None,
    )
    learner = make_learner(
        corpus, config.model, train, sentences=text.sentences, device=device, initial=initial,
        messages=progress,
    )
    network = learner.network
    if device.type == "cpu" and must_compile():
        progress.note("numba compiles the cells for this processor, once; this takes some seconds")
    return Run(
        corpus=corpus,
        config=config,
        learner=learner,
        state=TrainState(
            network.initial_state(learner.config.batch_size), copy_tensors(network.state_dict())
        ),
        duration=plan_run(learner, corpus, sentences=text.sentences, started=started),
        saver=Saver(
            request.out, progress, save_every=60 * train.save_every,
            replaced=read_checksum(request.out),
        ),
        history=History(companion(request.out, HISTORY)),
        progress=progress,
        environment=describe_environment(device) | describe_kernels(device),
        resources=ExitStack(),
        size_reason=recipe.size_reason,
    )


def _load_weights(request: TrainingRequest) -> Weights | None:
    """Return the initial weights of a warm start; None if there is none."""
    if request.init is None:
        return None
    from rnnlm_cli.machine import prepare_machine
    from rnnlm_cli.runs.warm_start import load_initial_weights

    prepare_machine(request.machine)  # before any tensor is made; doing it again changes nothing
    relu = request.settings.get("cell") == "elman_relu"
    return load_initial_weights(request.init, nonlinearity="relu" if relu else "tanh")


def _load_corpus(
    request: TrainingRequest, text: TextConfig, weights: Weights | None, progress: Progress
) -> tuple[Corpus, TextConfig]:
    """Return the corpus, and the text configuration that it was encoded with."""
    from rnnlm_cli.text.corpus import load_corpus

    vocabulary = None
    if weights is not None:
        from rnnlm_cli.runs.warm_start import adopt_text_config

        text, vocabulary = adopt_text_config(weights, request, text), weights.vocabulary
    corpus = load_corpus(
        request.sources, text, cache=Cache(request.cache_dir), vocabulary=vocabulary,
        unknown_trained=_is_unknown_trained(weights), messages=progress,
    )
    return corpus, text


def _is_unknown_trained(weights: Weights | None) -> bool:
    """Return whether initial weights come with a vocabulary whose <unk> has a probability."""
    return bool(weights and weights.vocabulary and weights.config.unknown_trained)


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def _require_no_unfinished_run(out: Path) -> None:
    """Raise RnnlmError if there is a checkpoint of an unfinished run."""
    path = companion(out, CHECKPOINT)
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        return
    from rnnlm_cli.runs.checkpoint import describe_checkpoint

    try:
        description = describe_checkpoint(path)
        finished, step = description["finished"], int(description["state"]["step"])
        names = " ".join(description["config"]["sources"]["train"])
    except (KeyError, TypeError, ValueError):
        raise ModelFileError(
            f"{path}: is damaged; it held a run that may not be finished. Delete it, or begin "
            "anew with --restart"
        ) from None
    if not finished:
        raise RnnlmError(
            f"{path}: holds an unfinished run, {step:,} steps on {names}; it is not overwritten. "
            f"'{resume_command(out)}' continues it, --restart begins anew"
        )


def _set_unreadable_checkpoint_aside(out: Path, messages: Messages) -> None:
    """Rename a checkpoint that is damaged or of a newer rnnlm, which --restart would replace."""
    path = companion(out, CHECKPOINT)
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        return
    from rnnlm_cli.runs.checkpoint import describe_checkpoint

    try:
        describe_checkpoint(path)
    except ModelFileError:
        messages.note(f"{path}: cannot be read; it is now {set_aside(path)}")
