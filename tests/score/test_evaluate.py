"""The evaluator: alone, packed, in rows and in windows."""

import math

import numpy as np
import pytest
import torch

from rnnlm_cli.config import BOUNDARY_ID
from rnnlm_cli.score import evaluate
from rnnlm_cli.score.evaluate import (
    WARM_UP,
    document_nats,
    sentence_nats,
)
from rnnlm_cli.text.lines import iter_lines

V = 7


@pytest.fixture(autouse=True)
def in_float64(float64):
    pass


def tokens(size, seed=0):
    return np.random.default_rng(seed).integers(1, V, size).astype(np.int32)


def sentences(*sizes):
    return [tokens(size, seed) for seed, size in enumerate(sizes)]


def mean_nats(network, tokens_N, **settings):
    return evaluate.evaluate(network, tokens_N, **settings).mean


@torch.no_grad()
def by_hand(network, targets):
    """-ln p of each target, one token at a time from the boundary and the zero state."""
    state, before, nats = network.initial_state(1), BOUNDARY_ID, []
    for target in targets.tolist():
        logits, state = network(torch.tensor([[before]]), state)
        nats.append(-logits[0, 0].log_softmax(dim=0)[target].item())
        before = target
    return np.array(nats)


@pytest.fixture(params=[1, 20, 1 << 12])
def tokens_at_once(request, monkeypatch):
    """Windows of one step, of a few, of many."""
    monkeypatch.setattr(evaluate, "WINDOW_TOKENS", request.param)


def test_a_document_equals_the_tokens_read_one_by_one(make_network, tokens_at_once):
    network, text = make_network(), tokens(23)
    np.testing.assert_allclose(document_nats(network, text), by_hand(network, text), rtol=1e-9)


@pytest.mark.parametrize("cell", ["elman_tanh", "elman_relu", "gru", "lstm"])
def test_packed_sentences_equal_each_alone_in_any_order(make_network, tokens_at_once, cell):
    network, batch = make_network(cell=cell), sentences(5, 1, 0, 9, 3, 3)
    together = sentence_nats(network, batch)
    backwards = sentence_nats(network, batch[::-1])[::-1]
    for sentence, nats, other in zip(batch, together, backwards, strict=True):
        np.testing.assert_allclose(nats, by_hand(network, sentence), rtol=1e-9)
        np.testing.assert_allclose(other, nats, rtol=1e-9)


def test_in_float32_neighbours_change_a_score_by_less_than_1e_5(make_network):
    network, batch = make_network(hidden_size=50).float(), sentences(*range(1, 80))
    alone = [sentence_nats(network, [sentence])[0].sum() for sentence in batch]
    together = [nats.sum() for nats in sentence_nats(network, batch)]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_a_uniform_model_has_the_perplexity_of_its_vocabulary(make_network):
    network = make_network()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert math.exp(mean_nats(network, tokens(40), sentences=False)) == pytest.approx(V)
    assert math.exp(mean_nats(network, tokens(40), sentences=True)) == pytest.approx(V)


def test_warmed_rows_forget_what_stands_before_their_warm_up(make_network):
    """A contracting network forgets: rows then equal the one stream."""
    network = make_network(cell="elman_tanh")
    with torch.no_grad():
        for layer in network.layers:
            layer.weight_hh.mul_(0.5)
    text = tokens(3 * WARM_UP)
    np.testing.assert_allclose(
        document_nats(network, text, num_rows=5), document_nats(network, text), rtol=1e-9
    )


def test_cold_windows_equal_separate_documents(make_network):
    network, text = make_network(), tokens(23)
    pieces = [by_hand(network, text[begin : begin + 4]) for begin in range(0, 23, 4)]
    for num_rows in (1, 2, 50):
        nats = document_nats(network, text, num_rows=num_rows, reset_every=4)
        np.testing.assert_allclose(nats, np.concatenate(pieces), rtol=1e-9)


def test_sentences_of_a_stream_keep_their_boundaries():
    stream = np.array([3, 4, 1, 1, 5, 1, 6], np.int32)
    assert [s.tolist() for s in iter_lines(stream)] == [[3, 4, 1], [1], [5, 1], [6]]
    assert [s.tolist() for s in iter_lines(stream[:3])] == [[3, 4, 1]]


def test_validation_of_sentences_is_their_mean_over_all_tokens(make_network):
    network, text = make_network(), tokens(60)
    by_sentence = [by_hand(network, sentence) for sentence in iter_lines(text)]
    expected = np.concatenate(by_sentence).mean()
    assert mean_nats(network, text, sentences=True) == pytest.approx(expected)


def test_a_part_is_spread_over_the_stream(make_network):
    """Its end is as much a part of it as its beginning."""
    network = make_network(cell="elman_tanh")
    text = np.concatenate([np.full(9000, 2, np.int32), np.full(9000, 3, np.int32)])
    whole = mean_nats(network, text, sentences=False)
    part = mean_nats(network, text, sentences=False, max_tokens=8192)
    assert part == pytest.approx(whole, rel=0.02)  # the two halves differ by far more
    halves = [mean_nats(network, half, sentences=False) for half in (text[:9000], text[9000:])]
    assert abs(halves[0] - halves[1]) > 0.1 * whole


@pytest.mark.parametrize("most", [1, 20, 300])
def test_no_more_tokens_are_read_at_once_than_asked_and_scores_stay(
    make_network, monkeypatch, most
):
    network, lines, document = make_network(), sentences(9, 1, 30, 0, 5, 17), tokens(400)
    whole = [*sentence_nats(network, lines), document_nats(network, document, num_rows=1)]
    sizes, surprisal = [], network.compute_surprisal

    def count(inputs_TB, *rest):
        sizes.append(inputs_TB.numel())
        return surprisal(inputs_TB, *rest)

    monkeypatch.setattr(network, "compute_surprisal", count)
    parts = sentence_nats(network, lines, window_tokens=most)
    parts.append(document_nats(network, document, num_rows=1, window_tokens=most))
    assert max(sizes) <= most
    for part, expected in zip(parts, whole, strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-9)


@pytest.mark.parametrize("sentences", [False, True])
def test_a_part_is_about_as_large_as_asked_warm_up_included(make_network, monkeypatch, sentences):
    read = []

    def count(network, rows, **_):
        read.append(math.prod(rows.shape))
        return usual(network, rows)

    usual = evaluate.read_rows
    monkeypatch.setattr(evaluate, "read_rows", count)
    mean_nats(make_network(), tokens(40_000), sentences=sentences, max_tokens=8192)
    assert 0.7 * 8192 < sum(read) < 1.1 * 8192


def test_tokens_without_a_probability_are_left_out_of_the_mean(make_network):
    network = make_network(unknown_trained=False)
    text = tokens(12)
    text[7] = 0
    nats = by_hand(network, text)
    assert math.isinf(nats[7])
    evaluation = evaluate.evaluate(network, text, sentences=False)
    assert evaluation.mean == pytest.approx(np.delete(nats, 7).mean())
    assert (evaluation.num_read, evaluation.num_scored, evaluation.num_unknown) == (12, 11, 1)
    assert evaluation.unknown_nats == 0
    trained = evaluate.evaluate(make_network(), text, sentences=False)
    assert trained.unknown_nats == pytest.approx(by_hand(make_network(), text)[7])


