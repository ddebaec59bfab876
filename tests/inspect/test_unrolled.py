"""The unrolled network against the network that reads a whole window."""

import math

import pytest
import torch

from rnnlm_cli import windows
from rnnlm_cli.inspect.steps import unroll_steps
from rnnlm_cli.inspect.unrolled import unroll
from rnnlm_cli.score.predictor import NetworkPredictor
from rnnlm_cli.score.scorer import Scorer
from rnnlm_cli.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary("char", ("<unk>", "\n", *"abcde"))
CELLS = ("elman_tanh", "elman_relu", "gru", "lstm")


@pytest.mark.parametrize("cell", CELLS)
def test_steps_equal_a_window(float64, make_network, cell):
    network = make_network(cell=cell, num_layers=2)
    inputs_TB = torch.tensor([[2, 3], [4, 5], [6, 2], [1, 3]])
    resets_TB = torch.tensor([[1, 0], [0, 0], [0, 1], [0, 0]]) == 1
    state = network.initial_state(2)
    y_TBH, after = network.read(inputs_TB, state, resets_TB)
    steps = list(unroll_steps(network, inputs_TB, state, resets_TB))
    for y_BH, layers in zip(y_TBH, steps, strict=True):
        torch.testing.assert_close(layers[-1].after[0], y_BH)
    torch.testing.assert_close(tuple(layer.after for layer in steps[-1]), after)


@pytest.mark.parametrize("window", [1024, 5, 3])
@pytest.mark.parametrize("sentences", [False, True])
def test_surprisals_are_those_of_the_scorer(
    float64, make_network, monkeypatch, sentences, window
):
    """The text has 10 tokens, which windows of 5 fill."""
    monkeypatch.setattr(windows, "PROMPT_WINDOW", window)
    network, text = make_network(), "ab\ncda\n\ne\n"
    scorer = Scorer(
        NetworkPredictor(network), VOCABULARY, sentences=sentences, encoding="utf-8"
    )
    *steps, last = unroll(network, VOCABULARY, text, sentences=sentences)
    if sentences:
        expected = [
            token.nats for line in text.split("\n")[:-1]
            for token in scorer.score(line, with_tokens=True).tokens
        ]
    else:
        expected = [token.nats for token in scorer.score_document(text, with_tokens=True).tokens]
    assert [step.nats for step in steps] == pytest.approx(expected)
    assert "".join(step.target for step in steps) == text
    assert (last.target, last.nats) == (None, None)
    assert [step.token for step in (*steps, last)] == ["\n", *text]
    assert [step.is_reset for step in (*steps, last)] == [
        index == 0 or (sentences and token == "\n") for index, token in enumerate("\n" + text)
    ]


def test_guesses_are_the_likeliest_tokens_in_order(float64, make_network):
    network = make_network()
    scorer = Scorer(NetworkPredictor(network), VOCABULARY, sentences=False, encoding="utf-8")
    step = list(unroll(network, VOCABULARY, "abc", sentences=False, num_guesses=3))[2]
    p_V = scorer.next_token_distribution("ab")
    best = p_V.argsort(descending=True)[:3].tolist()
    assert [guess.token for guess in step.guesses] == [VOCABULARY.tokens[id_] for id_ in best]
    assert [guess.probability for guess in step.guesses] == pytest.approx(p_V[best].tolist())
    assert step.target == "c" and math.exp(-step.nats) == pytest.approx(float(p_V[4]))


def test_norms_are_those_of_the_outputs_of_each_layer(float64, make_network):
    network = make_network(num_layers=2)
    state = network.initial_state(1)
    _, after = network.read(torch.tensor([[1], [2], [3]]), state)
    step = list(unroll(network, VOCABULARY, "ab", sentences=False))[2]
    assert step.norms == pytest.approx([layer[0].norm().item() for layer in after])


def test_an_untrained_unknown_token_has_no_surprisal_and_is_no_guess(make_network):
    steps = list(unroll(
        make_network(unknown_trained=False), VOCABULARY, "azb", sentences=False, num_guesses=9
    ))
    assert [step.nats is None for step in steps] == [False, True, False, True]
    assert all(guess.token != "<unk>" for step in steps for guess in step.guesses)
    assert steps[2].token == "z" and len(steps[0].guesses) == len(VOCABULARY) - 1
