"""Prompt in, tokens out."""

import numpy as np
import pytest
import torch

from rnnlm_cli.config import BOUNDARY_ID, SampleConfig
from rnnlm_cli.generate.decode import generate_tokens
from rnnlm_cli.generate.sampler import Sampler
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.model_file import Model
from rnnlm_cli.text.vocabulary import Vocabulary

PROMPT = np.array([3, 1, 4], np.int32)


def tokens(network, *, prompt=PROMPT, sentences=False, **settings):
    config = SampleConfig(**({"num_tokens": 12, "temperature": 1.0} | settings))
    return np.array(list(generate_tokens(network, prompt, config, sentences=sentences)))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("sentences", [False, True])
@torch.no_grad()
def test_tokens_are_those_of_the_whole_window_run_again_each_time(
    make_network, sentences, temperature
):
    network = make_network()
    network.output_weight.mul_(10)  # so that the state decides what comes next
    sampler = Sampler(SampleConfig(temperature=temperature))
    text = [BOUNDARY_ID, *PROMPT.tolist()]
    for _ in range(40):
        inputs = torch.tensor(text)[:, None]
        resets = inputs == BOUNDARY_ID
        resets[1:] &= sentences
        logits, _ = network(inputs, network.initial_state(1), resets)
        text += sampler.draw(logits[-1]).tolist()
    drawn = tokens(network, sentences=sentences, temperature=temperature, num_tokens=40)
    assert drawn[:, 0].tolist() == text[4:]
    assert temperature == 0 or BOUNDARY_ID in text[4:-1]


def test_n_counts_new_tokens_and_the_first_sample_does_not_depend_on_the_others(make_network):
    network = make_network()
    three = tokens(network, num_samples=3)
    assert three.shape == (12, 3)
    assert (three[:, :1] == tokens(network)).all()


def model(make_network, **settings):
    vocabulary = Vocabulary("char", ("<unk>", "\n", *"abcde"), 0)
    return LanguageModel(Model(make_network(**settings), vocabulary, False, "utf-8", {}))


def test_the_next_token_distribution_sums_to_one_and_is_what_is_sampled_from(make_network):
    loaded = model(make_network, unknown_trained=False)
    distribution = loaded.next_token_distribution("ab")
    assert distribution.sum().item() == pytest.approx(1)
    assert distribution[0] == 0
    (with_tokens,) = loaded.score(["abc"], with_tokens=True)
    expected = -distribution[loaded.vocabulary.tokens.index("c")].log().item()
    assert with_tokens.tokens[2].nats == pytest.approx(expected, rel=1e-5)


def test_skipped_unknown_characters_are_as_if_they_were_not_there(make_network):
    loaded = model(make_network, unknown_trained=False)
    config = SampleConfig(num_tokens=9)
    pieces = list(loaded.generate(config, prompt="a?b", skip_unknown=True))
    assert pieces == list(loaded.generate(config, prompt="ab"))
    assert len(pieces) == 10 and all(len(piece) == 1 for piece in pieces)
