"""The settings of a mixture with an n-gram model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rnnlm_cli.config.option import Config, number, option

DEFAULT_NGRAM_WEIGHT = 0.3
PANEL = "Mixture"


@dataclass(frozen=True, kw_only=True)
class MixtureConfig(Config):
    """The n-gram model that is mixed with the network, if any, and its weight."""

    ngram: str | None = option(
        None, "ARPA file of an n-gram model over the same words; its probabilities are averaged "
        "with those of the model (extra 'ngram').", panel=PANEL, default_text="none",
    )
    ngram_weight: float | None = option(
        None, "Weight of the n-gram model; the other models share the rest.",
        number(minimum=0, maximum=1), panel=PANEL, default_text=f"{DEFAULT_NGRAM_WEIGHT:g}",
    )

    @classmethod
    def find_conflicts(cls, known: Mapping[str, Any]) -> Iterator[str]:
        """Yield a weight without its model."""
        if "ngram_weight" in known and "ngram" not in known:
            yield "--ngram-weight: has no meaning without --ngram"
