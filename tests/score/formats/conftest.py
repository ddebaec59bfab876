"""Sentences with known probabilities, and a way to print them in a format."""

import math

import numpy as np
import pytest

from rnnlm_cli.score.formats import FormatSettings, make_format
from rnnlm_cli.score.score import Score, TextScore, TokenScore


@pytest.fixture(scope="session")  # so that tests with hypothesis can use it
def make_sentence():
    """A factory of sentences of words, whose ids begin at 2 with the letter a.

    A word without probability is unscored. A word in capitals is unknown and has id 0.
    """

    def make(*words, closing, given=""):
        names = [word for word, _ in words]
        ids = [0 if name.isupper() else ord(name[0]) - ord("a") + 2 for name in names]
        probs = [prob for _, prob in words]
        tokens = [
            TokenScore(name, None if prob is None else 0.0 - math.log(prob), id_ == 0, id_)
            for name, id_, prob in zip([*names, "\n"], [*ids, 1], [*probs, closing], strict=True)
        ]
        scored_N = np.array([token.nats is not None for token in tokens])
        nats_N = np.array([token.nats or 0.0 for token in tokens])
        ids_N = np.array([token.id for token in tokens])
        text = " ".join(names)
        score = Score.from_tokens(nats_N, ids_N, scored_N, text=f"{text}\n")
        return TextScore(text, score, True, tokens, given=given)

    return make


@pytest.fixture(scope="session")
def write():
    """Print texts in a format. Returns the lines for stdout and those for stderr."""

    def write(format_name, *texts, **settings):
        format_ = make_format(format_name, FormatSettings(**settings))
        total = sum((text.score for text in texts), Score())
        adapted = sum((text.adapted for text in texts if text.adapted), Score())
        outputs = [
            format_.begin(), *map(format_.one, texts),
            format_.end(total, len(texts), adapted if adapted.num_predicted else None),
        ]
        return (
            [line for output in outputs for line in output.data],
            [line for output in outputs for line in output.messages],
        )

    return write
