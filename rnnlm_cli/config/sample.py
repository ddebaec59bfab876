"""The settings of sampling new text, and of searching for the most probable one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from rnnlm_cli.config.option import (
    MAX_SEED,
    MAX_SIZE,
    Config,
    flag_of,
    number,
    option,
    whole_number,
)

FILTERS, STOPS, SEARCH = "Filters", "Where a text ends", "Search"
DEFAULT_TEMPERATURE = 0.8
DEFAULT_NUM_TOKENS, DEFAULT_MAX_TOKENS = 200, 10_000

StepPrecision = Literal["float32", "bfloat16", "int8"]


def _strings_not_empty(values: Any) -> str | None:
    """Check a tuple of strings; see `rnnlm_cli.config.option.Check`."""
    return None if all(values) else "a string of at least one character"


@dataclass(frozen=True, kw_only=True)
class SampleConfig(Config):
    """The settings of sampling new text. The filters are off by default.

    The names and the order of the filters are those of llama.cpp: logit bias, penalties, top-k,
    typical, top-p, min-p, temperature. See `rnnlm_cli.generate.filters` for their equations.
    """

    num_tokens: int | None = option(
        None, "Number of new tokens to generate, at most if the text can end before.",
        whole_number(1, 10**12), flags=("-n", "--n"),
        default_text=f"{DEFAULT_NUM_TOKENS}, or at most {DEFAULT_MAX_TOKENS} with --stop, --lines "
        "or --until-end",
    )
    temperature: float | None = option(
        None, "Sampling temperature: below 1 sharper, above 1 flatter, 0 is greedy.",
        number(minimum=0, maximum=1000), flags=("--temperature", "--temp"),
        default_text="that of the model file, about 0.8",
    )
    num_samples: int = option(
        1, "Number of texts for each prompt.", whole_number(1, 1 << 16), flags=("--samples",),
    )
    seed: int | None = option(
        None, "Random seed; the same seed gives the same text.", whole_number(0, MAX_SEED),
        default_text="a new one, shown on stderr",
    )
    precision: StepPrecision = option(
        "float32", "Precision of the weights. int8 is several times faster for one text (it needs "
        "numba, the extra fast), and bfloat16 is faster for several texts by a large network, on "
        "processors with avx512_bf16 or AMX and on CUDA. The probabilities are then approximate.",
    )

    stop: tuple[str, ...] = option(
        (), "End the text before this string, which is not printed. Give it several times for "
        "several strings.", _strings_not_empty, type=list[str], panel=STOPS, default_text="none",
    )
    lines: int | None = option(
        None, "End the text after this number of newlines.", whole_number(1, 10**12), panel=STOPS,
        default_text="off",
    )
    until_end: bool = option(
        False, "End the text at the first newline, which is not printed.", panel=STOPS,
    )

    top_k: int = option(
        0, "Keep the k most probable tokens; 0 is off.", whole_number(0, 1 << 24), panel=FILTERS,
    )
    typical: float = option(
        1.0, "Keep the tokens whose surprisal is closest to its mean, until they have this "
        "probability together; 1 is off.", number(above=0, maximum=1), panel=FILTERS,
    )
    top_p: float = option(
        1.0, "Keep the most probable tokens until they have this probability together; 1 is off.",
        number(above=0, maximum=1), panel=FILTERS,
    )
    min_p: float = option(
        0.0, "Keep the tokens that have at least this share of the probability of the most "
        "probable token; 0 is off.", number(minimum=0, maximum=1), panel=FILTERS,
    )
    repeat_last_n: int = option(
        64, "Number of preceding tokens that the penalties look at; 0 means all of them.",
        whole_number(0, 1 << 30), panel=FILTERS,
    )
    repeat_penalty: float = option(
        1.0, "Divide the logits above 0 of the tokens that occurred by this number, and multiply "
        "those below 0; 1 is off.", number(above=0, maximum=1000), panel=FILTERS,
    )
    presence_penalty: float = option(
        0.0, "Subtract this from the logits of the tokens that occurred; 0 is off.",
        number(minimum=-1000, maximum=1000), panel=FILTERS,
    )
    frequency_penalty: float = option(
        0.0, "Subtract this from the logit of a token for each time that it occurred; 0 is off.",
        number(minimum=-1000, maximum=1000), panel=FILTERS,
    )
    no_repeat_ngram: int = option(
        0, "Forbid the tokens that would repeat a sequence of N tokens; 0 is off.",
        whole_number(0, MAX_SIZE), panel=FILTERS,
    )
    logit_bias: tuple[tuple[str, float], ...] = option(
        (), "Add a number to the logit of a token: TOKEN+2 or TOKEN-2.5. Give it several times for "
        "several tokens.", type=list[str], panel=FILTERS, default_text="none",
    )
    forbid: tuple[str, ...] = option(
        (), "Forbid a token. Give it several times for several tokens. <unk> is always forbidden.",
        _strings_not_empty, type=list[str], panel=FILTERS, default_text="none",
    )

    num_beams: int | None = option(
        None, "Search for the most probable text, with this number of candidates, instead of "
        "sampling.", whole_number(1, 1 << 12), flags=("--beam",), panel=SEARCH, default_text="off",
    )
    num_best: int = option(
        1, "With --beam: show this number of the best texts, at most the number of candidates.",
        whole_number(1, 1 << 12), flags=("--n-best",), panel=SEARCH,
    )
    length_penalty: float = option(
        1.0, "With --beam: divide ln p by the number of tokens raised to this power, to compare "
        "texts of different lengths; 0 compares ln p itself.", number(minimum=0, maximum=10),
        panel=SEARCH,
    )

    @classmethod
    def find_conflicts(cls, known: Mapping[str, Any]) -> Iterator[str]:
        """Yield two ends at a newline, and options that only fit sampling or the search."""
        if known.get("until_end") and "lines" in known:
            yield "--until-end and --lines: given together; leave one of them out"
        num_beams = known.get("num_beams")
        if num_beams is None:
            for name in ("num_best", "length_penalty"):
                if known.get(name, getattr(cls, name)) != getattr(cls, name):
                    yield f"{flag_of(cls, name)}: has no meaning without --beam"
            return
        if known.get("num_best", 1) > num_beams:
            yield (
                f"--n-best: '{known['num_best']}' given; a number from 1 to that of --beam, "
                f"{num_beams}, is needed. Raise --beam, or lower --n-best"
            )
        for name in ("temperature", "num_samples", "seed", "top_k", "typical", "top_p", "min_p"):
            if known.get(name, getattr(cls, name)) != getattr(cls, name):
                remedy = (
                    "--n-best shows several texts of the search" if name == "num_samples"
                    else "Leave one of them out"
                )
                yield (
                    f"{flag_of(cls, name)} and --beam: given together; the search draws nothing. "
                    f"{remedy}"
                )
        if known.get("precision", "float32") == "int8":
            yield (
                "--precision int8 and --beam: given together; int8 is for one text at a time. "
                "Leave one of them out"
            )

    @property
    def max_tokens(self) -> int:
        """The maximum number of new tokens."""
        if self.num_tokens is not None:
            return self.num_tokens
        can_end = self.stop or self.lines is not None or self.until_end
        return DEFAULT_MAX_TOKENS if can_end else DEFAULT_NUM_TOKENS

    def fill_in(self, sampling: Mapping[str, float], *, seed: int) -> Self:
        """Return the settings with a temperature and a seed, if they have none and draw anything.

        Args:
            sampling: the settings that a model file recommends.
        """
        if self.num_beams is not None:
            return self
        temperature = sampling.get("temperature", DEFAULT_TEMPERATURE)
        return replace(
            self,
            temperature=temperature if self.temperature is None else self.temperature,
            seed=seed if self.seed is None else self.seed,
        )

    @property
    def is_random(self) -> bool:
        """True if the text depends on the seed."""
        return self.num_beams is None and self.temperature != 0

    @property
    def looks_back(self) -> bool:
        """True if a filter depends on the preceding tokens."""
        return self.penalizes or self.no_repeat_ngram > 0

    @property
    def penalizes(self) -> bool:
        """True if one of the penalties is on."""
        return (
            self.repeat_penalty != 1 or self.presence_penalty != 0 or self.frequency_penalty != 0
        )
