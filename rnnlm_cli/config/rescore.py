"""The settings of rescoring n-best lists."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rnnlm_cli.config.option import Config, flag_of, number, option, options_of
from rnnlm_cli.config.score import ScoreConfig

NbestName = Literal["moses", "kaldi", "kaldi-words", "mikolov", "srilm", "tsv"]
SCORED_FORMATS = ("moses", "srilm", "tsv")  # their lists hold scores
DEFAULT_FEATURE = "RNNLM0"
MAX_WEIGHT = 1e9


def _check_feature(value: Any) -> str | None:
    """Return what is needed instead of the name of a feature; see `Check`."""
    return None if re.fullmatch(r"[^\s=|]+", value) else "a name without white space, = and |"


@dataclass(frozen=True, kw_only=True)
class RescoreConfig(Config):
    """The settings of rescoring n-best lists."""

    format: NbestName | None = option(
        None, "Format of the lists. kaldi-words is kaldi with the cost of every word.",
        default_text="detected from the first lines",
    )
    weight: float | None = option(
        None, "Add the score of the model, times this weight, to the score in the list (moses, "
        "srilm, tsv).", number(minimum=-MAX_WEIGHT, maximum=MAX_WEIGHT),
        default_text="not added",
    )
    tune: str | None = option(
        None, "File of reference sentences: find the weight of 0 or more with which the best "
        "hypotheses of the lists differ least often from them, and use it. moses: the reference "
        "of list N is line N, from 0; srilm, tsv: of the N-th file, line N.",
        default_text="no tuning",
    )
    best: bool = option(False, "Write only the best hypothesis of each list, and no scores.")
    name: str | None = option(
        None, "Name of the feature that is added to the lists (moses).", _check_feature,
        default_text=DEFAULT_FEATURE,
    )
    closing: bool | None = option(
        None, "Predict the newline at the end of each hypothesis too.",
        flags=("--closing/--no-closing",),
        default_text="as in training: --closing for models of sentences",
    )
    batch_tokens: int | None = field(
        default=None, metadata={"option": options_of(ScoreConfig)["batch_tokens"]}
    )

    @property
    def is_combined(self) -> bool:
        """True if the scores in the lists are combined with those of the model."""
        return self.weight is not None or self.tune is not None

    @property
    def feature_name(self) -> str:
        """The name of the feature that is added to Moses lists."""
        return DEFAULT_FEATURE if self.name is None else self.name

    @classmethod
    def find_conflicts(cls, known: Mapping[str, Any]) -> Iterator[str]:
        """Yield a weight given twice, and options that do not fit the format."""
        if "weight" in known and "tune" in known:
            yield "--weight and --tune: given together; one of them is needed"
        name = known.get("format")
        if name is None:
            return
        if name not in SCORED_FORMATS:
            for scored in ("weight", "tune"):
                if scored in known:
                    yield (
                        f"{flag_of(cls, scored)}: given for lists of the format {name}; this "
                        "format holds no scores, and scores to combine with are needed. Use moses, "
                        "srilm or tsv"
                    )
        if name != "moses" and "name" in known:
            yield (
                f"--name: given for lists of the format {name}; only moses lists have features "
                "with names. Leave it out"
            )
        if name == "kaldi-words" and known.get("closing") is False:
            yield "--format kaldi-words and --no-closing: given together; the last cost is </s>"
