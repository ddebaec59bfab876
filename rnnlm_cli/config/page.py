"""The settings of the page that holds a model."""

from dataclasses import dataclass
from typing import Literal

from rnnlm_cli.config.option import Config, number, option

WeightType = Literal["float16", "int8"]


@dataclass(frozen=True, kw_only=True)
class PageConfig(Config):
    """The settings of the page that holds a model."""

    weights: WeightType = option(
        "float16", "Type of the weights in the page: float16, or int8 with a scale for each row, "
        "which takes half of the space.",
    )
    max_size: float = option(
        50.0, "Maximum size of the page, in MB. Browsers open larger ones slowly.",
        number(above=0, maximum=2000),
    )
