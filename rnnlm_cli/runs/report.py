"""The report of a training run: before it starts, and after it ends."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rnnlm_cli.files.run_files import DEFAULT_MODEL

if TYPE_CHECKING:
    from rnnlm_cli.runs.outcome import Outcome
    from rnnlm_cli.runs.run import Run
    from rnnlm_cli.score.score import Score
    from rnnlm_cli.text.corpus import Corpus, Part


def describe_start(run: Run) -> Iterator[str]:
    """Yield lines about the text, the network and the length of a run."""
    corpus, text, model = run.corpus, run.config.text, run.network.config
    kind = "sentences" if text.sentences else "running text"
    num_valid = len(corpus.valid.tokens_N)
    share = run.plan.validation_tokens / num_valid
    part = f" (about {share:.0%} of them during training)" if share < 1 else ""
    yield (
        f"{len(corpus.train.tokens_N):,} training tokens, {num_valid:,} validation tokens{part}, "
        f"vocabulary {len(corpus.vocabulary):,} ({text.level} level, {kind})"
    )
    yield (
        f"{model.cell}, {model.num_layers} x {model.hidden_size}{run.size_reason}, dropout "
        f"{model.dropout:g}, {run.network.num_parameters:,} parameters, on {run.network.device}; "
        f"{run.plan.total_steps:,} steps"
    )


def describe_outcome(outcome: Outcome, corpus: Corpus, out: Path) -> Iterator[str]:
    """Yield lines about the outcome of a run, and the commands to type next."""
    if not outcome.finished:
        yield (
            f"stopped at step {outcome.step:,} of {outcome.total_steps:,}; the best model and the "
            f"checkpoint are saved. To continue:\n    {resume_command(out)}"
        )
    if outcome.stopped_early:
        yield (
            f"stopped early, at step {outcome.step:,} of {outcome.total_steps:,}: no improvement "
            "for as many validations as --patience allows"
        )
    yield f"validation: {_describe_score(outcome.valid, corpus.valid, corpus)}"
    note = "the model was selected on this text: a --test text gives an unbiased figure"
    yield f"            ({note})"
    if outcome.test is not None and corpus.test is not None:
        yield f"test:       {_describe_score(outcome.test, corpus.test, corpus)}"
    model = "" if out == DEFAULT_MODEL else f" -m {shlex.quote(str(out))}"
    yield f"model:      {out}. Try"
    yield f"    rnnlm score{model} {shlex.quote(_find_example(corpus))}"
    yield f"    rnnlm generate{model} --n 200"


def resume_command(out: Path) -> str:
    """Return the command that resumes the run of a model file."""
    return "rnnlm train --resume" + (
        "" if out == DEFAULT_MODEL else f" --out {shlex.quote(str(out))}"
    )


def _describe_score(score: Score, part: Part, corpus: Corpus) -> str:
    """Return the figures of a score, with what they leave out."""
    from rnnlm_cli.score.score import compute_perplexity

    share = score.num_read / len(part.tokens_N)
    bits = score.nats / math.log(2) / (part.num_characters * share)
    text = (
        f"{score.nats_per_token:.4f} nats per token, perplexity "
        f"{compute_perplexity(score.nats_per_token):.4g}, {bits:.4f} bits per character"
    )
    if share < 1:
        text += f", over {score.num_read:,} of {len(part.tokens_N):,} tokens"
    if score.num_unscored:
        text += f"; {score.num_unknown:,} unknown tokens, without probability, are left out"
    elif score.num_unknown:
        text += f"; {score.num_unknown:,} unknown tokens hide their spelling"
        if score.perplexity_without_unknown is not None:
            text += f" (perplexity without them {score.perplexity_without_unknown:.4g})"
    return text


def _find_example(corpus: Corpus) -> str:
    """Return a few words of the validation text, to try the model on."""
    text = corpus.vocabulary.make_decoder().feed(corpus.valid.tokens_N[:1000])
    for line in text.split("\n")[1:]:
        words = line.split()
        is_plain = "<unk>" not in line and "\ufffd" not in line
        if len(words) >= 3 and is_plain and not words[0].startswith("-"):  # would be an option
            return " ".join(words[:6])
    return "the quick brown fox"
