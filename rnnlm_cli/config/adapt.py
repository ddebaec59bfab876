"""The settings of models that adapt to the document that they score."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rnnlm_cli.config.option import MAX_SIZE, Config, flag_of, number, option, whole_number

PANEL = "Adaptation"


@dataclass(frozen=True, kw_only=True)
class AdaptConfig(Config):
    """The settings of the continuous cache and of dynamic evaluation; both are off by default.

    The cache: Grave et al. 2017. Dynamic evaluation: Krause et al. 2018.
    """

    cache: int | None = option(
        None, "With --document: also score it with a cache of the last N tokens, which makes words "
        "that came after similar contexts more likely (Grave et al. 2017).",
        whole_number(1, MAX_SIZE), panel=PANEL, default_text="off",
    )
    cache_theta: float = option(
        0.3, "Weight of similarity in the cache; 0 counts all tokens in it alike.",
        number(minimum=0, maximum=100), panel=PANEL,
    )
    cache_weight: float = option(
        0.15, "Share of the cache in the mixture with the network.", number(above=0, below=1),
        panel=PANEL,
    )
    dynamic: bool = option(
        False, "With --document: also score it with a network that takes a step of gradient "
        "descent on each part of the text after it is scored (Krause et al. 2018). The model file "
        "is not changed.", panel=PANEL,
    )
    dynamic_lr: float = option(
        2e-4, "Learning rate of --dynamic.", number(above=0, maximum=1), panel=PANEL,
    )
    dynamic_decay: float = option(
        2e-3, "Share by which each step draws the weights back to those of the model.",
        number(minimum=0, maximum=1), panel=PANEL,
    )
    dynamic_segment: int = option(
        20, "Number of tokens between two steps of --dynamic.", whole_number(1, 1 << 12),
        panel=PANEL,
    )

    @property
    def is_on(self) -> bool:
        """True if the model adapts in any way."""
        return self.cache is not None or self.dynamic

    @classmethod
    def find_conflicts(cls, known: Mapping[str, Any]) -> Iterator[str]:
        """Yield options that need --cache or --dynamic, which was not given."""
        for switch in ("cache", "dynamic"):
            if not known.get(switch):
                for name in known:
                    is_changed = known[name] != getattr(cls, name)
                    if name.startswith(f"{switch}_") and is_changed:
                        yield f"{flag_of(cls, name)}: has no meaning without --{switch}"
