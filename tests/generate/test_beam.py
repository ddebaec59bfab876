"""Beam search against a search that reads every text from its beginning."""

import math
from itertools import pairwise, product

import numpy as np
import pytest
import torch

from rnnlm_cli.config import BOUNDARY_ID, UNKNOWN_ID, SampleConfig
from rnnlm_cli.generate.generator import Generator, Prompt
from rnnlm_cli.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary("char", ("<unk>", "\n", "a", "b"))
A, B = 2, 3
TOKENS = (BOUNDARY_ID, A, B)
PROMPT = Prompt("b\na", np.array([B, BOUNDARY_ID, A], np.int32))
NUM_TOKENS = 4


class Oracle:
    """The probabilities of texts after the prompt, each from one pass through the network."""

    def __init__(self, network, *, sentences, no_repeat_ngram=0, forbidden=()):
        self.network, self.sentences, self.forbidden = network, sentences, forbidden
        self.no_repeat_ngram = no_repeat_ngram

    @torch.no_grad()
    def read(self, tokens):
        """Return the logits of each token of a text, and of the one after it."""
        inputs = torch.tensor([BOUNDARY_ID, *PROMPT.tokens_N.tolist(), *tokens])[:, None]
        resets = inputs == BOUNDARY_ID
        resets[1:] &= self.sentences
        logits, _ = self.network(inputs, self.network.initial_state(1), resets)
        return logits[len(PROMPT.tokens_N) :, 0]

    def compute_log_p(self, tokens):
        """Return ln p of a text without filters."""
        log_p = self.read(tokens)[:-1].log_softmax(dim=1)
        return sum(float(log_p[t, token]) for t, token in enumerate(tokens))

    def compute_filtered_log_p(self, tokens):
        """Return ln p of a text when the tokens that are not allowed have none."""
        logits, total = self.read(tokens), 0.0
        for t, token in enumerate(tokens):
            allowed = self.find_allowed(tokens[:t])
            if token not in allowed:
                return -math.inf
            total += float(logits[t, token] - logits[t, allowed].logsumexp(dim=0))
        return total

    def find_allowed(self, tokens):
        """Return the tokens that may follow, by hand for the n-gram sizes 0 and 2."""
        allowed = [token for token in TOKENS if token not in self.forbidden]
        if self.no_repeat_ngram == 2:
            history = [*PROMPT.tokens_N.tolist(), *tokens]
            banned = {after for before, after in pairwise(history) if before == history[-1]}
            allowed = [token for token in allowed if token not in banned] or allowed
        return allowed

    def search(self, num_beams, *, until_end):
        """Return the tokens of the texts of a beam search."""
        ended, candidates = [], [()]
        while candidates:
            extended = [(*tokens, token) for tokens in candidates for token in TOKENS]
            scores = {tokens: self.compute_filtered_log_p(tokens) for tokens in extended}
            best = sorted(extended, key=lambda tokens: -scores[tokens])
            best = [tokens for tokens in best if scores[tokens] > -math.inf]
            best = best[: num_beams - len(ended)]
            is_over = {tokens: is_complete(tokens, until_end=until_end) for tokens in best}
            ended += [tokens for tokens in best if is_over[tokens]]
            candidates = [tokens for tokens in best if not is_over[tokens]]
        return ended


def is_complete(tokens, *, until_end):
    return len(tokens) == NUM_TOKENS or (until_end and tokens[-1] == BOUNDARY_ID)


def enumerate_texts(*, until_end):
    """Return all complete texts."""
    if not until_end:
        return list(product(TOKENS, repeat=NUM_TOKENS))
    begun = [text for size in range(NUM_TOKENS) for text in product((A, B), repeat=size)]
    return [(*text, BOUNDARY_ID) for text in begun] + list(product((A, B), repeat=NUM_TOKENS))


@pytest.fixture
def network_of(make_network):
    """A factory of networks in float64 whose hidden state decides the next token."""

    def make(**settings):
        network = make_network(vocab_size=4, **settings).double()
        with torch.no_grad():
            network.output_weight.mul_(10)
        return network

    return make


def search(network, *, sentences=False, **settings):
    config = SampleConfig(**({"num_tokens": NUM_TOKENS} | settings))
    generator = Generator(network, VOCABULARY, config, sentences=sentences, with_log_p=True)
    (samples,) = generator.generate([PROMPT])
    return samples


def require_equal(samples, texts, oracle, length_penalty):
    """Require that the samples are these texts, each of them once, the best one first."""
    found = {tuple(sample.token_ids): sample for sample in samples}
    assert set(found) == set(texts) and len(samples) == len(texts)
    for text, sample in found.items():
        score = oracle.compute_filtered_log_p(text) / len(text) ** length_penalty
        assert (sample.score, sample.log_p) == pytest.approx((score, oracle.compute_log_p(text)))
    scores = [sample.score for sample in samples]
    assert scores == sorted(scores, reverse=True)
    assert [sample.index for sample in samples] == [*range(len(texts))]


@pytest.mark.parametrize(("until_end", "length_penalty"), [(False, 1.0), (True, 0.0), (True, 1.5)])
@pytest.mark.parametrize("sentences", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_as_many_candidates_as_texts_find_and_rank_all_of_them(
    network_of, cell, sentences, until_end, length_penalty
):
    network = network_of(cell=cell)  # <unk> has a probability, which the scores leave out
    samples = search(
        network, sentences=sentences, num_beams=100, num_best=100, until_end=until_end,
        length_penalty=length_penalty,
    )
    texts = enumerate_texts(until_end=until_end)
    require_equal(samples, texts, Oracle(network, sentences=sentences), length_penalty)
    assert not any(UNKNOWN_ID in sample.token_ids for sample in samples)
    for sample in samples:
        boundaries = sample.token_ids.count(BOUNDARY_ID)
        assert sample.stop_reason == ("end" if until_end and boundaries else "length")
        assert sample.text.count("\n") == (0 if until_end else boundaries)


@pytest.mark.parametrize("settings", [{}, {"no_repeat_ngram": 2}])
@pytest.mark.parametrize("num_beams", [1, 2, 5])
@pytest.mark.parametrize("until_end", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_few_candidates_find_what_a_search_without_a_hidden_state_finds(
    network_of, cell, until_end, num_beams, settings
):
    network = network_of(cell=cell)
    samples = search(
        network, num_beams=num_beams, num_best=num_beams, until_end=until_end, **settings
    )
    oracle = Oracle(network, sentences=False, **settings)
    require_equal(samples, oracle.search(num_beams, until_end=until_end), oracle, 1.0)


@pytest.mark.parametrize("until_end", [False, True])
@pytest.mark.parametrize("sentences", [False, True])
def test_one_candidate_is_greedy_decoding(network_of, sentences, until_end):
    network = network_of()
    settings = {"num_tokens": 30, "until_end": until_end, "frequency_penalty": 0.3}
    (best,) = search(network, sentences=sentences, num_beams=1, **settings)
    (greedy,) = search(network, sentences=sentences, temperature=0.0, seed=0, **settings)
    assert best.token_ids == greedy.token_ids and best.text == greedy.text
    assert best.log_p == pytest.approx(greedy.log_p)
    assert len(best.token_ids) > 2 and len(set(best.token_ids)) > 1


def test_the_best_texts_are_the_first_of_all_and_the_same_each_time(network_of):
    network = network_of()
    every = search(network, num_beams=6, num_best=6)
    assert search(network, num_beams=6, num_best=6) == every
    assert search(network, num_beams=6, num_best=2) == every[:2]
    assert search(network, num_beams=6) == every[:1]
    assert len({sample.text for sample in every}) == 6


def test_forbidden_tokens_never_appear(network_of):
    network = network_of()
    samples = search(network, num_beams=100, num_best=100, forbid=("b",))
    texts = list(product((BOUNDARY_ID, A), repeat=NUM_TOKENS))
    require_equal(samples, texts, Oracle(network, sentences=False, forbidden=(B,)), 1.0)


def test_a_bias_changes_the_ranking_and_not_log_p(network_of):
    """Without other differences, each "a" gains 3, and the softmax of (1, 1, e^3) is known."""
    network = network_of()
    with torch.no_grad():
        network.output_weight.zero_()
    best, *others = search(network, num_beams=99, num_best=99, logit_bias=(("a", 3.0),))
    assert best.token_ids == [A] * NUM_TOKENS and len(others) == 80
    assert best.score == pytest.approx(3 - math.log(2 + math.exp(3)))
    assert others[-1].score == pytest.approx(-math.log(2 + math.exp(3)))
    assert best.log_p == others[-1].log_p == pytest.approx(-NUM_TOKENS * math.log(4))


def test_equally_probable_texts_have_the_order_of_their_tokens(network_of):
    network = network_of()
    with torch.no_grad():
        network.output_weight.zero_()
    samples = search(network, num_beams=4, num_best=4)
    assert [sample.token_ids for sample in samples] == [
        [1, 1, 1, 1], [1, 1, 1, 2], [1, 1, 1, 3], [1, 1, 2, 1]
    ]
