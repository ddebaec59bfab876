"""The copy task (Hochreiter & Schmidhuber 1997): what 45 steps do to a gradient.

A line has 5 symbols of 8, 40 blanks, a marker, and the 5 symbols again. A network without memory
recalls a symbol at ln 8 = 2.079 nats. Between reading a symbol and its recall lie 45 steps.

Legend: T tokens of a line, B lines.
"""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from rnnlm_cli.config import BOUNDARY_ID, GradientConfig, ModelConfig
from rnnlm_cli.inspect.gradient import measure_gradient
from rnnlm_cli.nn.network import RecurrentNetwork

SYMBOLS, BLANK, MARKER = range(2, 10), 10, 11
NUM_SYMBOLS, NUM_BLANKS = 5, 40
LAG = NUM_SYMBOLS + NUM_BLANKS  # from the state that has read a symbol to the one that recalls it
NUM_STEPS = 2000
FORGET_BIAS = 3.0  # a half-life of 14 steps; with the usual 1, more than twice the steps are needed


def draw_lines(num_lines, generator):
    """Draw lines, each between two boundaries, (T, B)."""
    symbols_TB = torch.randint(
        SYMBOLS.start, SYMBOLS.stop, (NUM_SYMBOLS, num_lines), generator=generator
    )
    boundary_1B = torch.full((1, num_lines), BOUNDARY_ID)
    return torch.cat([
        boundary_1B, symbols_TB, torch.full((NUM_BLANKS, num_lines), BLANK),
        torch.full((1, num_lines), MARKER), symbols_TB, boundary_1B,
    ])


def make_network(cell, generator):
    """Make a network whose Elman cell starts uniformly, as torch.nn does, not orthogonally."""
    network = RecurrentNetwork(
        ModelConfig(cell=cell, vocab_size=12, embedding_size=16, hidden_size=64),
        generator=generator,
    )
    (layer,) = network.recurrent_layers
    with torch.no_grad():
        if cell == "lstm":
            layer.bias_ih[64:128] = FORGET_BIAS
        else:
            layer.weight_hh.uniform_(-1 / math.sqrt(64), 1 / math.sqrt(64), generator=generator)
    return network


def find_recall_loss(network, lines_TB):
    """The mean loss of the recalled symbols, in nats."""
    logits_TBV, _ = network(lines_TB[:-2], network.initial_state(lines_TB.shape[1]))
    recalled_TB = lines_TB[-1 - NUM_SYMBOLS : -1]
    return cross_entropy(logits_TBV[-NUM_SYMBOLS:].flatten(0, 1), recalled_TB.flatten())


def train(cell, generator):
    """Train a network, and return it with its loss on new lines."""
    network = make_network(cell, generator)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.003)
    for _ in range(NUM_STEPS):
        optimizer.zero_grad()
        find_recall_loss(network, draw_lines(32, generator)).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        return network, find_recall_loss(network, draw_lines(500, generator)).item()


@pytest.mark.slow
def test_the_lstm_recalls_what_the_gradient_of_the_elman_cell_cannot_reach():
    generator = torch.Generator().manual_seed(1)
    elman, elman_nats = train("elman_tanh", generator)
    lstm, lstm_nats = train("lstm", generator)
    assert lstm_nats < 1.0
    assert 1.9 < elman_nats < 2.2
    text_N = draw_lines(20, generator)[1:].t().flatten().int().numpy()
    config = GradientConfig(max_lag=LAG, positions=len(text_N))
    elman_h, lstm_h, lstm_c = (
        curve for network in (elman, lstm)
        for curve in measure_gradient(network, text_N, sentences=True, config=config)
    )
    assert elman_h.mean_norm_K[LAG] < 1e-4 * elman_h.mean_norm_K[0]
    for curve in (lstm_h, lstm_c):
        assert curve.mean_norm_K[LAG] > 0.01 * curve.mean_norm_K[0]
        assert curve.mean_norm_K[LAG] > 1e3 * elman_h.mean_norm_K[LAG]
