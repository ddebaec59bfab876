"""LanguageModel: the interface for Python users."""

import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
import torch

from rnnlm_cli.config import SampleConfig, TextConfig
from rnnlm_cli.errors import ConfigError, TextError
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.model_file import Model
from rnnlm_cli.text.vocabulary import Vocabulary


def make_model(network, *, sentences=False, **fields):
    vocabulary = Vocabulary("char", ("<unk>", "\n", *"abcde"))
    return LanguageModel(Model(network, vocabulary, sentences, "utf-8", {}, **fields))


@pytest.fixture
def model(make_network):
    return make_model(make_network(unknown_trained=False))


def test_a_saved_model_scores_as_before(model_path):
    first, second = (LanguageModel.load(model_path) for _ in range(2))
    assert first.score("abc") == second.score("abc")


@pytest.mark.parametrize("sentences", [False, True])
def test_the_closing_boundary_counts_by_default_for_sentences_models(make_network, sentences):
    model = make_model(make_network(), sentences=sentences)
    score = model.score("abc")
    assert score.closing == sentences and score.score.num_predicted == 3 + sentences
    for closing in (False, True):
        score = model.score("abc", closing=closing)
        assert score.closing == closing


def test_the_next_token_distribution_sums_to_one_and_gives_the_scores(model):
    distribution_V = model.next_token_distribution("ab")
    assert distribution_V.sum().item() == pytest.approx(1)
    assert distribution_V[0] == 0
    score = model.score("abc", with_tokens=True)
    expected = -distribution_V[model.vocabulary.tokens.index("c")].log().item()
    assert score.tokens[2].nats == pytest.approx(expected, rel=1e-5)


def test_a_prompt_with_unknown_characters_is_refused_or_read_without_them(model):
    config = SampleConfig(num_tokens=9, seed=7)
    with pytest.raises(TextError, match="prompt"):
        model.generate(config, prompt="a?b")
    with pytest.raises(TextError, match="prompt"):
        model.next_token_distribution("a?b")
    pieces = list(model.generate(config, prompt="a?b", skip_unknown=True))
    assert pieces == list(model.generate(config, prompt="ab"))
    assert len(pieces) == 9 and all(len(piece) == 1 for piece in pieces)


def test_generated_bytes_that_are_no_utf_8_are_counted(make_network):
    vocabulary = Vocabulary.build([], 0, TextConfig(level="byte"))
    network = make_network(vocab_size=len(vocabulary))
    model = LanguageModel(Model(network, vocabulary, False, None, {}))
    generated = model.generate(SampleConfig(num_tokens=30, temperature=10.0))
    text = "".join(generated)
    assert generated.sample.num_replaced == text.count("\ufffd") > 0


def test_one_text_is_generated_by_sampling_only(model):
    for settings in ({"num_samples": 2}, {"num_beams": 1}):
        with pytest.raises(ConfigError, match=r"^generate: num_samples or num_beams .*_many"):
            model.generate(SampleConfig(**settings))


def test_one_string_where_prompts_are_expected_is_an_error_at_once(model):
    with pytest.raises(TextError, match=r"^prompts: one string given"):
        model.generate_many("abc", SampleConfig())


def test_the_temperature_is_that_of_the_model_file_and_the_seed_a_new_one(make_network):
    model = make_model(make_network(), sampling={"temperature": 0.0})
    greedy = list(model.generate(SampleConfig(num_tokens=40)))
    assert greedy == list(model.generate(SampleConfig(num_tokens=40, temperature=0.0, seed=1)))
    drawn = {"".join(model.generate(SampleConfig(num_tokens=40, temperature=1.0)))
             for _ in range(2)}
    assert len(drawn) == 2


def test_the_next_token_distribution_is_an_ordinary_tensor(model):
    distribution_V = model.next_token_distribution("ab")
    assert not distribution_V.is_inference() and not distribution_V.requires_grad
    distribution_V[0] = 0
    distribution_V /= distribution_V.sum()
    factor = torch.ones((), dtype=torch.float64, requires_grad=True)
    (factor * distribution_V).sum().backward()  # autograd saves the distribution
    assert factor.grad.item() == pytest.approx(1)


@pytest.mark.parametrize("text", ["abc", b"abc"])
def test_a_string_where_texts_are_expected_is_an_error_at_once(model, text):
    match = r"^texts: one string given; .*score_many.\[text\]"
    with pytest.raises(TextError, match=match) as caught:
        model.score_many(text)
    assert "\n" not in str(caught.value)


def test_texts_where_one_string_is_expected_are_an_error(model):
    with pytest.raises(TextError, match=r"^text: a list given; .*score_many takes"):
        model.score(["abc"])


@pytest.mark.parametrize("value", [0, -1, 2.5])
@pytest.mark.parametrize("name", ["num_rows", "reset_every", "batch_tokens"])
def test_a_size_below_one_is_an_error_that_names_it(model, name, value):
    with pytest.raises(ConfigError, match=f"^{name}: {value} given; a whole number"):
        model.score_document("abc", **{name: value})
    if name == "batch_tokens":
        with pytest.raises(ConfigError, match=name):
            model.score_many(["abc"], batch_tokens=value)


def test_the_package_says_that_it_is_typed():
    """PEP 561: without this file in the wheel, mypy does not read the types of a library."""
    assert (files("rnnlm_cli") / "py.typed").is_file()
    pyproject = Path(__file__).parents[1] / "pyproject.toml"
    setuptools = tomllib.loads(pyproject.read_text("utf-8"))["tool"]["setuptools"]
    assert "py.typed" in setuptools["package-data"]["rnnlm_cli"]
