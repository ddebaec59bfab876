"""Scores to render, and files of n-best lists to read."""

import math

import pytest

from rnnlm_cli.config import RescoreConfig
from rnnlm_cli.score.nbest import make_nbest_format
from rnnlm_cli.score.score import Score, TextScore, TokenScore


@pytest.fixture(scope="session")  # so that tests with hypothesis can use it
def make_score():
    """A factory of scores with a probability of 10 ** log10_prob, and with tokens if given."""

    def make(log10_prob=-2.0, tokens=None):
        nats = 0.0 - log10_prob * math.log(10)
        scores = None if tokens is None else [TokenScore("t", each, False) for each in tokens]
        return TextScore("text", Score(nats=nats, num_predicted=1), True, scores)

    return make


@pytest.fixture(scope="session")
def make_format():
    """A factory of formats by name, with settings."""

    def make(format_name, **settings):
        return make_nbest_format(
            format_name, RescoreConfig(format=format_name, **settings)
        )

    return make
