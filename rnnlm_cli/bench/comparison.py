"""One line of the table of `rnnlm bench`."""

from dataclasses import dataclass, field

from rnnlm_cli.bench.timing import Timing


@dataclass(frozen=True)
class Comparison:
    """One line of the table: what was run, the timing of each candidate, and ratios.

    tokens: the number of tokens of one run.
    """

    what: str
    shape: str
    timings: dict[str, Timing]
    tokens: int
    ratios: dict[str, float] = field(default_factory=dict)


def divide(timings: dict[str, Timing], above: str, below: str) -> dict[str, float]:
    """Return the ratio of two medians, by its name."""
    return {f"{above} / {below}": timings[above].median / timings[below].median}


def make_comparison(
    what: str, shape: str, timings: dict[str, Timing], tokens: int
) -> Comparison:
    """Return the comparison of three candidates: torch.nn, ours, and the bare products."""
    ratios = divide(timings, "torch.nn", "ours") | divide(timings, "products", "ours")
    return Comparison(what, shape, timings, tokens, ratios)
