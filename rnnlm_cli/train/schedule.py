"""The plan of a run: how many steps, when to validate, and the learning rate on the way.

All of it is a function of progress, the part of the budget that is spent, from 0 to 1.
"""

import math
from dataclasses import dataclass, field

WARM_UP_PART = 0.05
LAST_RATE = 0.01  # of the peak
MOST_VALIDATIONS = 20
VALIDATION_SHARE = 0.05  # tokens of a validation, of those trained between two
FEWEST_VALIDATED = 2048  # tokens


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
        tokens_per_step: B * T.
    """

    total_steps: int
    tokens_per_step: int
    corrections: list[tuple[int, int]] = field(default_factory=list)  # (step, new total)
    _anchor_step: int = 0
    _anchor_progress: float = 0.0
    num_validations: int = field(init=False)
    validated_tokens: int = field(init=False)

    def __post_init__(self) -> None:
        most = self.total_steps * self.tokens_per_step * VALIDATION_SHARE / FEWEST_VALIDATED
        self.num_validations = min(max(int(most), 1), MOST_VALIDATIONS, self.total_steps)
        between = self.total_steps * self.tokens_per_step / self.num_validations
        self.validated_tokens = max(FEWEST_VALIDATED, int(VALIDATION_SHARE * between))

    def progress(self, step: int) -> float:
        """The part of the budget that is spent before a step."""
        left = self.total_steps - self._anchor_step
        if left <= 0:
            return 1.0
        done = (step - self._anchor_step) / left
        return self._anchor_progress + (1 - self._anchor_progress) * done

    def validates_after(self, step: int) -> bool:
        """Whether a validation stands between a step and the next one. One always ends the run."""
        if step + 1 == self.total_steps:
            return True
        before, after = (self.num_validations * self.progress(s) for s in (step, step + 1))
        return math.floor(after + 1e-9) > math.floor(before + 1e-9)

    def correct(self, step: int, total_steps: int) -> None:
        """End at `total_steps` instead; `step` steps are done."""
        self._anchor_progress = self.progress(step)
        self._anchor_step, self.total_steps = step, max(total_steps, step)
        self.corrections.append((step, self.total_steps))
