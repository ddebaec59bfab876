"""What is chosen where nothing is given."""

import math

import pytest

from rnnlm_cli.config import ModelConfig, TrainConfig
from rnnlm_cli.runs.recipe import TextSize, choose

TEXT = TextSize(1_000_000, 80)


def chosen(level="char", text=TEXT, **given):
    return choose(level, text, given).settings


@pytest.mark.parametrize("level", ["char", "byte", "word"])
@pytest.mark.parametrize("num_tokens", [0, 50, 10**6, 10**12])
@pytest.mark.parametrize(
    "budget",
    [{}, {"minutes": 1e-9}, {"minutes": 2.0}, {"minutes": 1e6}, {"epochs": 9}, {"steps": 10**12}],
)
def test_what_is_chosen_is_complete_and_valid(level, num_tokens, budget):
    settings = chosen(level, TextSize(num_tokens, 300), **budget)
    model = {"hidden_size", "embedding_size", "tied", "dropout"}
    train = {"bptt", "batch_size", "lr"}
    assert settings.keys() == model | train | budget.keys()
    ModelConfig(vocab_size=2, **{name: settings[name] for name in model})
    TrainConfig(**{name: settings[name] for name in train})


def test_what_is_given_is_kept_and_what_hangs_on_it_follows():
    given = {"hidden_size": 24, "dropout": 0.7, "bptt": 3, "minutes": 1.0}
    choice = choose("word", TEXT, given)
    assert choice.settings.items() >= given.items()
    assert choice.settings["tied"] and choice.settings["embedding_size"] == 24
    assert choice.reason == "" and choose("word", TEXT, {}).reason


def test_tables_of_different_widths_are_not_tied():
    assert not chosen("word", embedding_size=24)["tied"]
    tied = chosen("char", tied=True)
    assert tied["embedding_size"] == tied["hidden_size"]


def test_a_longer_budget_never_gets_a_smaller_network():
    sizes = [chosen(minutes=m)["hidden_size"] for m in (0.1, 0.5, 1, 2, 5, 20, 120, 600)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]


def test_dropout_grows_with_the_readings_of_a_text_and_not_with_the_text():
    by_epochs = [chosen(epochs=epochs)["dropout"] for epochs in (1, 20, 50, 10**6)]
    assert by_epochs == sorted(by_epochs) and by_epochs[0] == 0 < by_epochs[1] < by_epochs[2]
    by_text = [chosen(text=TextSize(size, 80))["dropout"] for size in (10**4, 10**6, 10**8)]
    assert by_text == sorted(by_text, reverse=True) and by_text[-1] == 0


def test_impossible_values_are_left_for_the_configuration_to_refuse():
    for given in (
        {"hidden_size": 0}, {"hidden_size": -3}, {"batch_size": -1, "steps": 3}, {"bptt": 0},
        {"minutes": math.nan}, {"minutes": math.inf}, {"minutes": -1.0}, {"epochs": 0},
        {"steps": 10**400}, {"epochs": 10**400}, {"hidden_size": 10**400},
        {"embedding_size": -9, "tied": False},
    ):
        assert choose("word", TEXT, given).settings.items() >= given.items()


def test_sgd_keeps_its_own_rate():
    assert "lr" not in chosen(optimizer="sgd")
