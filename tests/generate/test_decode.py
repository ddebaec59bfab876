"""Decoding: the tokens that follow a prompt."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from rnnlm_cli import windows
from rnnlm_cli.config import BOUNDARY_ID, SampleConfig
from rnnlm_cli.generate import decode
from rnnlm_cli.generate.decode import generate_tokens
from rnnlm_cli.generate.sampler import Sampler

PROMPT = np.array([3, 1, 4], np.int32)


def tokens(network, *, prompt=PROMPT, sentences=False, **settings):
    config = SampleConfig(**({"num_tokens": 12, "temperature": 1.0} | settings))
    return np.array(list(generate_tokens(network, prompt, config, sentences=sentences)))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("sentences", [False, True])
@torch.no_grad()
def test_tokens_equal_those_of_reading_the_whole_text_for_each_token(
    make_network, sentences, temperature
):
    network = make_network()
    network.output_weight.mul_(10)  # so that the hidden state decides the next token
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


def test_num_tokens_counts_new_tokens_and_samples_are_independent(make_network):
    network = make_network()
    three = tokens(network, num_samples=3)
    assert three.shape == (12, 3)
    assert (three[:, :1] == tokens(network)).all()


@pytest.mark.parametrize("sentences", [False, True])
@pytest.mark.parametrize("size", [0, 7, 8, 9, 31, 32])
@torch.no_grad()
def test_a_prompt_in_windows_equals_the_prompt_in_one_window(
    make_network, monkeypatch, size, sentences
):
    network = make_network(unknown_trained=False).double()
    prompt = np.arange(size, dtype=np.int32) % 6 + 1
    inputs = torch.tensor([BOUNDARY_ID, *prompt.tolist()])[:, None]
    resets = inputs == BOUNDARY_ID
    resets[1:] &= sentences
    expected, expected_state = network(inputs, network.initial_state(1), resets)
    monkeypatch.setattr(windows, "PROMPT_WINDOW", 8)
    logits, state = decode.read_prompt(network, prompt, sentences=sentences)
    assert_close(logits, expected[-1])
    assert_close(state, expected_state)
