"""A training run, from its first step to the finished model file."""

import math
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from rnnlm_cli.config.option import MAX_SEED
from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.model_file import Model
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.runs.checkpoint import Checkpoint, CorpusRecord, record_learner
from rnnlm_cli.runs.duration import Duration
from rnnlm_cli.runs.history import History
from rnnlm_cli.runs.interrupt import Interrupt
from rnnlm_cli.runs.outcome import DEFAULT_SAMPLING, Outcome, choose_sampling, summarize_training
from rnnlm_cli.runs.progress import Progress
from rnnlm_cli.runs.run_config import RunConfig
from rnnlm_cli.runs.sample import write_sample
from rnnlm_cli.runs.saver import Saver
from rnnlm_cli.score.evaluate import evaluate
from rnnlm_cli.score.score import Score
from rnnlm_cli.text.corpus import Corpus, Part
from rnnlm_cli.train.learner import Learner
from rnnlm_cli.train.rollback import clip_norm, roll_back
from rnnlm_cli.train.schedule import Plan
from rnnlm_cli.train.state import TrainState
from rnnlm_cli.train.step import train_step


@dataclass(kw_only=True)
class Run:
    """A training run; `start_run` and `resume_run` make one.

    It holds the lock of its model file until `train` returns or the run is closed.

    Args:
        corpus: the text, encoded.
        config: its configuration.
        learner: the network, its windows and its optimizers.
        state: everything that changes from step to step.
        duration: the steps and the time limit.
        saver: writes the files.
        history: the records of its reports.
        progress: receives messages and figures.
        environment: what bitwise reproducibility depends on.
        resources: closed at the end; the lock is one.
        size_reason: why the hidden size was chosen; empty if it was given.
    """

    corpus: Corpus
    config: RunConfig
    learner: Learner
    state: TrainState
    duration: Duration
    saver: Saver
    history: History
    progress: Progress
    environment: Mapping[str, Any]
    resources: ExitStack
    size_reason: str = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.resources.close()

    @property
    def network(self) -> RecurrentNetwork:
        """The network that is trained."""
        return self.learner.network

    @property
    def _exact_network(self) -> RecurrentNetwork:
        """The same weights, with products in float32: what is evaluated and saved."""
        return self.network.with_weights(self.network.state_dict())

    @property
    def plan(self) -> Plan:
        """The steps, validations and reports of the run."""
        return self.duration.plan

    def train(self, *, pause_at: int | None = None) -> Outcome:
        """Train until the plan ends, and evaluate the best model in full.

        Ctrl-C, SIGTERM and a closed terminal end the loop after the step; the checkpoint and the
        best model are saved, and `resume_run` continues the run.

        Args:
            pause_at: stop in the same way after this many steps.
        Raises: RnnlmError if the loss diverges too often, or if no validation loss is finite;
            FileError if the model cannot be written at the end.
        """
        learner, state, num_validations = self.learner, self.state, 0
        with self.resources, Interrupt() as interrupt:
            self.duration.begin(state.step)
            self._save_checkpoint()
            self.progress.begin(self.plan, state.step)
            try:
                while state.step < self.plan.total_steps:
                    if interrupt.has_come() or state.step == pause_at or self._is_out_of_patience():
                        break
                    step, valid_nats = state.step, None
                    lr = state.lr_scale * self.plan.lr(step, peak=learner.config.peak_lr)
                    if not train_step(learner, state, lr, clip_norm(learner, state)):
                        self._roll_back()
                    if self.plan.validates_after(step):
                        valid_nats = self._validate()
                        num_validations += 1
                        self._show_sample(num_validations)
                    self.duration.correct(state.step, has_validated=state.has_best)
                    self.progress.show_step(self.plan, state)
                    if self.plan.reports_after(step):
                        self.history.add(
                            self.plan, state, seconds=self.duration.seconds(), lr=lr,
                            valid_nats=valid_nats,
                        )
                        self.saver.save_history(self.history)
                    if self.saver.checkpoint_is_due():
                        self._save_checkpoint()
            finally:
                self.progress.end()
            paused = state.step == pause_at and state.step < self.plan.total_steps
            stopped = interrupt.has_come() or paused
            if stopped:  # save first, because a second signal does not wait
                self._save_checkpoint()
            self._require_best()
            return self._finish(interrupt, finished=not stopped)

    def _finish(self, interrupt: Interrupt, *, finished: bool) -> Outcome:
        """Evaluate the best model, in full unless the run was stopped, and write all files."""
        best, test = self.network.with_weights(self.state.best_weights), None
        valid_tokens, test_tokens = self.duration.final_tokens
        if not finished:
            valid_tokens = self.plan.validation_tokens
        valid = self._evaluate(best, self.corpus.valid, valid_tokens)
        if finished and self.corpus.test is not None:
            test = self._evaluate(best, self.corpus.test, test_tokens)
        test_nats = None if test is None else test.nats_per_token
        sampling = choose_sampling(best, self.corpus.valid, sentences=self.config.text.sentences)
        self.saver.save_last(self._make_model(best, valid.nats_per_token, test_nats, sampling))
        if finished:
            self._save_checkpoint(finished=True)
        return Outcome(
            valid, test, self.state.step, self.plan.total_steps, finished,
            stopped_early=finished and self._is_out_of_patience(),
            signum=None if finished else interrupt.signum,
        )

    def _validate(self) -> float:
        """Evaluate the validation text; save the model if it is the best one, or roll back.

        Returns: the loss in nats per token.
        """
        state, before = self.state, time.monotonic()
        nats = self._evaluate(
            self._exact_network, self.corpus.valid, self.plan.validation_tokens
        ).nats_per_token
        self.duration.note_validation(time.monotonic() - before, self.corpus)
        diverged = state.has_diverged(nats, math.log(self.network.config.vocab_size))
        if state.record_validation(math.nan if diverged else nats, self.network):
            self._save_best()
        self.progress.show_validation(self.plan, state, nats)
        if diverged:
            self._roll_back()
        return nats

    def _roll_back(self) -> None:
        state = self.state
        roll_back(self.learner, state)
        restored = f"step {state.best_step:,}" if state.best_step else "the beginning"
        self.progress.note(
            f"the loss diverged at step {state.step:,}; restored the weights of {restored} and "
            f"lowered the learning rate to {state.lr_scale:g} of the schedule"
        )

    def _require_best(self) -> None:
        """Evaluate the present model if no validation was finite. Raises: RnnlmError."""
        state = self.state
        if not state.has_best:  # stopped before the first validation, or rolled back to the start
            score = self._evaluate(
                self._exact_network, self.corpus.valid, self.plan.validation_tokens
            )
            state.record_validation(score.nats_per_token, self.network)
        if not state.has_best:
            raise RnnlmError(
                "training: the validation loss was never finite, so there is no model to keep; a "
                "smaller learning rate is needed. Begin anew with --restart and a lower --lr or "
                "--clip"
            )

    def _is_out_of_patience(self) -> bool:
        patience = self.config.train.patience
        return patience is not None and self.state.validations_since_best >= patience

    def _evaluate(self, network: RecurrentNetwork, part: Part, max_tokens: int) -> Score:
        return evaluate(
            network, part.tokens_N, sentences=self.config.text.sentences, max_tokens=max_tokens
        )

    def _save_checkpoint(self, *, finished: bool = False) -> None:
        if self.saver.best_is_missing:
            self._save_best()
        self.saver.save_checkpoint(Checkpoint(
            config=self.config,
            corpus=CorpusRecord(self.corpus.key, self.corpus.files),
            vocabulary=self.corpus.vocabulary,
            duration=self.duration.save(),
            state=self.state,
            learner=record_learner(self.learner),
            num_records=len(self.history.records),
            finished=finished,
            replaced=self.saver.replaced,
            environment=self.environment,
        ))

    def _save_best(self) -> None:
        best = self.network.with_weights(self.state.best_weights)
        self.saver.save_best(self._make_model(best, self.state.best_nats))

    def _make_model(
        self, network: RecurrentNetwork, valid_nats: float, test_nats: float | None = None,
        sampling: Mapping[str, float] = DEFAULT_SAMPLING,
    ) -> Model:
        text = self.config.text
        training = summarize_training(
            self.config, self.corpus, self.learner, self.plan, self.state,
            valid_nats=valid_nats, test_nats=test_nats,
        )
        return Model(
            network, self.corpus.vocabulary, text.sentences, text.codec, training,
            self.corpus.counts_V, sampling,
        )

    def _show_sample(self, num_validations: int) -> None:
        """Show new text after every `sample_every`-th validation, if samples are wanted."""
        every = self.config.train.sample_every
        if not (self.progress.shows_samples and every) or num_validations % every:
            return
        model = self._make_model(self._exact_network, math.nan)
        text = write_sample(model, seed=(self.config.train.seed + self.state.step) % MAX_SEED)
        self.progress.say(f"--- step {self.state.step:,} writes:\n{text}")
