"""The plan of a run: how many steps, when to validate, and the learning rate on the way.

All of it is a function of progress, the part of the budget that is spent, from 0 to 1.
"""

import math
from dataclasses import dataclass, field, replace

WARM_UP_PART = 0.05
LAST_RATE = 0.01  # of the peak
MAX_VALIDATIONS = 20
VALIDATION_SHARE = 0.05  # tokens of a validation, of those trained between two
MIN_VALIDATION_TOKENS = 2048  # tokens
MAX_REPORTS = 200
EXTENSION_HEIGHT = 0.5  # of the peak


def learning_rate(progress: float, *, peak: float) -> float:
    """Linear warm-up over the first 5 % of the budget, then a cosine down to 1 % of the peak."""
    if progress < WARM_UP_PART:
        return peak * progress / WARM_UP_PART
    fallen = (progress - WARM_UP_PART) / (1 - WARM_UP_PART)
    return peak * (LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * fallen)) / 2)


@dataclass
class Plan:
    """How far a run goes and where it validates.

    A run by minutes can find that its steps take longer or shorter than thought: `correct` then
    moves the end, and progress goes on from where it is, without a jump.

    Args:
        total_steps: where the run ends.
        tokens_per_step: B * T, times the windows that are accumulated.
        validated_tokens: how many tokens a validation reads; 0 takes 5 % of those trained between
            two. An extension keeps it, so that its losses can be compared with the best so far.
        num_validations: how many there are; 0 takes 20, or fewer where they would cost more.
        height: of the plan's highest rate, against the run's.
        anchor_step, anchor_progress: from where on progress goes in a straight line to the end.
        corrections: (step, new total).
    """

    total_steps: int
    tokens_per_step: int
    validated_tokens: int = 0
    num_validations: int = 0
    height: float = 1.0
    anchor_step: int = 0
    anchor_progress: float = 0.0
    corrections: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        steps = self.total_steps - self.anchor_step
        tokens = steps * self.tokens_per_step
        if not self.num_validations:
            most = tokens * VALIDATION_SHARE / (self.validated_tokens or MIN_VALIDATION_TOKENS)
            self.num_validations = min(max(int(most), 1), MAX_VALIDATIONS, max(steps, 1))
        if not self.validated_tokens:
            between = tokens / self.num_validations
            self.validated_tokens = max(MIN_VALIDATION_TOKENS, int(VALIDATION_SHARE * between))

    def progress(self, step: int) -> float:
        """The part of the budget that is spent before a step."""
        left = self.total_steps - self.anchor_step
        if left <= 0:
            return 1.0
        done = (step - self.anchor_step) / left
        return self.anchor_progress + (1 - self.anchor_progress) * done

    def rate(self, step: int, *, peak: float) -> float:
        """The learning rate of a step."""
        return learning_rate(self.progress(step + 1), peak=peak * self.height)

    def validates_after(self, step: int) -> bool:
        """Whether a validation stands between a step and the next one. One always ends the run."""
        return step + 1 == self.total_steps or self._passes(step, self.num_validations)

    def reports_after(self, step: int) -> bool:
        """Whether the history has a record after a step."""
        return self.validates_after(step) or self._passes(step, MAX_REPORTS)

    def correct(self, step: int, total_steps: int) -> None:
        """End at `total_steps` instead; `step` steps are done."""
        self.anchor_progress = self.progress(step)
        self.anchor_step, self.total_steps = step, max(total_steps, step)
        self.corrections.append((step, self.total_steps))

    def extended(self, step: int, more_steps: int, *, finished: bool) -> "Plan":
        """The plan of a run that is to go on for longer; `step` steps are done.

        One that is under way stretches what is left of its plan. One that was finished begins a
        new one, warm-up included, at half its height.
        """
        if not finished:
            plan = replace(self, corrections=[*self.corrections])
            plan.correct(step, self.total_steps + more_steps)
            return plan
        return replace(
            self, total_steps=step + more_steps, num_validations=0, height=EXTENSION_HEIGHT,
            anchor_step=step, anchor_progress=0.0, corrections=[*self.corrections],
        )

    def _passes(self, step: int, times: int) -> bool:
        before, after = (times * self.progress(each) for each in (step, step + 1))
        return math.floor(after + 1e-9) > math.floor(before + 1e-9)
