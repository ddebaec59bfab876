"""rnnlm train"""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from rnnlm_cli.cli import STARTED
from rnnlm_cli.cli.options import DEFAULT_MODEL, DeviceOption, ThreadsOption
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
from rnnlm_cli.files import require_writable
from rnnlm_cli.train.defaults import USUAL_TEXT, TextSize, choose

if TYPE_CHECKING:
    from rnnlm_cli.score.evaluate import Evaluation
    from rnnlm_cli.text.stream import Corpus, Part
    from rnnlm_cli.train.run import Outcome


def _option(panel: str, help: str, **more: Any) -> Any:
    return typer.Option(help=help, rich_help_panel=panel, **more)


def _text(help: str, **more: Any) -> Any:
    return _option("Text", help, **more)


def _model(help: str, **more: Any) -> Any:
    return _option("Model", help, **more)


def _fitting(help: str, **more: Any) -> Any:
    return _option("Fitting", help, **more)


def _budget(help: str, **more: Any) -> Any:
    return _option("Budget: one of", help, **more)


def train(
    corpus: Annotated[Path, typer.Argument(metavar="TEXT", help="The text to train on.")],
    out: Annotated[Path, typer.Option(help="The model file to write.")] = DEFAULT_MODEL,
    level: Annotated[Level, _text("What a token is.")] = TextConfig.level,
    text: Annotated[TextMode | None, _text(
        "Every line a sentence of its own, or one running text.",
        show_default="sentences at word level, else running")] = None,
    min_count: Annotated[int | None, _text(
        "Tokens seen fewer times in training are unknown.", show_default="2")] = None,
    vocab_size: Annotated[int | None, _text(
        "Keep the most frequent tokens, <unk> and the line end among them.",
        show_default="all")] = None,
    encoding: Annotated[str | None, _text("Of the text files.", show_default="utf-8")] = None,
    valid: Annotated[Path | None, _text("A validation text of its own.")] = None,
    valid_fraction: Annotated[float | None, _text(
        "Else this part of the text, its end, is validation.", show_default="0.1")] = None,
    test: Annotated[Path | None, _text(
        "A text to score once, at the end; never selected on.")] = None,
    cell: Annotated[Literal["elman", "gru", "lstm"], _model("The recurrent cell.")] = cast(
        Literal["gru"], ModelConfig.cell),
    nonlinearity: Annotated[Literal["tanh", "relu"] | None, _model(
        "Of the Elman cell.", show_default="tanh")] = None,
    layers: Annotated[int, _model("Recurrent layers.")] = ModelConfig.num_layers,
    embedding_size: Annotated[int | None, _model(
        "Numbers that stand for a token.",
        show_default="64; at word level, and tied, the hidden size")] = None,
    hidden_size: Annotated[int | None, _model(
        "Units of a layer.", show_default="chosen from the minutes")] = None,
    tied: Annotated[bool | None, _model(
        "One table for input and output embeddings.",
        show_default="--tied at word level")] = None,
    dropout: Annotated[float | None, _model(
        "Probability, on what enters each layer and the output.",
        show_default="chosen from text and budget")] = None,
    bptt: Annotated[int | None, _fitting(
        "Steps that a gradient goes back.", show_default="64; 32 at word level")] = None,
    batch_size: Annotated[int, _fitting("Rows read side by side.")] = TrainConfig.batch_size,
    optimizer: Annotated[OptimizerName, _fitting("How to step.")] = TrainConfig.optimizer,
    lr: Annotated[float | None, _fitting(
        "Highest learning rate.",
        show_default="chosen from level, cell and size; 10 for sgd")] = None,
    weight_decay: Annotated[float | None, _fitting(
        "Of the matrices.", show_default="0.1; 0 for sgd")] = None,
    clip: Annotated[float, _fitting(
        "Largest norm of the whole gradient, 0 = off.")] = cast(float, TrainConfig.clip),
    softmax: Annotated[SoftmaxName | None, _fitting(
        "All classes at every step, or a sample of them; scores always take all.",
        show_default="sampled for large vocabularies on a CPU")] = None,
    softmax_samples: Annotated[int, _fitting(
        "Classes that --softmax sampled draws a window.")] = TrainConfig.num_sampled,
    minutes: Annotated[float | None, _budget(
        "Of the clock, all included.", show_default="5")] = None,
    epochs: Annotated[int | None, _budget("Readings of the whole text.")] = None,
    steps: Annotated[int | None, _budget("Windows.")] = None,
    sample_every: Annotated[int, typer.Option(
        help="Validations from one sample to the next, on a terminal; 0 = off.",
    )] = TrainConfig.sample_every,
    seed: Annotated[int, typer.Option(help="Of all that is random.")] = TrainConfig.seed,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
) -> int:
    """Train a language model on a text.

    Reads the text, keeps its end apart for validation, and trains until the budget is spent. The
    model file always holds the best model so far, by validation loss. Ctrl-C stops and keeps it.
    """
    given: dict[str, Any] = {
        name: value
        for name, value in {
            "cell": _cell_name(cell, nonlinearity), "num_layers": layers,
            "embedding_size": embedding_size, "hidden_size": hidden_size, "tied": tied,
            "dropout": dropout, "bptt": bptt, "batch_size": batch_size, "optimizer": optimizer,
            "lr": lr, "weight_decay": weight_decay, "clip": clip or None, "softmax": softmax,
            "num_sampled": softmax_samples, "minutes": minutes, "epochs": epochs, "steps": steps,
            "sample_every": sample_every, "seed": seed,
        }.items()
        if value is not None or name == "clip"
    }
    usual = choose(level, USUAL_TEXT, given).settings
    text_config, _, _ = _all_problems_at_once(
        lambda: TextConfig(
            level=level, text=text, min_count=min_count, vocab_size=vocab_size, encoding=encoding,
            valid_fraction=_valid_fraction(valid_fraction, valid),
        ),
        lambda: _model_config(usual),
        lambda: _train_config(usual),
    )

    from rnnlm_cli.text.stream import load_corpus

    require_writable(out)
    texts = load_corpus(
        str(corpus), text_config,
        valid_path=None if valid is None else str(valid),
        test_path=None if test is None else str(test),
    )
    # Only now, as torch takes seconds to import: what is wrong with a text is said at once.
    from rnnlm_cli.nn.device import prepare
    from rnnlm_cli.train.history import Progress
    from rnnlm_cli.train.run import Run

    torch_device = prepare(device=device, threads=threads)
    progress = Progress()
    size = TextSize(len(texts.train.tokens_N), len(texts.vocabulary))
    choice = choose(level, size, given)
    run = Run(
        texts, text=text_config, model=_model_config(choice.settings),
        train=_train_config(choice.settings), out=out, device=torch_device, started=STARTED,
        progress=progress,
    )
    network = run.network
    kind = "sentences" if text_config.sentences else "running text"
    progress.say(
        f"{len(texts.train.tokens_N):,} tokens to train on, {len(texts.valid.tokens_N):,} to "
        f"validate, vocabulary {len(texts.vocabulary):,} ({level} level, {kind})"
    )
    model = network.config
    progress.say(
        f"{model.cell}, {layers} x {model.hidden_size}{choice.reason}, dropout {model.dropout:g}, "
        f"{network.num_parameters:,} parameters, on {network.device}; "
        f"{run.plan.total_steps:,} steps"
    )
    outcome = run.train()
    _report(outcome, texts, out)
    return 0 if outcome.signum is None else 128 + outcome.signum


def _model_config(settings: Mapping[str, Any]) -> ModelConfig:
    return ModelConfig(vocab_size=2, **_fields_of(ModelConfig, settings))


def _train_config(settings: Mapping[str, Any]) -> TrainConfig:
    return TrainConfig(**_fields_of(TrainConfig, settings))


def _fields_of(config: type[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(config)}
    return {name: value for name, value in settings.items() if name in names}


def _all_problems_at_once(
    text: Callable[[], TextConfig],
    model: Callable[[], ModelConfig],
    train: Callable[[], TrainConfig],
) -> tuple[TextConfig, ModelConfig, TrainConfig]:
    made: list[Any] = []
    problems: list[str] = []
    for make in (text, model, train):
        try:
            made.append(make())
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError(". ".join(problems))
    return cast(tuple[TextConfig, ModelConfig, TrainConfig], tuple(made))


def _cell_name(cell: str, nonlinearity: str | None) -> CellName:
    if cell == "elman":
        return cast(CellName, f"elman_{nonlinearity or 'tanh'}")
    if nonlinearity is not None:
        raise ConfigError(f"--nonlinearity: has no meaning with --cell {cell}; elman has one")
    return cast(CellName, cell)


def _valid_fraction(fraction: float | None, valid: Path | None) -> float:
    if fraction is not None and valid is not None:
        raise ConfigError("--valid and --valid-fraction: given together; one of them is needed")
    return TextConfig.valid_fraction if fraction is None else fraction


def _report(outcome: Outcome, corpus: Corpus, out: Path) -> None:
    """How it went, and what to type next, on stderr."""
    say = partial(print, file=sys.stderr)
    if outcome.signum is not None:
        say(f"stopped at step {outcome.step:,} of {outcome.total_steps:,}; the best model is kept")
    say(f"validation: {_loss(outcome.valid, corpus.valid, corpus)}")
    say("            (the model was selected on this text: a --test text gives an unbiased figure)")
    if outcome.test is not None and corpus.test is not None:
        say(f"test:       {_loss(outcome.test, corpus.test, corpus)}")
    model = "" if out == DEFAULT_MODEL else f" -m {shlex.quote(str(out))}"
    say(f"model:      {out}. Try")
    say(f"    rnnlm score{model} {shlex.quote(_example(corpus))}")
    say(f"    rnnlm generate{model} --n 200")


def _loss(evaluation: Evaluation, part: Part, corpus: Corpus) -> str:
    from rnnlm_cli.score.evaluate import perplexity

    read = evaluation.num_read / len(part.tokens_N)
    bits = evaluation.nats / math.log(2) / (part.num_characters * read)
    text = (
        f"{evaluation.mean:.4f} nats per token, perplexity {perplexity(evaluation.mean):.4g}, "
        f"{bits:.4f} bits per character"
    )
    if read < 1:
        text += f", over {evaluation.num_read:,} of {len(part.tokens_N):,} tokens"
    if evaluation.num_unknown and corpus.vocabulary.num_unknown:
        known = evaluation.num_scored - evaluation.num_unknown
        if known:
            excluding = perplexity((evaluation.nats - evaluation.unknown_nats) / known)
            text += f"; {evaluation.num_unknown:,} unknown tokens hide their spelling"
            text += f" (perplexity without them {excluding:.4g})"
    elif evaluation.num_unknown:
        text += f"; {evaluation.num_unknown:,} unknown tokens, without probability, are left out"
    return text


def _example(corpus: Corpus) -> str:
    """A few words of the validation text, to try the model on."""
    text = corpus.vocabulary.decoder().feed(corpus.valid.tokens_N[:1000])
    for line in text.split("\n")[1:]:
        words = line.split()
        sound = "<unk>" not in line and "\ufffd" not in line
        if len(words) >= 3 and sound and not words[0].startswith("-"):  # no option
            return " ".join(words[:6])
    return "the quick brown fox"
