"""The settings of judging minimal pairs."""

from dataclasses import dataclass, field

from rnnlm_cli.config.option import Config, option, options_of
from rnnlm_cli.config.score import Normalization, ScoreConfig


@dataclass(frozen=True, kw_only=True)
class PairsConfig(Config):
    """The settings of judging minimal pairs; `closing` and `batch_tokens` are those of scoring."""

    normalize: Normalization = option(
        "none", "Compare ln p divided by the number of tokens or of characters, or the syntactic "
        "log-odds ratio, (ln p - ln p by word frequency) / tokens.",
    )
    closing: bool | None = field(
        default=None, metadata={"option": options_of(ScoreConfig)["closing"]}
    )
    batch_tokens: int | None = field(
        default=None, metadata={"option": options_of(ScoreConfig)["batch_tokens"]}
    )
