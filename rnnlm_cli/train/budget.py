"""A time limit turned into steps: a short calibration before step 1, and corrections by the clock.
"""

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
NUM_EVALUATIONS = 2  # in the calibration
MAX_CALIBRATION_TOKENS, MAX_CALIBRATION_LOGITS = 1 << 13, 1 << 25  # of each evaluation
MAX_FINAL_SHARE = 0.1  # of the time limit, for the last validation and the test
# Deviations that are not corrected: a share of the time left, and one of the time limit.
TOLERANCE, MIN_TOLERANCE = 0.05, 0.005
CORRECTION_SHARE = 0.02  # of the time limit; the least time between two corrections
MAX_PACE_RATIO = 2.0  # beyond it, the pace of the machine has changed


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
        finish_seconds: seconds kept for what follows the last evaluation.
    """

    seconds: float
    started: float
    reserve: float = 0.0
    finish_seconds: float = 0.0
    _first_step: int = field(default=0, init=False)
    _last_step: int = field(default=0, init=False)  # at the last correction
    _last_time: float = field(default=0.0, init=False)
    _seconds_per_step: float = field(default=0.0, init=False)

    def left(self) -> float:
        """Return the seconds until the time limit."""
        return self.started + self.seconds - time.monotonic()

    def plan_last_evaluation(self, corpus: Corpus, seconds_per_token: float) -> tuple[int, int]:
        """Return the number of validation and of test tokens that the last evaluation reads.

        It reads everything that fits into a tenth of the time limit. Its time is reserved.
        """
        wanted = [len(corpus.valid.tokens_N), len(corpus.test.tokens_N) if corpus.test else 0]
        affordable = MAX_FINAL_SHARE * self.seconds / seconds_per_token / sum(wanted)
        share = min(affordable, 1)
        valid, test = (max(MIN_VALIDATION_TOKENS, int(share * tokens)) for tokens in wanted)
        self.reserve = (valid + test) * seconds_per_token + self.finish_seconds
        return valid, test

    def choose_steps(self, speed: Speed, *, tokens_per_step: int) -> int:
        """Return the number of steps that fit before the reserve, with their validations."""
        seconds_per_token = speed.training + VALIDATION_SHARE * speed.evaluation
        return max(1, int((self.left() - self.reserve) / (seconds_per_token * tokens_per_step)))

    def begin(self, plan: Plan, step: int) -> None:
        """Start the clock of the steps, after `step` steps are done."""
        self._first_step = self._last_step = step
        self._last_time = time.monotonic()
        left = max(self.left() - self.reserve, 0.0)
        self._seconds_per_step = left / max(plan.total_steps - step, 1)

    def correct(self, plan: Plan, step: int, *, has_validated: bool) -> None:
        """Move the end of the plan if it would miss the time limit by more than 5 % of the rest.

        This looks at the clock after the steps 1, 2, 4, 8 and so on, so that a calibration in a
        busy second does no harm, and then whenever 2 % of the time limit have passed.

        Args:
            has_validated: whether the run has validated. If not, the number of tokens that a
                validation reads follows the plan too. Later it stays, so that losses stay
                comparable.
        """
        now, done = time.monotonic(), step - self._first_step
        is_early = done & (done - 1) == 0  # a power of 2
        if not is_early and now - self._last_time < CORRECTION_SHARE * self.seconds:
            return
        pace = (now - self._last_time) / max(step - self._last_step, 1)
        former = self._seconds_per_step
        if former and 1 / MAX_PACE_RATIO < pace / former < MAX_PACE_RATIO:
            pace = (pace + former) / 2  # the pace of a machine varies a little all the time
        self._seconds_per_step = max(pace, 1e-9)
        self._last_step, self._last_time = step, now
        left = self.left() - self.reserve
        projected = self._seconds_per_step * (plan.total_steps - step)
        tolerated = self.seconds * max(TOLERANCE * (1 - plan.progress(step)), MIN_TOLERANCE)
        if step < plan.total_steps and abs(projected - left) > tolerated:
            plan.move_end(step, step + max(0, int(left / self._seconds_per_step)))
            plan.choose_validations(resize=not has_validated)


def measure_speed(
    learner: Learner, valid: Part, *, sentences: bool, budget_seconds: float
) -> Speed:
    """Time some steps on a copy of the network, and evaluations. Nothing is changed.

    The shortest time counts: another program can make a step slower, but nothing makes it faster.
    """
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
    training = min(durations) / learner.tokens_per_step

    affordable = MAX_CALIBRATION_LOGITS // learner.network.config.vocab_size
    max_tokens = max(MIN_VALIDATION_TOKENS, min(MAX_CALIBRATION_TOKENS, affordable))
    exact, durations = learner.network.with_weights(learner.network.state_dict()), []
    for _ in range(NUM_EVALUATIONS):
        before = time.perf_counter()
        evaluate(exact, valid.tokens_N, sentences=sentences, max_tokens=max_tokens)
        durations.append(time.perf_counter() - before)
    return Speed(training, min(durations) / min(max_tokens, len(valid.tokens_N)))
