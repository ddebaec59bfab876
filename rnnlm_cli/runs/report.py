"""What a run says of itself: before it begins, and when it is over. On stderr."""

from __future__ import annotations

import math
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rnnlm_cli.files.run_files import DEFAULT_MODEL

if TYPE_CHECKING:
    from rnnlm_cli.runs.outcome import Outcome
    from rnnlm_cli.runs.run import Run
    from rnnlm_cli.score.score import Score
    from rnnlm_cli.text.corpus import Corpus, Part


def introduce(run: Run, *, reason: str = "") -> None:
    """The text, the network and how far the run goes.

    Args:
        reason: why the network has its size.
    """
    corpus, text, model = run.corpus, run.settings.text, run.network.config
    kind = "sentences" if text.sentences else "running text"
    num_valid = len(corpus.valid.tokens_N)
    read = run.plan.validated_tokens / num_valid
    part = f" (about {read:.0%} of them on the way)" if read < 1 else ""
    run.progress.say(
        f"{len(corpus.train.tokens_N):,} tokens to train on, {num_valid:,} to validate{part}, "
        f"vocabulary {len(corpus.vocabulary):,} ({text.level} level, {kind})"
    )
    run.progress.say(
        f"{model.cell}, {model.num_layers} x {model.hidden_size}{reason}, dropout "
        f"{model.dropout:g}, {run.network.num_parameters:,} parameters, on {run.network.device}; "
        f"{run.plan.total_steps:,} steps"
    )


def finish(run: Run, out: Path) -> int:
    """Train, and say how it went. Returns the exit code."""
    outcome = run.train()
    conclude(outcome, run.corpus, out)
    return 0 if outcome.signum is None else 128 + outcome.signum


def conclude(outcome: Outcome, corpus: Corpus, out: Path) -> None:
    """How it went, and what to type next."""
    say = partial(print, file=sys.stderr)
    if outcome.signum is not None:
        say(
            f"stopped at step {outcome.step:,} of {outcome.total_steps:,}; the best model and the "
            f"state of the run are saved. To go on:\n    {resume_command(out)}"
        )
    if outcome.early:
        say(f"ended early, at step {outcome.step:,} of {outcome.total_steps:,}: no better "
            "validation for as many as --patience says")
    say(f"validation: {_loss(outcome.valid, corpus.valid, corpus)}")
    say("            (the model was selected on this text: a --test text gives an unbiased figure)")
    if outcome.test is not None and corpus.test is not None:
        say(f"test:       {_loss(outcome.test, corpus.test, corpus)}")
    model = "" if out == DEFAULT_MODEL else f" -m {shlex.quote(str(out))}"
    say(f"model:      {out}. Try")
    say(f"    rnnlm score{model} {shlex.quote(_example(corpus))}")
    say(f"    rnnlm generate{model} --n 200")


def resume_command(out: Path) -> str:
    """What to type to go on with a run."""
    return "rnnlm train --resume" + (
        "" if out == DEFAULT_MODEL else f" --out {shlex.quote(str(out))}"
    )


def _loss(evaluation: Score, part: Part, corpus: Corpus) -> str:
    from rnnlm_cli.score.score import compute_perplexity

    read = evaluation.num_read / len(part.tokens_N)
    bits = evaluation.nats / math.log(2) / (part.num_characters * read)
    text = (
        f"{evaluation.nats_per_token:.4f} nats per token, "
        f"perplexity {compute_perplexity(evaluation.nats_per_token):.4g}, "
        f"{bits:.4f} bits per character"
    )
    if read < 1:
        text += f", over {evaluation.num_read:,} of {len(part.tokens_N):,} tokens"
    if evaluation.num_unknown and corpus.vocabulary.num_unknown:
        known = evaluation.num_predicted - evaluation.num_unknown
        if known:
            excluding = compute_perplexity((evaluation.nats - evaluation.unknown_nats) / known)
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
