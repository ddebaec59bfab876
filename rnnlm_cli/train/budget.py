"""Minutes into steps: a short calibration before step 1, corrected at validations."""

import copy
import time
from dataclasses import dataclass

from rnnlm_cli.score.evaluate import evaluate
from rnnlm_cli.text.corpus import Corpus, Part
from rnnlm_cli.train.schedule import MIN_VALIDATION_TOKENS, VALIDATION_SHARE, Plan
from rnnlm_cli.train.state import TrainState
from rnnlm_cli.train.step import Learner, train_step

CALIBRATION_SHARE = 0.01  # of the budget, for timing steps
MAX_CALIBRATION_SECONDS = 2.0  # seconds
CALIBRATION_TOKENS, CALIBRATION_LOGITS = 1 << 14, 1 << 26  # evaluated at most
MAX_FINAL_SHARE = 0.1  # of the budget, for the last validation and the test
TOLERANCE = 0.05  # of what is left of the budget
FINISH_SECONDS = 0.3  # seconds, for writing the files and saying how it went
PICTURE_SECONDS = 0.5  # for drawing the losses


@dataclass(frozen=True)
class Speed:
    """What a token costs, in seconds."""

    training: float
    evaluation: float


class Budget:
    """The time a run may take, the clock starting with the process.

    Args:
        seconds: how many.
        started: `time.monotonic()` when the run began; where it was interrupted, as if it had
            begun later.
        reserve: seconds kept for the last evaluation and what follows it.
    """

    def __init__(self, seconds: float, started: float, *, reserve: float = 0.0) -> None:
        self.seconds = seconds
        self.reserve = reserve
        self._end = started + self.seconds
        self._mark = (0, time.monotonic())  # (step, time) of the last validation
        self._seconds_a_step = 0.0

    def left(self) -> float:
        """Seconds until the end."""
        return self._end - time.monotonic()

    def final_tokens(self, corpus: Corpus, speed: Speed) -> tuple[int, int]:
        """How many validation and test tokens the last evaluation reads: all that fit."""
        wanted = [len(corpus.valid.tokens_N), len(corpus.test.tokens_N) if corpus.test else 0]
        fitting = MAX_FINAL_SHARE * self.seconds / speed.evaluation / sum(wanted)
        share = min(fitting, 1)
        valid, test = (max(MIN_VALIDATION_TOKENS, int(share * tokens)) for tokens in wanted)
        return valid, test

    def steps(
        self, speed: Speed, *, tokens_per_step: int, final_tokens: int, last_words: float
    ) -> int:
        """As many steps as fit, validations and the last evaluation included.

        Args:
            last_words: seconds for what comes after the last evaluation.
        """
        self.reserve = final_tokens * speed.evaluation + last_words
        per_token = speed.training + VALIDATION_SHARE * speed.evaluation
        return max(1, int((self.left() - self.reserve) / (per_token * tokens_per_step)))

    def begin(self, plan: Plan, step: int) -> None:
        """Steps begin now, or go on."""
        self._mark = (step, time.monotonic())
        left = max(self.left() - self.reserve, 0.0)
        self._seconds_a_step = left / max(plan.total_steps - step, 1)

    def correct(self, plan: Plan, step: int) -> None:
        """Move the plan's end where it would miss what is left of the budget by more than 5 %."""
        marked_step, marked_at = self._mark
        now = time.monotonic()
        self._mark = (step, now)
        # Half of the old figure: a machine's pace comes and goes.
        self._seconds_a_step += (now - marked_at) / max(step - marked_step, 1)
        self._seconds_a_step /= 2
        left = self.left() - self.reserve
        projected = self._seconds_a_step * (plan.total_steps - step)
        near = TOLERANCE * self.seconds * (1 - plan.progress(step))
        if step < plan.total_steps and abs(projected - left) > near:
            plan.correct(step, step + max(0, int(left / self._seconds_a_step)))


def measure_speed(
    learner: Learner, valid: Part, *, sentences: bool, budget_seconds: float
) -> Speed:
    """Time some steps on a copy of the network, and an evaluation; nothing is changed."""
    allowed = min(MAX_CALIBRATION_SECONDS, CALIBRATION_SHARE * budget_seconds)
    rows = learner.rows
    trial = Learner(copy.deepcopy(learner.network), rows, learner.classes, learner.config)
    state = TrainState(trial.network.initial_state(rows.batch_size))
    durations: list[float] = []
    while len(durations) < 3 or sum(durations) < allowed:
        before = time.perf_counter()
        train_step(trial, state, 0.0)
        durations.append(time.perf_counter() - before)
    training = sorted(durations)[len(durations) // 2] / learner.tokens_per_step

    fitting = CALIBRATION_LOGITS // learner.network.config.vocab_size
    read = max(MIN_VALIDATION_TOKENS, min(CALIBRATION_TOKENS, fitting))
    before = time.perf_counter()
    evaluate(learner.network, valid.tokens_N, sentences=sentences, max_tokens=read)
    seconds = time.perf_counter() - before
    return Speed(training, seconds / min(read, len(valid.tokens_N)))
