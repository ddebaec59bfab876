"""The settings of sampling new text."""

from dataclasses import dataclass

from rnnlm_cli.config.option import MAX_SEED, Config, number, option, whole_number


@dataclass(frozen=True, kw_only=True)
class SampleConfig(Config):
    """The settings of sampling new text. Temperature 0 is greedy; top_k 0 and top_p 1 are off."""

    num_tokens: int = option(
        200, "Number of new tokens to generate.", whole_number(1, 10**12), flags=("-n", "--n"),
    )
    temperature: float = option(
        0.8, "Sampling temperature: below 1 sharper, above 1 flatter, 0 is greedy.",
        number(minimum=0, maximum=1000),
    )
    top_k: int = option(
        0, "Sample from the k most probable tokens; 0 is off.", whole_number(0, 1 << 24),
    )
    top_p: float = option(
        1.0, "Sample from the most probable tokens that together have this probability; 1 is off.",
        number(above=0, maximum=1),
    )
    num_samples: int = option(
        1, "Number of texts.", whole_number(1, 1 << 16), flags=("--samples",),
    )
    seed: int = option(
        1, "Random seed; the same seed gives the same text.", whole_number(0, MAX_SEED),
        default_text="a new one, shown on stderr",
    )
