"""The outcome of a run, and the training summary in its model file."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rnnlm_cli.config.sample import DEFAULT_TEMPERATURE
from rnnlm_cli.files.container import encode_canonical
from rnnlm_cli.model_file import Model, describe_model
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.runs.run_config import RunConfig
from rnnlm_cli.score.calibrate import calibrate_temperature
from rnnlm_cli.score.score import Score
from rnnlm_cli.text.corpus import Corpus, Part
from rnnlm_cli.train.learner import Learner
from rnnlm_cli.train.schedule import Plan
from rnnlm_cli.train.state import TrainState

# The sampling settings of a model that is saved in the middle of a run.
DEFAULT_SAMPLING: Mapping[str, float] = {"temperature": DEFAULT_TEMPERATURE}
FIGURES = {"steps", "tokens", "planned_steps", "valid_nats", "test_nats"}  # change during a run


@dataclass(frozen=True)
class Outcome:
    """The outcome of `Run.train`.

    Args:
        valid: the score of the best model on the validation text.
        test: its score on the test text, if there is one.
        step: number of steps done.
        total_steps: number of steps planned.
        finished: whether the run is over, rather than stopped on the way.
        stopped_early: whether `patience` ended it.
        signum: the signal that stopped it, if one did.
    """

    valid: Score
    test: Score | None
    step: int
    total_steps: int
    finished: bool
    stopped_early: bool
    signum: int | None


def summarize_training(
    run_config: RunConfig, corpus: Corpus, learner: Learner, plan: Plan, state: TrainState, *,
    valid_nats: float, test_nats: float | None,
) -> dict[str, Any]:
    """Return the training summary that is stored in the model file.

    Plain numbers and words about the best model so far, the same for the same run. Together with
    the shape of the network they are what `rnnlm info` needs to name the options that repeat the
    run.

    Args:
        valid_nats, test_nats: losses of that model, in nats per token.
    """
    text, config = run_config.text, learner.config
    return {
        "steps": state.best_step,
        "tokens": state.best_step * plan.tokens_per_step,
        "planned_steps": plan.total_steps,
        "corpus_tokens": len(learner.rows.tokens_N),
        "unknown_tokens": corpus.num_unknown,
        "min_count": text.least_count if text.level in ("char", "word") else None,
        "max_vocab_size": text.max_tokens if text.level == "bpe" else text.vocab_size,
        "valid_fraction": None if run_config.sources.valid else text.valid_fraction,
        "warm_start": run_config.init is not None,
        "bptt": config.bptt,
        "batch_size": config.batch_size,
        "accumulate": config.accumulate,
        "optimizer": config.optimizer,
        "lr": config.peak_lr,
        "weight_decay": config.decay,
        "clip": config.clip,
        "softmax": "full" if learner.classes is None else "sampled",
        "num_sampled": None if learner.classes is None else config.num_sampled,
        "precision": config.precision or "float32",
        "seed": config.seed,
        "valid_nats": _finite_or_none(valid_nats),
        "test_nats": None if test_nats is None else _finite_or_none(test_nats),
    }


def choose_sampling(
    network: RecurrentNetwork, valid: Part, *, sentences: bool
) -> Mapping[str, float]:
    """Return the sampling settings that suit a finished model, by name.

    The temperature is 0.8 times the one at which the network predicts the validation text best,
    so it is from 0.56 to 1.2. That is somewhat sharper than the calibrated distribution, as is
    usual for text that people read. If nothing can be measured, it is 0.8.

    Args:
        sentences: whether every line is a separate sentence.
    """
    calibrated = calibrate_temperature(network, valid.tokens_N, sentences=sentences)
    if calibrated is None:
        return DEFAULT_SAMPLING
    return {"temperature": round(DEFAULT_TEMPERATURE * calibrated, 2)}


def is_of_same_run(description: Mapping[str, Any], model: Model) -> bool:
    """Return whether a model file was written by the run that made `model`, or by one like it.

    Its vocabulary and all its settings must be equal; its figures may differ.

    Args:
        description: of the model file, as `read_description` returns it.
    """
    return _describe_run(description) == _describe_run(describe_model(model))


def _describe_run(description: Mapping[str, Any]) -> str | None:
    """Return canonical JSON of what stays the same during a run; None if something is missing."""
    try:
        training = dict(description["training"])
        kept = {name: each for name, each in training.items() if name not in FIGURES}
        kept.setdefault("precision", "float32")  # earlier versions had no other
        parts = {name: description[name] for name in ("model", "sentences", "vocabulary")}
        return encode_canonical({**parts, "training": kept})
    except (KeyError, TypeError, ValueError):
        return None


def _finite_or_none(nats: float) -> float | None:
    """Return None for NaN and infinity, which JSON does not have."""
    return nats if math.isfinite(nats) else None
