"""The n-gram model: a distribution over the words of the network, as the kenlm module has it."""

import math

import kenlm
import numpy as np
import pytest
import torch

from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.model_file import Model
from rnnlm_cli.score.mixture import Mixture
from rnnlm_cli.score.ngram import NgramModel
from rnnlm_cli.text.vocabulary import Vocabulary
from tests.arpa import write_arpa

WORDS = ("a", "b", "c", "d", "e")
SENTENCES = [line.split() for line in ("a b c", "a b d", "c c b a", "", "x b", "e", "b c a b")]


@pytest.fixture(params=[True, False], ids=["unknown trained", "unknown not trained"])
def models(request, make_network, tmp_path):
    """A model of words, the n-gram model, and that model as the kenlm module has it."""
    vocabulary = Vocabulary("word", ("<unk>", "\n", *WORDS))
    network = make_network(vocab_size=len(vocabulary), unknown_trained=request.param)
    model = LanguageModel(Model(network, vocabulary, True, "utf-8", {}))
    path = tmp_path / "arpa"
    write_arpa(path, SENTENCES, WORDS)
    return model, NgramModel(str(path), model), kenlm.Model(str(path))


@pytest.mark.parametrize("prompt", ["", "a b", "c", "e e d", "a b\nc"])
def test_it_is_a_distribution_over_the_vocabulary_after_every_prompt(models, prompt):
    model, ngram, _ = models
    p_V = ngram.next_token_distribution(prompt)
    assert p_V.sum().item() == pytest.approx(1, abs=1e-5)
    assert (p_V[0] > 0) == model.predictor.unknown_trained


@pytest.mark.parametrize("text", ["a b c", "d", "", "a x b", "c c c c b a"])
def test_its_scores_are_those_of_the_kenlm_module(models, text):
    model, ngram, library = models
    score = ngram.score(text)
    if model.predictor.unknown_trained:
        assert score.log10_prob == pytest.approx(library.score(text), rel=1e-5)
        full = [*library.full_scores(text)]
        assert score.score.num_predicted == len(full)
        assert score.score.num_unknown == sum(is_oov for _, _, is_oov in full)
    else:
        assert score.score.num_predicted == len(text.split()) + 1 - score.score.num_unscored
        assert score.nats < -library.score(text) * math.log(10)  # <unk> left the rest more


def test_scores_in_a_batch_equal_single_ones(models):
    _, ngram, _ = models
    texts = [" ".join(words) for words in SENTENCES] * 9
    alone = [ngram.score(text).nats for text in texts]
    assert [score.nats for score in ngram.score_many(texts)] == pytest.approx(alone)


def test_a_mixture_with_it_interpolates_probabilities(models):
    model, ngram, _ = models
    expected = 0.7 * model.next_token_distribution("a b")
    expected += 0.3 * ngram.next_token_distribution("a b")
    mixed = Mixture([model, ngram], [0.7, 0.3]).next_token_distribution("a b")
    np.testing.assert_allclose(mixed, expected, rtol=1e-5)
    assert mixed.dtype == torch.float64
