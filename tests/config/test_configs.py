"""Conflicts between the settings of a configuration, and what follows from others."""

import pytest

from rnnlm_cli.config import ModelConfig, SampleConfig, ScoreConfig, TextConfig, TrainConfig
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
        (SampleConfig, {"num_best": 2}, "--n-best: has no meaning without --beam"),
        (SampleConfig, {"length_penalty": 0.0}, "--length-penalty: has no meaning without --beam"),
        (SampleConfig, {"num_beams": 2, "num_best": 3}, "--n-best: '3' given; a number from 1"),
        (SampleConfig, {"num_beams": 2, "temperature": 0}, "--temperature and --beam: given"),
        (SampleConfig, {"num_beams": 2, "num_samples": 2}, "--samples and --beam: given together"),
        (SampleConfig, {"num_beams": 2, "seed": 0}, "--seed and --beam: given together"),
        (SampleConfig, {"num_beams": 2, "top_k": 2}, "--top-k and --beam: given together"),
        (SampleConfig, {"num_beams": 2, "typical": 0.5}, "--typical and --beam: given together"),
        (SampleConfig, {"num_beams": 2, "top_p": 0.5}, "--top-p and --beam: given together"),
        (SampleConfig, {"num_beams": 2, "min_p": 0.5}, "--min-p and --beam: given together"),
        (SampleConfig, {"num_beams": 2, "precision": "int8"}, "--precision int8 and --beam: given"),
        (SampleConfig, {"stop": ("a", "")}, "--stop: 'a', '' given; a string of at least one"),
        (SampleConfig, {"forbid": ("",)}, "--forbid: '' given; a string of at least one"),
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


def test_a_text_that_can_end_before_may_be_longer():
    assert SampleConfig().max_tokens == 200
    for settings in ({"stop": ("x",)}, {"lines": 1}, {"until_end": True}):
        assert SampleConfig(**settings).max_tokens == 10_000
        assert SampleConfig(num_tokens=300, **settings).max_tokens == 300


def test_a_temperature_and_a_seed_are_filled_in_only_where_there_are_none():
    sampling = {"temperature": 0.7}
    filled = SampleConfig(top_k=3).fill_in(sampling, seed=5)
    assert filled == SampleConfig(top_k=3, temperature=0.7, seed=5)
    assert SampleConfig().fill_in({}, seed=5) == SampleConfig(temperature=0.8, seed=5)
    given = SampleConfig(temperature=0.0, seed=0)
    assert given.fill_in(sampling, seed=5) == given
    search = SampleConfig(num_beams=2, repeat_penalty=1.5)
    assert search.fill_in(sampling, seed=5) == search  # it draws nothing


def test_cell_and_nonlinearity_name_a_cell_together():
    assert cell_name("elman", None) == cell_name("elman", "tanh") == "elman_tanh"
    assert cell_name("elman", "relu") == "elman_relu" and cell_name("lstm", None) == "lstm"
    assert cell_name(None, None) is None
    for kind in ("gru", None):
        with pytest.raises(ConfigError, match="--nonlinearity: has no meaning with --cell gru"):
            cell_name(kind, "relu")
