"""rnnlm train"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from rnnlm_cli.cli.options import CacheOption, DeviceOption, ThreadsOption
from rnnlm_cli.config import (
    CellName,
    Level,
    ModelConfig,
    OptimizerName,
    SoftmaxName,
    TextConfig,
    TextMode,
    TrainConfig,
)
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.files.run_files import DEFAULT_MODEL


def _panel(name: str) -> Callable[..., Any]:
    def option(help: str, default: object = None, **more: Any) -> Any:
        if default is not None:
            more["show_default"] = str(default)
        names = more.pop("names", ())
        return typer.Option(*names, help=help, rich_help_panel=name, **more)

    return option


_text, _model, _fitting = _panel("Text"), _panel("Model"), _panel("Fitting")
_budget = _panel("Budget: one of; with --resume, so much more")
_course = _panel("Course of the run")


def train(
    corpus: Annotated[list[str] | None, typer.Argument(
        metavar="TEXT", help="The text to train on: files (.gz .bz2 .xz .zst too), folders, "
        "patterns, or - for stdin.", show_default=False)] = None,
    out: Annotated[Path, typer.Option(help="The model file to write.")] = DEFAULT_MODEL,
    level: Annotated[Level | None, _text("What a token is.", TextConfig.level)] = None,
    text: Annotated[TextMode | None, _text(
        "Every line a sentence of its own, or one running text.",
        "sentences at word level, else running")] = None,
    min_count: Annotated[int | None, _text(
        "Tokens seen fewer times in training are unknown.", "2")] = None,
    vocab_size: Annotated[int | None, _text(
        "Keep the most frequent tokens, <unk> and the line end among them; of bpe, how many to "
        "merge to.", f"all; {TextConfig.BPE_TOKENS} at bpe level")] = None,
    encoding: Annotated[str | None, _text("Of the text files.", "utf-8")] = None,
    valid: Annotated[list[str] | None, _text(
        "A validation text of its own; more than one if given again.", "the end of TEXT")] = None,
    valid_fraction: Annotated[float | None, _text(
        "Else this part of the text, its end, is validation.", TextConfig.valid_fraction)] = None,
    test: Annotated[list[str] | None, _text(
        "A text to score once, at the end; never selected on.", "none")] = None,
    cache_dir: CacheOption = None,
    cell: Annotated[Literal["elman", "gru", "lstm"] | None, _model(
        "The recurrent cell.", ModelConfig.cell)] = None,
    nonlinearity: Annotated[Literal["tanh", "relu"] | None, _model(
        "Of the Elman cell.", "tanh")] = None,
    layers: Annotated[int | None, _model("Recurrent layers.", ModelConfig.num_layers)] = None,
    embedding_size: Annotated[int | None, _model(
        "Numbers that stand for a token.",
        "64; at word and bpe level, and tied, the hidden size")] = None,
    hidden_size: Annotated[int | None, _model(
        "Units of a layer.", "chosen from the minutes")] = None,
    tied: Annotated[bool | None, _model(
        "One table for input and output embeddings.",
        "--tied at word and bpe level")] = None,
    dropout: Annotated[float | None, _model(
        "Probability, on what enters each layer and the output.",
        "chosen from text and budget")] = None,
    init: Annotated[Path | None, _model(
        "Begin with the weights, and the vocabulary, of this model, or of a plain safetensors "
        "file with torch.nn's names.", "fresh ones")] = None,
    bptt: Annotated[int | None, _fitting(
        "Steps that a gradient goes back.", "64; 32 at word and bpe level")] = None,
    batch_size: Annotated[int | None, _fitting(
        "Rows read side by side.", TrainConfig.batch_size)] = None,
    accumulate: Annotated[int | None, _fitting(
        "Windows whose gradients are averaged for one step.", TrainConfig.accumulate)] = None,
    optimizer: Annotated[OptimizerName | None, _fitting(
        "How to step.", TrainConfig.optimizer)] = None,
    lr: Annotated[float | None, _fitting(
        "Highest learning rate.", "chosen from level, cell and size; 10 for sgd")] = None,
    weight_decay: Annotated[float | None, _fitting("Of the matrices.", "0.1; 0 for sgd")] = None,
    clip: Annotated[float | None, _fitting(
        "Largest norm of the whole gradient, 0 = off.", TrainConfig.clip)] = None,
    softmax: Annotated[SoftmaxName | None, _fitting(
        "All classes at every step, or a sample of them; scores always take all.",
        "sampled for large vocabularies on a CPU")] = None,
    softmax_samples: Annotated[int | None, _fitting(
        "Classes that --softmax sampled draws a window.", TrainConfig.num_sampled)] = None,
    minutes: Annotated[float | None, _budget(
        "Of the clock, all included.", f"{TrainConfig.DEFAULT_MINUTES:g}")] = None,
    epochs: Annotated[int | None, _budget("Readings of the whole text.", "no bound")] = None,
    steps: Annotated[int | None, _budget("Changes of the weights.", "no bound")] = None,
    patience: Annotated[int | None, _course(
        "End early after so many validations that are not better than the best.", "off")] = None,
    resume_run: Annotated[bool, _course(
        "Go on with the run of --out where it was interrupted.", names=("--resume",))
    ] = False,
    restart: Annotated[bool, _course(
        "Begin anew where an unfinished run stands, and forget it.", names=("--restart",))
    ] = False,
    dry_run: Annotated[bool, _course(
        "Print the plan, on stdout, and do not train.", names=("--dry-run",))] = False,
    save_every: Annotated[float | None, _course(
        "Minutes from one saved state to the next.", f"{TrainConfig.save_every:g}")] = None,
    sample_every: Annotated[int | None, _course(
        "Validations from one sample to the next, on a terminal; 0 = off.",
        TrainConfig.sample_every)] = None,
    seed: Annotated[int | None, _course("Of all that is random.", TrainConfig.seed)] = None,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
) -> int:
    """Train a language model on a text.

    Reads the text, keeps its end apart for validation, and trains until the budget is spent. The
    model file always holds the best model so far, by validation loss; beside it stand the state
    of the run (.state), its history (.jsonl) and a picture of its losses (.png).

    Ctrl-C stops after the step and saves; a run that was stopped, killed or cut off goes on with
    --resume, with no other flag, and ends in the same model as one that never stopped. With
    --resume, --minutes, --epochs or --steps ask for so much more: a run under way stretches what
    is left of its plan over it; a finished one begins a new plan, warm-up and all, at half the
    learning rate.
    """
    from rnnlm_cli.runs.request import Request
    from rnnlm_cli.runs.resume import resume
    from rnnlm_cli.runs.start import begin
    from rnnlm_cli.text.sources import Sources

    given: dict[str, Any] = {
        name: value
        for name, value in {
            "level": level, "text": text, "min_count": min_count, "vocab_size": vocab_size,
            "encoding": encoding, "valid_fraction": valid_fraction,
            "cell": _cell_name(cell, nonlinearity), "num_layers": layers,
            "embedding_size": embedding_size, "hidden_size": hidden_size, "tied": tied,
            "dropout": dropout, "bptt": bptt, "batch_size": batch_size, "accumulate": accumulate,
            "optimizer": optimizer, "lr": lr, "weight_decay": weight_decay, "clip": clip,
            "softmax": softmax, "num_sampled": softmax_samples, "minutes": minutes,
            "epochs": epochs, "steps": steps, "patience": patience, "save_every": save_every,
            "sample_every": sample_every, "seed": seed,
        }.items()
        if value is not None
    }
    if clip == 0:
        given["clip"] = None
    request = Request(
        sources=Sources(tuple(corpus or ()), tuple(valid or ()), tuple(test or ())),
        given=given, out=out, init=init, cache_folder=cache_dir, threads=threads, device=device,
        restart=restart, dry_run=dry_run, nonlinearity=nonlinearity,
    )
    if resume_run and (restart or dry_run):
        raise ConfigError(
            f"--resume and {'--restart' if restart else '--dry-run'}: given together; "
            "one of them is needed"
        )
    if valid and valid_fraction is not None:
        raise ConfigError("--valid and --valid-fraction: given together; one of them is needed")
    return resume(request) if resume_run else begin(request)


def _cell_name(cell: str | None, nonlinearity: str | None) -> CellName | None:
    if cell == "elman":
        return cast(CellName, f"elman_{nonlinearity or 'tanh'}")
    if nonlinearity is not None:
        raise ConfigError(
            f"--nonlinearity: has no meaning with --cell {cell or ModelConfig.cell}; elman has one"
        )
    return cast(CellName | None, cell)
