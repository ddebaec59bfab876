"""`--dry-run`: estimate memory and time on a copy of the network; train nothing.

No file of the run is written. The encoded text goes to the cache, as in a run.
"""

import sys

from rnnlm_cli.runs.run import Run
from rnnlm_cli.text.lines import Overlap, measure_overlap
from rnnlm_cli.train.budget import measure_speed

TRIAL_SECONDS = 30.0  # a hundredth of it is spent on timing steps
MAX_OVERLAP = 0.1  # share of validation lines in the training text that gets a warning


def describe_run(run: Run) -> dict[str, str]:
    """Return the vocabulary, sizes, memory, steps and time of a run, by name.

    It also counts the validation lines that occur in the training text.
    """
    corpus, text, plan = run.corpus, run.config.text, run.plan
    model, config = run.network.config, run.learner.config
    speed = measure_speed(
        run.learner, corpus.valid, sentences=text.sentences, budget_seconds=TRIAL_SECONDS
    )
    num_tokens = len(corpus.train.tokens_N)
    trained = plan.total_steps * plan.tokens_per_step
    evaluated = plan.num_validations * plan.validation_tokens + sum(run.duration.final_tokens)
    seconds = run.duration.seconds() + trained * speed.training + evaluated * speed.evaluation
    if run.duration.budget is not None:
        seconds = run.duration.budget.seconds
    overlap = measure_overlap(corpus.train.tokens_N, corpus.valid.tokens_N, text.level)
    return {
        "text": ", ".join(file.path for file in corpus.files[:5])
        + (f" and {len(corpus.files) - 5:,} more" if len(corpus.files) > 5 else ""),
        "read as": "sentences, one per line" if text.sentences else "running text",
        "training": f"{num_tokens:,} tokens, {corpus.train.num_characters:,} characters",
        "validation": f"{len(corpus.valid.tokens_N):,} tokens",
        "also in training": _describe_overlap(overlap),
        "vocabulary": f"{len(corpus.vocabulary):,} tokens ({text.level} level), "
        f"{corpus.num_unknown:,} of the training text unknown "
        f"({corpus.num_unknown / num_tokens:.2%})",
        "network": f"{model.cell}, {model.num_layers} x {model.hidden_size}{run.size_reason}, "
        f"embedding {model.embedding_size}{', tied' if model.tied else ''}, dropout "
        f"{model.dropout:g}",
        "parameters": f"{run.network.num_parameters:,}",
        "softmax": "full" if run.learner.classes is None
        else f"sampled, {config.num_sampled:,} classes",
        "optimization": f"{config.optimizer}, peak learning rate {config.peak_lr:g}, windows of "
        f"{config.bptt} tokens, batch size {config.batch_size}"
        + (f", {config.accumulate} windows per step" if config.accumulate > 1 else "")
        + (", products in bfloat16" if config.precision == "bfloat16" else ""),
        "memory": _describe_memory(),
        "steps": f"{plan.total_steps:,} of {plan.tokens_per_step:,} tokens, "
        f"{trained / num_tokens:.3g} epochs",
        "time": f"about {_format_seconds(seconds)}, at {1 / speed.training:,.0f} tokens/s",
    }


def _describe_overlap(overlap: Overlap) -> str:
    text = f"{overlap.num_shared:,} of {overlap.num_lines:,} validation lines"
    if overlap.num_long:
        share = overlap.num_long_shared / overlap.num_long
        text += (
            f"; of those with {overlap.min_long_line} tokens or more, "
            f"{overlap.num_long_shared:,} of {overlap.num_long:,} ({share:.1%})"
        )
        if share > MAX_OVERLAP:
            text += ": figures on this validation text will be too good"
    return text


def _format_seconds(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _describe_memory() -> str:
    peak = _measure_peak_memory()
    if peak is None:
        return "unknown, as this system does not tell"
    return f"about {peak / 1e6:,.0f} MB, as measured over some steps"


def _measure_peak_memory() -> int | None:
    """Return the peak resident memory of this process in bytes; None if the system does not tell.
    """
    try:
        import resource
    except ImportError:  # on Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
