"""A time limit turned into steps: a short calibration before step 1, corrected at validations."""

import copy
import time
from dataclasses import dataclass, field

from rnnlm_cli.score.evaluate import evaluate
from rnnlm_cli.text.corpus import Corpus, Part
from rnnlm_cli.train.learner import Learner
from rnnlm_cli.train.rollback import clip_norm
from rnnlm_cli.train.schedule import MIN_VALIDATION_TOKENS, VALIDATION_SHARE, Plan
from rnnlm_cli.train.state import TrainState
from rnnlm_cli.train.step import train_step

CALIBRATION_SHARE = 0.01  # of the time limit, for timing steps
MAX_CALIBRATION_SECONDS = 2.0
MAX_CALIBRATION_TOKENS, MAX_CALIBRATION_LOGITS = 1 << 14, 1 << 26  # evaluated in the calibration
MAX_FINAL_SHARE = 0.1  # of the time limit, for the last validation and the test
TOLERANCE = 0.05  # of the time left; a smaller deviation is not corrected


@dataclass(frozen=True)
class Speed:
    """Seconds per token, in training and in evaluation."""

    training: float
    evaluation: float


@dataclass
class Budget:
    """The time limit of a run; its clock starts with the process.

    Args:
        seconds: the time limit.
        started: `time.monotonic()` when the run began; for a resumed run, moved back by the time
            that it had spent before.
        reserve: seconds kept for the last evaluation and what follows it.
    """

    seconds: float
    started: float
    reserve: float = 0.0
    _last_step: int = field(default=0, init=False)  # at the last validation
    _last_time: float = field(default=0.0, init=False)
    _seconds_per_step: float = field(default=0.0, init=False)

    def left(self) -> float:
        """Return the seconds until the time limit."""
        return self.started + self.seconds - time.monotonic()

    def choose_final_tokens(self, corpus: Corpus, speed: Speed) -> tuple[int, int]:
        """Return the number of validation and of test tokens that the last evaluation reads.

        It reads everything that fits into a tenth of the time limit.
        """
        wanted = [len(corpus.valid.tokens_N), len(corpus.test.tokens_N) if corpus.test else 0]
        affordable = MAX_FINAL_SHARE * self.seconds / speed.evaluation / sum(wanted)
        share = min(affordable, 1)
        valid, test = (max(MIN_VALIDATION_TOKENS, int(share * tokens)) for tokens in wanted)
        return valid, test

    def choose_steps(
        self, speed: Speed, *, tokens_per_step: int, final_tokens: int, finish_seconds: float
    ) -> int:
        """Return the number of steps that fit, with their validations and the last evaluation.

        Args:
            final_tokens: number of tokens of the last evaluation.
            finish_seconds: time for what follows the last evaluation.
        """
        self.reserve = final_tokens * speed.evaluation + finish_seconds
        seconds_per_token = speed.training + VALIDATION_SHARE * speed.evaluation
        return max(1, int((self.left() - self.reserve) / (seconds_per_token * tokens_per_step)))

    def begin(self, plan: Plan, step: int) -> None:
        """Start the clock of the steps, after `step` steps are done."""
        self._last_step, self._last_time = step, time.monotonic()
        left = max(self.left() - self.reserve, 0.0)
        self._seconds_per_step = left / max(plan.total_steps - step, 1)

    def correct(self, plan: Plan, step: int) -> None:
        """Move the end of the plan if it would miss the time limit by more than 5 % of the rest."""
        now = time.monotonic()
        # The old figure counts half, because the speed of a machine varies.
        self._seconds_per_step += (now - self._last_time) / max(step - self._last_step, 1)
        self._seconds_per_step /= 2
        self._last_step, self._last_time = step, now
        left = self.left() - self.reserve
        projected = self._seconds_per_step * (plan.total_steps - step)
        tolerated = TOLERANCE * self.seconds * (1 - plan.progress(step))
        if step < plan.total_steps and abs(projected - left) > tolerated:
            plan.move_end(step, step + max(0, int(left / self._seconds_per_step)))


def measure_speed(
    learner: Learner, valid: Part, *, sentences: bool, budget_seconds: float
) -> Speed:
    """Time some steps on a copy of the network, and an evaluation. Nothing is changed."""
    allowed = min(MAX_CALIBRATION_SECONDS, CALIBRATION_SHARE * budget_seconds)
    trial = Learner(
        copy.deepcopy(learner.network), learner.rows, learner.classes, learner.config, []
    )
    trial.reset_optimizers()
    state = TrainState(trial.network.initial_state(learner.config.batch_size))
    durations: list[float] = []
    while len(durations) < 3 or sum(durations) < allowed:
        before = time.perf_counter()
        train_step(trial, state, 0.0, clip_norm(trial, state))
        durations.append(time.perf_counter() - before)
    training = sorted(durations)[len(durations) // 2] / learner.tokens_per_step

    affordable = MAX_CALIBRATION_LOGITS // learner.network.config.vocab_size
    max_tokens = max(MIN_VALIDATION_TOKENS, min(MAX_CALIBRATION_TOKENS, affordable))
    before = time.perf_counter()
    evaluate(learner.network, valid.tokens_N, sentences=sentences, max_tokens=max_tokens)
    seconds = time.perf_counter() - before
    return Speed(training, seconds / min(max_tokens, len(valid.tokens_N)))
