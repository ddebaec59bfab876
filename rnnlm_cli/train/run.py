"""A run from the text to the model file: what `rnnlm train` does."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnnlm_cli.config import ModelConfig, SampleConfig, TextConfig, TrainConfig
from rnnlm_cli.errors import ModelFileError, RnnlmError
from rnnlm_cli.files import keep_old
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.model_file import Model, save_model
from rnnlm_cli.nn.device import memory_of
from rnnlm_cli.nn.model import RecurrentNetwork
from rnnlm_cli.nn.randomness import generator
from rnnlm_cli.nn.softmax import ClassSampler
from rnnlm_cli.score.evaluate import Evaluation, evaluate
from rnnlm_cli.text.stream import Corpus, Part
from rnnlm_cli.train.budget import Budget, measure_speed
from rnnlm_cli.train.history import Progress
from rnnlm_cli.train.interrupt import Interrupt
from rnnlm_cli.train.loop import fit
from rnnlm_cli.train.schedule import Plan
from rnnlm_cli.train.state import TrainState
from rnnlm_cli.windows import TrainingRows, shrink

SAMPLED_FROM = 4000  # tokens of vocabulary
SAMPLE_TOKENS = {"char": 160, "byte": 160, "word": 40}


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        valid: how the model that was kept does on the validation text.
        test: the same on the test text, if there is one.
        signum: the signal that stopped the run, if one did.
    """

    valid: Evaluation
    test: Evaluation | None
    step: int
    total_steps: int
    signum: int | None


class Run:
    """One training run.

    Args:
        corpus: what to train on.
        text: how it became tokens.
        model: the sizes; vocabulary size and unknown_trained are filled in from the corpus.
        train: how to fit.
        out: the model file.
        device: where the tensors go.
        started: `time.monotonic()` when the process began: the budget's clock.
        progress: where to show how it goes.

    Raises: RnnlmError where the model cannot fit in memory, or the file cannot be written.
    """

    def __init__(
        self, corpus: Corpus, *, text: TextConfig, model: ModelConfig, train: TrainConfig,
        out: Path, device: torch.device, started: float, progress: Progress,
    ) -> None:
        self.corpus, self.text, self.out, self.progress = corpus, text, out, progress
        vocabulary = corpus.vocabulary
        model = replace(
            model, vocab_size=len(vocabulary), unknown_trained=vocabulary.num_unknown > 0
        )
        _require_memory(model, device)
        num_tokens = len(corpus.train.tokens_N)
        batch_size, bptt = shrink(num_tokens, batch_size=train.batch_size, bptt=train.bptt)
        if (batch_size, bptt) != (train.batch_size, train.bptt):
            progress.say(
                f"note: a text of {num_tokens:,} tokens is short: training on windows of "
                f"{bptt} steps from {batch_size} rows instead of {train.bptt} from "
                f"{train.batch_size}"
            )
        self.config = replace(train, batch_size=batch_size, bptt=bptt)
        self.network = RecurrentNetwork(model, generator=generator(train.seed, "weights", 0))
        self.network.to(device)
        self.rows = TrainingRows(
            corpus.train.tokens_N, batch_size=batch_size, bptt=bptt,
            sentences=text.sentences, seed=train.seed,
        )
        if self.rows.rule.anywhere:
            progress.say(
                "note: the text has few line ends, so the state is reset anywhere in it, "
                "every 1000 tokens on average"
            )
        self.state = TrainState(self.network.initial_state(batch_size))
        self.classes = self._classes()
        minutes = self.config.budget_minutes
        self.budget = None if minutes is None else Budget(minutes, started)
        self.final_tokens: tuple[int | None, int | None] = (None, None)
        self.plan = self._plan()
        self._first_save = True

    def train(self) -> Outcome:
        """Fit, keep the best model in the file, and evaluate it once in full at the end."""
        validations = 0

        def validate() -> None:
            nonlocal validations
            self._validate()
            validations += 1
            every = self.config.sample_every
            if self.progress.on_terminal and every and validations % every == 0:
                self.progress.say(f"--- step {self.state.step:,} writes:\n{self._sample()}")
            if self.budget is not None:
                self.budget.correct(self.plan, self.state.step)

        with Interrupt() as interrupt:
            self.progress.start(self.plan)
            try:
                fit(
                    self.network, self.rows, self.classes, self.config, self.plan, self.state,
                    after_step=lambda: self.progress.step(self.plan, self.state),
                    validate=validate,
                    stops=interrupt.came,
                )
                if interrupt.came() and not self.state.best_step:  # none was taken yet
                    self._validate()
            finally:
                self.progress.stop()
            if not self.state.best_step:
                raise RnnlmError(
                    "training: the validation loss was never finite, so there is no model to "
                    "keep; a smaller learning rate is needed. Try a lower --lr or --clip"
                )
            self.network.load_state_dict(self.state.best_weights)
            valid_tokens, test_tokens = self.final_tokens
            if interrupt.came():
                valid_tokens = self.plan.validated_tokens
            valid, test = self._evaluate(self.corpus.valid, valid_tokens), None
            if self.corpus.test is not None and not interrupt.came():
                test = self._evaluate(self.corpus.test, test_tokens)
            self._save(valid, test)
        return Outcome(valid, test, self.state.step, self.plan.total_steps, interrupt.signum)

    def _classes(self) -> ClassSampler | None:
        """What the softmax is estimated from in training; None where it is taken in full."""
        vocab_size = len(self.corpus.vocabulary)
        wanted = self.config.softmax
        if wanted is None:
            large = vocab_size >= SAMPLED_FROM and self.network.device.type == "cpu"
            wanted = "sampled" if large else "full"
        if wanted == "full":
            return None
        counts_V = np.bincount(self.corpus.train.tokens_N, minlength=vocab_size)
        return ClassSampler(
            torch.from_numpy(counts_V), self.config.num_sampled,
            unknown=self.network.config.unknown_trained,
        )

    def _plan(self) -> Plan:
        tokens_per_step = self.config.batch_size * self.config.bptt
        if self.config.steps is not None:
            return Plan(self.config.steps, tokens_per_step)
        if self.config.epochs is not None:
            steps = sum(self.rows.num_windows(epoch) for epoch in range(self.config.epochs))
            return Plan(steps, tokens_per_step)
        assert self.budget is not None
        speed = measure_speed(
            self.network, self.rows, self.classes, self.corpus, self.config,
            sentences=self.text.sentences, budget_seconds=self.budget.seconds,
        )
        self.final_tokens = self.budget.final_tokens(self.corpus, speed)
        return self.budget.plan(
            speed, tokens_per_step=tokens_per_step, final_tokens=sum(self.final_tokens)
        )

    def _validate(self) -> None:
        """Validate on the fixed part; keep the model, in memory and in the file, if it is best."""
        valid = self._evaluate(self.corpus.valid, self.plan.validated_tokens)
        if self.state.keep_best(valid.mean, self.network):
            try:
                self._save(valid, None)
            except ModelFileError as error:
                self.progress.say(f"rnnlm: warning: {error}; training goes on")
        self.progress.validated(self.plan, self.state, valid.mean)

    def _evaluate(self, part: Part, most_tokens: int | None) -> Evaluation:
        """How the network, as it is, does on a part, or on about so many of its tokens."""
        return evaluate(
            self.network, part.tokens_N, sentences=self.text.sentences, most_tokens=most_tokens
        )

    def _save(self, valid: Evaluation, test: Evaluation | None) -> None:
        if self._first_save:
            old = keep_old(self.out)
            if old is not None:
                self.progress.say(f"note: the model that was {self.out} is now {old}")
            self._first_save = False
        save_model(self.out, self._model(self._summary(valid, test)))

    def _model(self, summary: Mapping[str, Any]) -> Model:
        return Model(
            self.network, self.corpus.vocabulary, self.text.sentences, self.text.codec, summary
        )

    def _summary(self, valid: Evaluation, test: Evaluation | None) -> dict[str, Any]:
        config = self.config
        return {
            "steps": self.state.best_step,
            "tokens": self.state.best_step * self.plan.tokens_per_step,
            "planned_steps": self.plan.total_steps,
            "corpus_tokens": len(self.corpus.train.tokens_N),
            "bptt": config.bptt,
            "batch_size": config.batch_size,
            "optimizer": config.optimizer,
            "lr": config.peak_lr,
            "weight_decay": config.decay,
            "clip": config.clip,
            "seed": config.seed,
            "valid_nats": _if_finite(valid.mean),
            "test_nats": None if test is None else _if_finite(test.mean),
        }

    def _sample(self) -> str:
        model = LanguageModel(self._model({}))
        config = SampleConfig(
            num_tokens=SAMPLE_TOKENS[self.text.level], seed=self.config.seed + self.state.step
        )
        return "".join(piece for (piece,) in model.generate(config)).strip("\n")


def _if_finite(nats: float) -> float | None:
    """JSON, which model files are described in, has no infinity."""
    return nats if math.isfinite(nats) else None


def _require_memory(config: ModelConfig, device: torch.device) -> None:
    """Weights, gradients and two moments of the optimizer must fit."""
    with torch.device("meta"):
        needed = 16 * RecurrentNetwork(config).num_parameters
    available = memory_of(device)
    if available is not None and needed > available:
        raise RnnlmError(
            f"--hidden-size: a model of {needed // 16:,} parameters needs {needed / 1e9:,.0f} GB "
            f"to train; {device} has {available / 1e9:,.0f} GB. Choose smaller sizes"
        )
