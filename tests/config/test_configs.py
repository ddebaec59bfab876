"""Conflicts between the settings of a configuration, and what follows from others."""

import pytest

from rnnlm_cli.config import ModelConfig, ScoreConfig, TextConfig, TrainConfig
from rnnlm_cli.config.model import cell_name
from rnnlm_cli.errors import ConfigError


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (TextConfig, {"level": "byte", "min_count": 3}, "--min-count: has no meaning"),
        (TextConfig, {"level": "byte", "vocab_size": 99}, "--vocab-size: has no meaning"),
        (TextConfig, {"level": "bpe", "min_count": 3}, "--min-count: has no meaning"),
        (TextConfig, {"level": "bpe", "vocab_size": 257}, "at least 258 are needed"),
        (ModelConfig, {"vocab_size": 1}, "vocabulary: '1' given"),
        (ModelConfig, {}, "vocabulary: '0' given"),
        (ModelConfig, {"vocab_size": 9, "tied": True, "embedding_size": 3}, "--tied: "),
        (TrainConfig, {"minutes": 1, "steps": 3}, "--minutes and --steps: given together"),
        (TrainConfig, {"clip": 0.0}, "--clip: '0' given"),
        (ScoreConfig, {"rows": 2}, "--rows: has no meaning without --document"),
        (ScoreConfig, {"document": True, "closing": True}, "--closing and --document"),
    ],
)
def test_settings_in_conflict_are_refused(make, settings, message):
    with pytest.raises(ConfigError) as caught:
        make(**settings)
    assert message in str(caught.value)


def test_defaults_depend_on_other_settings():
    assert TextConfig(level="word").sentences and not TextConfig().sentences
    assert TextConfig(level="byte").codec is None and TextConfig().codec == "utf-8"
    assert TrainConfig().budget_minutes == 5 and TrainConfig(steps=3).budget_minutes is None
    assert (TrainConfig(optimizer="sgd").decay, TrainConfig().decay) == (0.0, 0.1)
    assert TrainConfig(clip=None).clip is None


def test_cell_and_nonlinearity_name_a_cell_together():
    assert cell_name("elman", None) == cell_name("elman", "tanh") == "elman_tanh"
    assert cell_name("elman", "relu") == "elman_relu" and cell_name("lstm", None) == "lstm"
    assert cell_name(None, None) is None
    for kind in ("gru", None):
        with pytest.raises(ConfigError, match="--nonlinearity: has no meaning with --cell gru"):
            cell_name(kind, "relu")
