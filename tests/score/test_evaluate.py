"""The evaluator: single texts, packed sentences, rows and cold windows."""

import math

import numpy as np
import pytest
import torch

from rnnlm_cli.config import BOUNDARY_ID
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.score import evaluate
from rnnlm_cli.score.evaluate import (
    WARM_UP_TOKENS,
    compute_document_figures,
    compute_sentence_figures,
)
from rnnlm_cli.score.predictor import NetworkPredictor
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
    return evaluate.evaluate(network, tokens_N, **settings).nats_per_token


def compute_document_nats(network, text, **settings):
    return compute_document_figures(NetworkPredictor(network), text, **settings)[0]


def compute_sentence_nats(network, sentences, **settings):
    figures = compute_sentence_figures(NetworkPredictor(network), sentences, **settings)
    return [figures_FN[0] for figures_FN in figures]


class CountingNetwork(RecurrentNetwork):
    """A network that records the number of tokens of every pass, and of the output layer."""

    def read(self, inputs_TB, *arguments):
        self.pass_sizes.append(inputs_TB.numel())
        return super().read(inputs_TB, *arguments)

    def compute_surprisal(self, y_MH, targets_M):
        self.output_sizes.append(len(targets_M))
        return super().compute_surprisal(y_MH, targets_M)


@pytest.fixture
def counting_network(make_network):
    original = make_network()
    network = CountingNetwork(original.config)
    network.load_state_dict(original.state_dict())
    network.pass_sizes, network.output_sizes = [], []
    return network


@torch.no_grad()
def by_hand(network, targets):
    """Return -ln p of each target, read one by one from the boundary and the zero state."""
    state, before, nats = network.initial_state(1), BOUNDARY_ID, []
    for target in targets.tolist():
        logits, state = network(torch.tensor([[before]]), state)
        nats.append(-logits[0, 0].log_softmax(dim=0)[target].item())
        before = target
    return np.array(nats)


@pytest.fixture(params=[1, 20, 1 << 12])
def tokens_at_once(request, monkeypatch):
    """Evaluate in windows of one step, of a few, and of many."""
    monkeypatch.setattr(evaluate, "MAX_BATCH_TOKENS", request.param)


def test_a_document_equals_the_tokens_read_one_by_one(make_network, tokens_at_once):
    network, text = make_network(), tokens(23)
    nats = compute_document_nats(network, text)
    np.testing.assert_allclose(nats, by_hand(network, text), rtol=1e-9)


@pytest.mark.parametrize("cell", ["elman_tanh", "elman_relu", "gru", "lstm"])
def test_packed_sentences_equal_single_ones_in_any_order(make_network, tokens_at_once, cell):
    network, batch = make_network(cell=cell), sentences(5, 1, 0, 9, 3, 3)
    together = compute_sentence_nats(network, batch)
    backwards = compute_sentence_nats(network, batch[::-1])[::-1]
    for sentence, nats, other in zip(batch, together, backwards, strict=True):
        np.testing.assert_allclose(nats, by_hand(network, sentence), rtol=1e-9)
        np.testing.assert_allclose(other, nats, rtol=1e-9)


def test_in_float32_packing_changes_a_score_by_less_than_1e_5(make_network):
    network, batch = make_network(hidden_size=50).float(), sentences(*range(1, 80))
    alone = [compute_sentence_nats(network, [sentence])[0].sum() for sentence in batch]
    together = [nats.sum() for nats in compute_sentence_nats(network, batch)]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_a_uniform_model_has_the_perplexity_of_its_vocabulary(make_network):
    network = make_network()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert math.exp(mean_nats(network, tokens(40), sentences=False)) == pytest.approx(V)
    assert math.exp(mean_nats(network, tokens(40), sentences=True)) == pytest.approx(V)


def test_warmed_up_rows_equal_one_row_if_the_network_forgets(make_network):
    network = make_network(cell="elman_tanh")
    with torch.no_grad():  # a contracting network forgets
        for layer in network.layers:
            layer.weight_hh.mul_(0.5)
    text = tokens(3 * WARM_UP_TOKENS)
    rows, whole = (compute_document_nats(network, text, num_rows=number) for number in (5, 1))
    np.testing.assert_allclose(rows, whole, rtol=1e-9)


def test_cold_windows_equal_separate_documents(make_network):
    network, text = make_network(), tokens(23)
    pieces = [by_hand(network, text[begin : begin + 4]) for begin in range(0, 23, 4)]
    for num_rows in (1, 2, 50):
        nats = compute_document_nats(network, text, num_rows=num_rows, reset_every=4)
        np.testing.assert_allclose(nats, np.concatenate(pieces), rtol=1e-9)


def test_the_lines_of_a_text_keep_their_boundaries():
    stream = np.array([3, 4, 1, 1, 5, 1, 6], np.int32)
    assert [s.tolist() for s in iter_lines(stream)] == [[3, 4, 1], [1], [5, 1], [6]]
    assert [s.tolist() for s in iter_lines(stream[:3])] == [[3, 4, 1]]


def test_the_score_of_sentences_is_the_mean_over_all_their_tokens(make_network):
    network, text = make_network(), tokens(60)
    by_sentence = [by_hand(network, sentence) for sentence in iter_lines(text)]
    expected = np.concatenate(by_sentence).mean()
    assert mean_nats(network, text, sentences=True) == pytest.approx(expected)


def test_a_part_is_spread_over_the_text(make_network):
    network = make_network(cell="elman_tanh")
    text = np.concatenate([np.full(9000, 2, np.int32), np.full(9000, 3, np.int32)])
    whole = mean_nats(network, text, sentences=False)
    part = mean_nats(network, text, sentences=False, max_tokens=8192)
    assert part == pytest.approx(whole, rel=0.02)  # the two halves differ by far more
    halves = [mean_nats(network, half, sentences=False) for half in (text[:9000], text[9000:])]
    assert abs(halves[0] - halves[1]) > 0.1 * whole


@pytest.mark.parametrize("batch_tokens", [1, 20, 300])
def test_batch_tokens_bound_every_pass_and_change_no_score(counting_network, batch_tokens):
    network, lines, document = counting_network, sentences(9, 1, 30, 0, 5, 17), tokens(400)
    whole = [*compute_sentence_nats(network, lines), compute_document_nats(network, document)]
    network.pass_sizes.clear()
    parts = compute_sentence_nats(network, lines, batch_tokens=batch_tokens)
    parts.append(compute_document_nats(network, document, batch_tokens=batch_tokens))
    assert max(network.pass_sizes) <= batch_tokens
    for part, expected in zip(parts, whole, strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-9)


@pytest.mark.parametrize("sentences", [False, True])
def test_max_tokens_includes_the_warm_up(counting_network, sentences):
    mean_nats(counting_network, tokens(40_000), sentences=sentences, max_tokens=8192)
    assert 0.7 * 8192 < sum(counting_network.pass_sizes) < 1.1 * 8192


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("num_rows", [2, 8])
def test_the_output_layer_is_left_out_in_windows_of_warm_up(
    counting_network, monkeypatch, two_threads, num_rows
):
    """Two rows are read by one thread, and eight rows by two threads."""
    text = tokens(num_rows * 3 * WARM_UP_TOKENS)
    expected = compute_document_nats(counting_network, text, num_rows=num_rows)
    counting_network.pass_sizes.clear()
    counting_network.output_sizes.clear()
    monkeypatch.setattr(evaluate, "MAX_BATCH_TOKENS", num_rows * WARM_UP_TOKENS // 2)
    nats = compute_document_nats(counting_network, text, num_rows=num_rows)
    np.testing.assert_allclose(nats, expected, rtol=1e-9)
    assert sum(counting_network.pass_sizes) == len(text) + num_rows * WARM_UP_TOKENS
    assert sum(counting_network.output_sizes) == len(text)


def test_tokens_without_a_probability_are_left_out_of_the_mean(make_network):
    network = make_network(unknown_trained=False)
    text = tokens(12)
    text[7] = 0
    nats = by_hand(network, text)
    assert math.isinf(nats[7])
    score = evaluate.evaluate(network, text, sentences=False)
    assert score.nats_per_token == pytest.approx(np.delete(nats, 7).mean())
    assert (score.num_read, score.num_predicted, score.num_unknown) == (12, 11, 1)
    assert score.unknown_nats == 0
    trained = evaluate.evaluate(make_network(), text, sentences=False)
    assert trained.unknown_nats == pytest.approx(by_hand(make_network(), text)[7])
