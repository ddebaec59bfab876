"""The defaults that are chosen from the level, the text and the budget."""

import pytest

from rnnlm_cli.config import TrainConfig
from rnnlm_cli.runs.recipe import TextSize, choose_recipe

TEXT = TextSize(1_000_000, 80)


def choose(level="char", text=TEXT, **given):
    return choose_recipe(level, text, given, unknown_trained=True)


@pytest.mark.parametrize("level", ["char", "byte", "word"])
@pytest.mark.parametrize("num_tokens", [0, 50, 10**6, 10**12])
@pytest.mark.parametrize(
    "budget",
    [{}, {"minutes": 1e-9}, {"minutes": 2.0}, {"minutes": 1e6}, {"epochs": 9}, {"steps": 10**12}],
)
def test_a_recipe_is_complete_and_valid(level, num_tokens, budget):
    """The configurations check themselves when they are made."""
    recipe = choose(level, TextSize(num_tokens, 300), **budget)
    assert recipe.model.vocab_size == 300 and recipe.train.lr > 0
    assert recipe.size_reason.startswith(" (")
    for name, value in budget.items():
        assert getattr(recipe.train, name) == value


def test_given_settings_are_kept_and_others_follow_from_them():
    recipe = choose("word", hidden_size=24, dropout=0.7, bptt=3, minutes=1.0, clip=None)
    assert (recipe.model.hidden_size, recipe.model.dropout, recipe.train.bptt) == (24, 0.7, 3)
    assert recipe.model.tied and recipe.model.embedding_size == 24
    assert recipe.train.clip is None and recipe.size_reason == ""


def test_the_vocabulary_size_is_that_of_the_text_and_not_the_option():
    assert choose(vocab_size=30_000).model.vocab_size == 80


def test_tables_of_different_sizes_are_not_tied():
    assert not choose("word", embedding_size=24).model.tied
    tied = choose("char", tied=True).model
    assert tied.embedding_size == tied.hidden_size


def test_a_longer_budget_never_gets_a_smaller_network():
    sizes = [choose(minutes=m).model.hidden_size for m in (0.1, 0.5, 1, 2, 5, 20, 120, 600)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]


def test_dropout_grows_with_the_epochs_and_falls_with_the_length_of_the_text():
    by_epochs = [choose(epochs=epochs).model.dropout for epochs in (1, 20, 50, 10**5)]
    assert by_epochs == sorted(by_epochs) and by_epochs[0] == 0 < by_epochs[1] < by_epochs[2]
    by_text = [choose(text=TextSize(size, 80)).model.dropout for size in (10**4, 10**6, 10**8)]
    assert by_text == sorted(by_text, reverse=True) and by_text[-1] == 0


def test_sgd_keeps_its_own_learning_rate():
    assert choose(optimizer="sgd").train.peak_lr == TrainConfig(optimizer="sgd").peak_lr
