"""The plan of a run: its steps, validations and reports, and the learning-rate schedule.

Everything is a function of progress, the share of the budget that is spent, from 0 to 1.
"""

import math
from dataclasses import dataclass, field, replace

WARM_UP_SHARE = 0.05
FINAL_LR_SHARE = 0.01  # of the peak learning rate
MAX_VALIDATIONS = 20
VALIDATION_SHARE = 0.05  # tokens of one validation, relative to those trained between two
MIN_VALIDATION_TOKENS = 2048
MAX_REPORTS = 200
EXTENSION_PEAK_SCALE = 0.5


def scheduled_lr(progress: float, *, peak: float) -> float:
    """Return the learning rate at a progress of 0 to 1.

    Linear warm-up over the first 5 % of the budget, then a cosine down to 1 % of the peak.
    """
    if progress < WARM_UP_SHARE:
        return peak * progress / WARM_UP_SHARE
    decayed = (progress - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)
    return peak * (FINAL_LR_SHARE + (1 - FINAL_LR_SHARE) * (1 + math.cos(math.pi * decayed)) / 2)


@dataclass
class Plan:
    """The number of steps of a run, and where it validates; `make_plan` makes one.

    A run with a time limit can find that its steps are slower or faster than measured: `move_end`
    then moves the end, and progress continues from its present value, without a jump.

    Args:
        total_steps: the step at which the run ends.
        tokens_per_step: batch size times window length, times the number of accumulated windows.
        validation_tokens: number of tokens that a validation reads.
        num_validations: number of validations.
        peak_scale: the peak learning rate of this plan relative to that of the run.
        anchor_step, anchor_progress: progress is linear from here to (total_steps, 1).
        corrections: (step, new total_steps) of every `move_end`.
    """

    total_steps: int
    tokens_per_step: int
    validation_tokens: int
    num_validations: int
    peak_scale: float = 1.0
    anchor_step: int = 0
    anchor_progress: float = 0.0
    corrections: list[tuple[int, int]] = field(default_factory=list)

    def progress(self, step: int) -> float:
        """Return the share of the budget that is spent before a step."""
        left = self.total_steps - self.anchor_step
        if left <= 0:
            return 1.0
        done = (step - self.anchor_step) / left
        return self.anchor_progress + (1 - self.anchor_progress) * done

    def lr(self, step: int, *, peak: float) -> float:
        """Return the learning rate of a step."""
        return scheduled_lr(self.progress(step + 1), peak=peak * self.peak_scale)

    def validates_after(self, step: int) -> bool:
        """Return whether a validation follows a step. The last step always has one."""
        return step + 1 == self.total_steps or self._passes(step, self.num_validations)

    def reports_after(self, step: int) -> bool:
        """Return whether the history gets a record after a step."""
        return self.validates_after(step) or self._passes(step, MAX_REPORTS)

    def move_end(self, step: int, total_steps: int) -> None:
        """End the run at `total_steps` instead, after `step` steps are done."""
        self.anchor_progress = self.progress(step)
        self.anchor_step, self.total_steps = step, max(total_steps, step)
        self.corrections.append((step, self.total_steps))

    def choose_validations(self, *, resize: bool) -> None:
        """Choose the number of validations for the number of steps, up to 5 % of its tokens.

        Args:
            resize: whether to choose the number of tokens of a validation too.
        """
        min_tokens = MIN_VALIDATION_TOKENS if resize else self.validation_tokens
        self.num_validations = _choose_num_validations(
            self.total_steps, self.tokens_per_step, min_tokens
        )
        if resize:
            between = self.total_steps * self.tokens_per_step / self.num_validations
            self.validation_tokens = max(MIN_VALIDATION_TOKENS, int(VALIDATION_SHARE * between))

    def extend(self, step: int, more_steps: int, *, finished: bool) -> "Plan":
        """Return the plan of a longer run, after `step` steps are done.

        An unfinished run stretches what is left of its plan. A finished one begins a new plan,
        warm-up included, at half of the peak learning rate. Both keep the number of tokens that
        a validation reads, so that losses stay comparable with the best one so far.
        """
        if not finished:
            plan = replace(self, corrections=[*self.corrections])
            plan.move_end(step, self.total_steps + more_steps)
            return plan
        return replace(
            self, total_steps=step + more_steps,
            num_validations=_choose_num_validations(
                more_steps, self.tokens_per_step, self.validation_tokens
            ),
            peak_scale=EXTENSION_PEAK_SCALE, anchor_step=step, anchor_progress=0.0,
            corrections=[*self.corrections],
        )

    def _passes(self, step: int, times: int) -> bool:
        """Return whether progress passes a multiple of 1 / times in a step."""
        before, after = (times * self.progress(each) for each in (step, step + 1))
        return math.floor(after + 1e-9) > math.floor(before + 1e-9)


def make_plan(total_steps: int, tokens_per_step: int) -> Plan:
    """Return the plan of a new run: up to 20 validations that cost up to 5 % of its tokens."""
    plan = Plan(total_steps, tokens_per_step, MIN_VALIDATION_TOKENS, 1)
    plan.choose_validations(resize=True)
    return plan


def _choose_num_validations(steps: int, tokens_per_step: int, validation_tokens: int) -> int:
    affordable = int(steps * tokens_per_step * VALIDATION_SHARE / validation_tokens)
    return min(max(affordable, 1), MAX_VALIDATIONS, max(steps, 1))
