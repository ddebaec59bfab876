"""The new text that a run shows while it trains."""

from rnnlm_cli.config import Level, SampleConfig
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.model_file import Model

SAMPLE_TOKENS: dict[Level, int] = {"char": 160, "byte": 160, "bpe": 60, "word": 40}


def write_sample(model: Model, *, seed: int) -> str:
    """Return new text of a model, without newlines at its ends."""
    config = SampleConfig(num_tokens=SAMPLE_TOKENS[model.vocabulary.level], seed=seed)
    return "".join(LanguageModel(model).generate(config)).strip("\n")
