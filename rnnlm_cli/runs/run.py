"""A run from the text to the model file: what `rnnlm train` does."""

import math
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from rnnlm_cli.config import SampleConfig
from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.files.run_files import HISTORY, companion
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.machine import describe_environment
from rnnlm_cli.model_file import Model
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.runs.checkpoint import Checkpoint, optimizer_tensors
from rnnlm_cli.runs.duration import More, Planned, first_plan, taken_up
from rnnlm_cli.runs.history import History
from rnnlm_cli.runs.interrupt import Interrupt
from rnnlm_cli.runs.outcome import Outcome, summary
from rnnlm_cli.runs.progress import Progress
from rnnlm_cli.runs.run_config import Settings
from rnnlm_cli.runs.saver import Output, checksum_of
from rnnlm_cli.runs.setup import make_learner, restore
from rnnlm_cli.score.evaluate import Evaluation, evaluate
from rnnlm_cli.text.corpus import Corpus, Part
from rnnlm_cli.train.state import TrainState, copy_tensors
from rnnlm_cli.train.step import fit, go_back

SAMPLE_TOKENS = {"char": 160, "byte": 160, "bpe": 60, "word": 40}


class Run:
    """One training run, from its beginning or from where it was interrupted.

    Args:
        corpus: what to train on.
        settings: how. The vocabulary's size and unknown_trained are those of the corpus.
        out: the model file.
        device: where the tensors go.
        started: `time.monotonic()` when the process began: the clock of a run by minutes.
        progress: where to show how it goes.
        initial: weights to begin with; None draws them.
        checkpoint: where the run was interrupted; its tensors are used up.
        more: minutes, epochs or steps that it is to go on for.

    Raises: RnnlmError where the model cannot fit in memory.
    """

    def __init__(
        self, corpus: Corpus, settings: Settings, *, out: Path, device: torch.device,
        started: float, progress: Progress, initial: Mapping[str, Tensor] | None = None,
        checkpoint: Checkpoint | None = None, more: More | None = None,
    ) -> None:
        self.corpus, self.settings, self.progress = corpus, settings, progress
        self.environment = describe_environment(device)
        self.learner = make_learner(corpus, settings, device, initial, say=progress.say)
        rows = self.learner.rows
        sentences = settings.text.sentences
        if checkpoint is None:
            network = self.learner.network
            self.state = TrainState(
                network.initial_state(rows.batch_size), copy_tensors(network.state_dict())
            )
            planned = first_plan(self.learner, corpus, sentences=sentences, started=started)
            replaced = checksum_of(out)
        else:
            self.state = checkpoint.state
            restore(checkpoint, self.learner, self.environment, say=progress.say)
            planned = taken_up(checkpoint, self.learner, corpus, more or {}, started=started)
            replaced = checkpoint.replaced
        self.planned: Planned = planned
        self.plan = planned.plan
        self._started = started
        self.output = Output(
            out, progress, save_every=60 * settings.train.save_every, replaced=replaced
        )
        self.history = History(companion(out, HISTORY), checkpoint.records if checkpoint else 0)
        self._valid_nats: float | None = None  # of this step, if it was validated
        self._num_validations = 0

    @property
    def network(self) -> RecurrentNetwork:
        """What is trained."""
        return self.learner.network

    def seconds(self) -> float:
        """How long the run has taken, what came before an interruption included."""
        return self.planned.seconds + time.monotonic() - self._started

    def train(self) -> Outcome:
        """Fit, keep the best model in the file, and evaluate it once in full at the end."""
        state = self.state
        with Interrupt() as interrupt:
            if self.planned.budget is not None:
                self.planned.budget.begin(self.plan, state.step)
            self._save_state()
            self.progress.start(self.plan, state.step)
            try:
                fit(
                    self.learner, self.plan, state, after_step=self._after_step,
                    undone=self._say_undone, validate=self._validate,
                    stops=lambda: interrupt.came() or self._is_out_of_patience(),
                )
            finally:
                self.progress.stop()
            stopped = interrupt.came()
            if stopped:  # first of all: a second signal would not wait
                self._save_state()
            if not state.has_best:  # stopped too early, or back at its beginning
                nats = self._evaluate(self.network, self.corpus.valid).mean
                state.keep_best(nats, self.network)
            if not state.has_best:
                raise RnnlmError(
                    "training: the validation loss was never finite, so there is no model to "
                    "keep; a smaller learning rate is needed. Begin anew with --restart and a "
                    "lower --lr or --clip"
                )
            outcome = self._finish(interrupt, stopped)
        return outcome

    def _finish(self, interrupt: Interrupt, stopped: bool) -> Outcome:
        """Evaluate the best model in full, and write all files for the last time."""
        best, test = self.network.with_weights(self.state.best_weights), None
        if stopped:
            valid = self._evaluate(best, self.corpus.valid)
        else:
            valid_tokens, test_tokens = self.planned.final_tokens
            valid = self._evaluate(best, self.corpus.valid, valid_tokens)
            if self.corpus.test is not None:
                test = self._evaluate(best, self.corpus.test, test_tokens)
        self.output.save_last(
            self._model(best, valid.mean, test_nats=None if test is None else test.mean)
        )
        if not stopped:
            self._save_state(finished=True)
        self.output.draw(self.history)
        return Outcome(
            valid, test, self.state.step, self.plan.total_steps,
            early=self._is_out_of_patience() and not stopped,
            signum=interrupt.signum if stopped else None,
        )

    def _after_step(self, rate: float) -> None:
        """Show, report and save what the step has brought."""
        state = self.state
        self.progress.step(self.plan, state)
        if self.plan.reports_after(state.step - 1):
            self.output.report(lambda: self.history.add(
                self.plan, state, seconds=self.seconds(), rate=rate, valid_nats=self._valid_nats
            ))
        self._valid_nats = None
        if self.output.state_is_due():
            self._save_state()

    def _validate(self) -> None:
        """Validate on the fixed part; keep the model, in memory and in the file, if it is best."""
        state = self.state
        nats = self._evaluate(self.network, self.corpus.valid).mean
        self._valid_nats = nats
        leapt = state.has_leapt(nats, math.log(self.network.config.vocab_size))
        if state.keep_best(math.nan if leapt else nats, self.network):
            self._save_best()
        self.progress.validated(self.plan, state, nats)
        if leapt:
            go_back(self.learner, state)
            self._say_undone()
        self._num_validations += 1
        every = self.settings.train.sample_every
        if self.progress.on_terminal and every and self._num_validations % every == 0:
            self.progress.say(f"--- step {state.step:,} writes:\n{self._sample()}")
        if self.planned.budget is not None:
            self.planned.budget.correct(self.plan, state.step)

    def _is_out_of_patience(self) -> bool:
        patience = self.settings.train.patience
        return patience is not None and self.state.since_best >= patience

    def _say_undone(self) -> None:
        state = self.state
        back = f"step {state.best_step:,}" if state.best_step else "its beginning"
        self.progress.say(
            f"note: at step {state.step:,} the loss left all bounds; training goes on from "
            f"{back} with {state.rate_scale:g} of the learning rate"
        )

    def _evaluate(
        self, network: RecurrentNetwork, part: Part, max_tokens: int | None = None
    ) -> Evaluation:
        """How a network does on so many tokens of a part; None: as many as every validation."""
        return evaluate(
            network, part.tokens_N, sentences=self.settings.text.sentences,
            max_tokens=max_tokens or self.plan.validated_tokens,
        )

    def _save_state(self, *, finished: bool = False) -> None:
        if self.output.model_is_missing:
            self._save_best()
        budget = self.planned.budget
        self.output.save_state(Checkpoint(
            settings=self.settings, key=self.corpus.key, files=self.corpus.files,
            vocabulary=self.corpus.vocabulary, plan=self.plan, state=self.state,
            weights=self.network.state_dict(),
            optimizers=optimizer_tensors(self.learner.optimizers),
            sampled=self.learner.classes is not None,
            budget=None if budget is None else budget.seconds,
            reserve=0.0 if budget is None else budget.reserve,
            final_tokens=self.planned.final_tokens, seconds=self.seconds(),
            records=len(self.history.records), finished=finished,
            replaced=self.output.replaced, environment=self.environment,
        ))

    def _save_best(self) -> None:
        best = self.network.with_weights(self.state.best_weights)
        self.output.save_best(self._model(best, self.state.best_nats))

    def _model(
        self, network: RecurrentNetwork, valid_nats: float, *, test_nats: float | None = None
    ) -> Model:
        text = self.settings.text
        training = summary(
            self.learner, self.plan, self.state, valid_nats=valid_nats, test_nats=test_nats
        )
        return Model(network, self.corpus.vocabulary, text.sentences, text.codec, training)

    def _sample(self) -> str:
        model = LanguageModel(self._model(self.network, math.nan))
        config = SampleConfig(
            num_tokens=SAMPLE_TOKENS[self.settings.text.level],
            seed=self.settings.train.seed + self.state.step,
        )
        return "".join(piece for (piece,) in model.generate(config)).strip("\n")
