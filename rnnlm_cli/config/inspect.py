"""The settings of looking inside a trained model."""

from dataclasses import dataclass

from rnnlm_cli.config.option import Config, option, whole_number


@dataclass(frozen=True, kw_only=True)
class GradientConfig(Config):
    """The settings of measuring how far gradients reach back."""

    max_lag: int = option(
        200, "Maximum lag, in tokens.", whole_number(1, 1 << 14),
    )
    positions: int = option(
        256, "Number of positions of the text whose loss is differentiated.",
        whole_number(1, 1 << 20),
    )


@dataclass(frozen=True, kw_only=True)
class ContextConfig(Config):
    """The settings of measuring how much context a model uses."""

    positions: int = option(
        1000, "Number of positions of the text that are predicted with each context.",
        whole_number(1, 1 << 20),
    )


@dataclass(frozen=True, kw_only=True)
class UnitsConfig(Config):
    """The settings of ranking hidden units by what they follow."""

    top: int = option(
        5, "Number of units to list for each feature.", whole_number(1, 1 << 14),
    )
    shuffles: int = option(
        100, "Number of shuffles that give the chance level.", whole_number(10, 1 << 14),
    )
