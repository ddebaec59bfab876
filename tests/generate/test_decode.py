"""Decoding: the tokens that follow prompts, one row at a time and in batches."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from rnnlm_cli import windows
from rnnlm_cli.config import BOUNDARY_ID, UNKNOWN_ID, SampleConfig
from rnnlm_cli.generate import decode, sampler
from rnnlm_cli.generate.row import Row
from rnnlm_cli.generate.sampler import Sampler, make_bias
from rnnlm_cli.generate.stepping import StepperFactory
from rnnlm_cli.nn.cells import CELLS
from rnnlm_cli.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary("char", ("<unk>", "\n", *"abcde"))
PROMPT = np.array([3, 1, 4], np.int32)


@pytest.fixture
def network_of(make_network):
    """A factory of networks in float64 whose hidden state decides the next token."""

    def make(**settings):
        network = make_network(**settings).double()
        with torch.no_grad():
            network.output_weight.mul_(10)
        return network

    return make


def draw(network, prompts, indices=range(1), *, sentences=False, alone=False, **settings):
    """Return the tokens of rows with these indices, for each prompt."""
    config = SampleConfig(**({"num_tokens": 12, "temperature": 1.0, "seed": 7} | settings))
    rows = [
        Row(index, config, prompt, VOCABULARY.make_decoder())
        for prompt in prompts for index in indices
    ]
    logits, state = decode.read_prompts(network, prompts, len(indices), sentences=sentences)
    drawing = Sampler(config, make_bias(len(VOCABULARY)), rows, with_log_p=False)
    arguments = (logits, state, drawing, StepperFactory(network))
    if alone:
        (row,) = rows
        pieces = list(decode.decode_row(row, *arguments, sentences=sentences))
    else:
        pieces = list(decode.decode_rows(rows, *arguments, sentences=sentences))
    assert len(pieces) == max(len(row.token_ids) for row in rows)
    return [row.token_ids for row in rows]


@torch.no_grad()
def draw_by_reading_the_whole_text(network, index, num_tokens, temperature, *, sentences):
    """Draw each token after reading prompt and tokens again: the first one of sufficient p."""
    text = [BOUNDARY_ID, *PROMPT.tolist()]
    uniforms = np.random.Generator(np.random.Philox(key=[7, index])).random(num_tokens)
    for uniform in uniforms:
        inputs = torch.tensor(text)[:, None]
        resets = inputs == BOUNDARY_ID
        resets[1:] &= sentences
        logits_V = network(inputs, network.initial_state(1), resets)[0][-1, 0]
        logits_V[UNKNOWN_ID] = -torch.inf
        if temperature == 0:
            text.append(int(logits_V.argmax()))
        else:
            up_to_V = (logits_V / temperature).softmax(dim=0).cumsum(dim=0)
            text.append(int((up_to_V <= uniform).sum()))
    return text[1 + len(PROMPT) :]


@pytest.mark.parametrize("temperature", [0.0, 1.5])
@pytest.mark.parametrize("sentences", [False, True])
def test_tokens_equal_those_of_reading_the_whole_text_for_each_token(
    network_of, sentences, temperature
):
    network = network_of()
    expected = [
        draw_by_reading_the_whole_text(network, index, 40, temperature, sentences=sentences)
        for index in range(3)
    ]
    settings = {"sentences": sentences, "temperature": temperature, "num_tokens": 40}
    assert draw(network, [PROMPT], range(3), **settings) == expected
    assert draw(network, [PROMPT], alone=True, **settings) == expected[:1]
    assert temperature == 0 or all(BOUNDARY_ID in tokens[:-1] for tokens in expected)


@pytest.mark.parametrize("cell", CELLS)
def test_a_row_does_not_depend_on_the_number_of_rows(network_of, cell):
    network = network_of(cell=cell)
    sixteen = draw(network, [PROMPT], range(16))
    assert draw(network, [PROMPT]) == draw(network, [PROMPT], alone=True) == sixteen[:1]
    assert draw(network, [PROMPT], range(5, 8)) == sixteen[5:8]
    assert len(set(map(tuple, sixteen))) == 16


@pytest.mark.parametrize("lines", [1, 3])
@pytest.mark.parametrize("sentences", [False, True])
def test_rows_that_end_do_not_change_the_others(network_of, sentences, lines):
    network = network_of()
    settings = {"sentences": sentences, "num_tokens": 40}
    endless = draw(network, [PROMPT], range(16), **settings)
    ends = [np.flatnonzero(np.equal(tokens, BOUNDARY_ID))[lines - 1 : lines] for tokens in endless]
    expected = [
        tokens[: end[0] + 1] if end.size else tokens
        for tokens, end in zip(endless, ends, strict=True)
    ]
    assert draw(network, [PROMPT], range(16), lines=lines, **settings) == expected
    sizes = sorted(map(len, expected))
    assert lines > 1 or sizes[0] == 1  # some rows end before the first step
    assert sizes[8] < sizes[-2] and len(set(sizes)) > 8  # they leave one by one


@pytest.mark.parametrize("sentences", [False, True])
def test_prompts_of_different_lengths_equal_each_prompt_alone(network_of, sentences):
    network = network_of()
    prompts = [PROMPT, PROMPT[:0], np.array([5, 2, 1, 1, 6, 2], np.int32)]
    assert draw(network, prompts, range(5), sentences=sentences) == [
        tokens for prompt in prompts
        for tokens in draw(network, [prompt], range(5), sentences=sentences)
    ]


def test_compiled_draws_for_one_row_equal_the_plain_ones(make_network, monkeypatch):
    pytest.importorskip("numba")
    network = make_network()  # in float32, as the compiled draws need it
    plain = draw(network, [PROMPT], alone=True, num_tokens=40)
    monkeypatch.setattr(sampler, "MIN_FUSED_TOKENS", 1)
    assert draw(network, [PROMPT], alone=True, num_tokens=40) == plain


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
