"""What a run would be: measured on copy_tensors, nothing written."""

import sys

from rnnlm_cli.runs.run import Run
from rnnlm_cli.text.lines import Overlap, measure_overlap
from rnnlm_cli.train.budget import measure_speed

TRIAL_SECONDS = 30.0  # a hundredth of it is spent on timing steps


def plan_of(run: Run, reason: str) -> dict[str, str]:
    """Vocabulary, sizes, memory, steps and time, by name, and what validation shares with training.

    Args:
        reason: why the network has its size.
    """
    corpus, settings, plan = run.corpus, run.settings, run.plan
    text, model, config = settings.text, run.network.config, run.learner.config
    speed = measure_speed(
        run.learner, corpus.valid, sentences=text.sentences, budget_seconds=TRIAL_SECONDS
    )
    num_tokens = len(corpus.train.tokens_N)
    trained = plan.total_steps * plan.tokens_per_step
    evaluated = plan.num_validations * plan.validated_tokens + sum(run.planned.final_tokens)
    seconds = run.seconds() + trained * speed.training + evaluated * speed.evaluation
    if run.planned.budget is not None:
        seconds = run.planned.budget.seconds
    unknown = corpus.vocabulary.num_unknown
    return {
        "text": ", ".join(file.path for file in corpus.files[:5])
        + (f" and {len(corpus.files) - 5:,} more" if len(corpus.files) > 5 else ""),
        "taken as": "sentences, a line each" if text.sentences else "running text",
        "training": f"{num_tokens:,} tokens, {corpus.train.num_characters:,} characters",
        "validation": f"{len(corpus.valid.tokens_N):,} tokens",
        "also in training": _shown(measure_overlap(corpus.train.tokens_N, corpus.valid.tokens_N,
                                           text.level)),
        "vocabulary": f"{len(corpus.vocabulary):,} tokens ({text.level} level), "
        f"{unknown:,} of the training text unknown ({unknown / num_tokens:.2%})",
        "network": f"{model.cell}, {model.num_layers} x {model.hidden_size}{reason}, embedding "
        f"{model.embedding_size}{', tied' if model.tied else ''}, dropout {model.dropout:g}",
        "parameters": f"{run.network.num_parameters:,}",
        "softmax": "in full" if run.learner.classes is None
        else f"estimated from {config.num_sampled:,} classes",
        "fitting": f"{config.optimizer}, rate up to {config.peak_lr:g}, windows of {config.bptt} "
        f"steps from {config.batch_size} rows"
        + (f", {config.accumulate} a step" if config.accumulate > 1 else ""),
        "memory": f"about {_peak_memory() / 1e6:,.0f} MB, as measured over some steps",
        "steps": f"{plan.total_steps:,} of {plan.tokens_per_step:,} tokens, "
        f"{trained / num_tokens:.3g} readings of the text",
        "time": f"about {_duration(seconds)}, at {1 / speed.training:,.0f} tokens/s",
    }


def _shown(shared: Overlap) -> str:
    text = f"{shared.num_shared:,} of {shared.num_lines:,} validation lines"
    if shared.num_long:
        part = shared.num_long_shared / shared.num_long
        text += (
            f"; of those of {shared.min_long_line} tokens or more, {shared.num_long_shared:,} of "
            f"{shared.num_long:,} ({part:.1%})"
        )
        if part > 0.1:
            text += ": figures on this validation text will be too good"
    return text


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _peak_memory() -> int:
    import resource  # not on every system

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
