"""rnnlm train"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnlm_cli.cli.options import CacheOption, options_from, with_default
from rnnlm_cli.config import MachineConfig, ModelConfig, TextConfig, TrainConfig
from rnnlm_cli.config.model import NONLINEARITY, cell_name
from rnnlm_cli.config.option import select_fields
from rnnlm_cli.errors import ConfigError, RnnlmError
from rnnlm_cli.files.run_files import DEFAULT_MODEL

if TYPE_CHECKING:
    from rnnlm_cli.runs.progress import StderrProgress
    from rnnlm_cli.runs.request import TrainingRequest
    from rnnlm_cli.runs.run import Run


@options_from(TextConfig, ModelConfig, TrainConfig, MachineConfig, nonlinearity=NONLINEARITY)
def train(
    context: typer.Context,
    corpus: Annotated[list[str] | None, typer.Argument(
        metavar="TEXT", help="Text to train on: files (also .gz .bz2 .xz .zst), folders, patterns, "
        "or - for stdin.", show_default=False)] = None,
    out: Annotated[Path, typer.Option(help="Model file to write.")] = DEFAULT_MODEL,
    valid: Annotated[list[str] | None, typer.Option(
        help=with_default("Validation text; repeat the option for more files.", "the end of TEXT"),
        show_default=False)] = None,
    init: Annotated[Path | None, typer.Option(
        help="Start from the weights and the vocabulary of this model, or from a safetensors file "
        "with the parameter names of torch.nn.", show_default=False)] = None,
    resume: Annotated[bool, typer.Option(
        "--resume", help="Continue the run of --out where it was interrupted.")] = False,
    test: Annotated[list[str] | None, typer.Option(
        help="Test text, scored once at the end and never used for selection.",
        show_default=False, rich_help_panel="Text")] = None,
    restart: Annotated[bool, typer.Option(
        "--restart", help="Replace an unfinished run of --out by a new one.",
        rich_help_panel="Run")] = False,
    dry_run: Annotated[bool, typer.Option(
        "--dry-run", help="Print the plan of the run on stdout, and do not train.",
        rich_help_panel="Run")] = False,
    cache_dir: CacheOption = None,
    *,
    given: dict[str, Any],
) -> int:
    """Train a language model on a text.

    Reads the text, holds out its end for validation, and trains until the budget is spent. The
    model file always holds the best model so far, by validation loss. Beside it are the
    checkpoint of the run (.state), its history (.jsonl) and a plot of its losses (.png).

    Ctrl-C stops after the step and saves. A run that was stopped, killed or cut off continues
    with --resume and no other option, and ends in the same model as an uninterrupted run. With
    --resume, --minutes, --epochs or --steps extend the run: an unfinished run stretches the rest
    of its schedule; a finished one begins a new schedule, warm-up included, at half the learning
    rate.
    """
    from rnnlm_cli.runs.progress import StderrProgress
    from rnnlm_cli.runs.request import CONFIGS, TrainingRequest
    from rnnlm_cli.text.sources import Sources

    cell = cell_name(given.pop("cell", None), given.pop("nonlinearity", None))
    settings: dict[str, Any] = {}
    for config in CONFIGS:
        settings |= select_fields(config, given)
    if cell is not None:
        settings["cell"] = cell
    if settings.get("clip") == 0:
        settings["clip"] = None
    request = TrainingRequest(
        sources=Sources(tuple(corpus or ()), tuple(valid or ()), tuple(test or ())),
        settings=settings, out=out, init=init, cache_dir=cache_dir,
        machine=MachineConfig(**select_fields(MachineConfig, given)), restart=restart,
    )
    if resume and (restart or dry_run):
        other = "--restart" if restart else "--dry-run"
        raise ConfigError(f"--resume and {other}: given together; one of them is needed")
    request.check()
    progress, started = StderrProgress(), context.obj["started"]
    if resume:
        from rnnlm_cli.runs.resume import resume_run

        resumed = resume_run(request, progress=progress, started=started)
        return 0 if resumed is None else _train(resumed, progress)
    request.require_texts()
    if dry_run:
        return _print_plan(request, progress, started)

    from rnnlm_cli.runs.start import start_run

    return _train(start_run(request, progress=progress, started=started), progress)


def _train(run: Run, progress: StderrProgress) -> int:
    """Train, report, and plot the losses. Returns: the exit code."""
    from rnnlm_cli.runs.report import describe_outcome, describe_start

    with run:
        for line in describe_start(run):
            progress.say(line)
        outcome = run.train()
        for line in describe_outcome(outcome, run.corpus, run.saver.path):
            progress.say(line)
        _plot(run, progress)
    return 0 if outcome.signum is None else 128 + outcome.signum


def _plot(run: Run, progress: StderrProgress) -> None:
    """Plot the losses beside the model; a plot that cannot be drawn or written is a note."""
    from rnnlm_cli.files.overwrite import require_replaceable
    from rnnlm_cli.files.run_files import PLOT, RunFileKind, companion
    from rnnlm_cli.plots.losses import draw_losses

    if not run.history.records:
        return
    model = run.saver.path
    try:
        require_replaceable(companion(model, PLOT), RunFileKind.PLOT, option="--out")
        draw_losses({model.name: run.history.records}, companion(model, PLOT))
    except RnnlmError as error:
        progress.note(f"no plot of the losses: {error}")


def _print_plan(request: TrainingRequest, progress: StderrProgress, started: float) -> int:
    """Print the plan of a run (`--dry-run`)."""
    from rnnlm_cli.runs.start import build_run

    run = build_run(request, progress, started)

    from rnnlm_cli.runs.dry_run import describe_run

    for name, value in describe_run(run).items():
        print(f"{name:<18} {value}")
    return 0
