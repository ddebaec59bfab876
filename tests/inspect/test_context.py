"""The loss by the visible context against one position at a time, and a source of known order."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from rnnlm_cli.config import BOUNDARY_ID, UNKNOWN_ID, ContextConfig, ModelConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.inspect import context, context_windows
from rnnlm_cli.inspect.context import measure_context
from rnnlm_cli.inspect.context_windows import make_context_window
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.score.evaluate import evaluate
from rnnlm_cli.windows import make_window

V = 7  # of make_network
ALL_POSITIONS = 10_000


@pytest.fixture
def tokens():
    """91 tokens in lines of 0 to 14, the last one without a boundary."""
    drawn = np.random.default_rng(1).integers(2, V, 91).astype(np.int32)
    drawn[[6, 19, 22, 30, 40, 41, 56, 63, 68, 78]] = BOUNDARY_ID
    return drawn


@pytest.fixture
def network(make_network, float64):
    """A network whose weights are so large that its losses depend on the context."""
    network = make_network(unknown_trained=True)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)
    return network


def measure(network, tokens, *, sentences=False, positions=ALL_POSITIONS, **more):
    return measure_context(
        network, tokens, sentences=sentences, config=ContextConfig(positions=positions), **more
    )


def find_nats(network, tokens, at, size, *, sentences=False):
    """-ln p of one token, read alone from the zero state after the last `size` tokens."""
    before = tokens[:at].tolist()
    if sentences and BOUNDARY_ID in before:
        before = before[len(before) - before[::-1].index(BOUNDARY_ID):]
    inputs = [BOUNDARY_ID, *before[max(0, len(before) - size):]]
    logits_TBV, _ = network(torch.tensor(inputs)[:, None], network.initial_state(1))
    return cross_entropy(logits_TBV[-1], torch.tensor([int(tokens[at])])).item()


@pytest.mark.parametrize("sentences", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "elman_relu"])
@torch.inference_mode()
def test_the_losses_are_those_of_one_position_at_a_time(
    make_network, float64, tokens, monkeypatch, sentences, cell
):
    monkeypatch.setattr(context, "MAX_ROWS", 11)
    monkeypatch.setattr(context_windows, "MAX_BATCH_TOKENS", 13)
    network = make_network(unknown_trained=True, cell=cell)
    result = measure(network, tokens, sentences=sentences)
    positions = range(0 if sentences else 20, len(tokens))
    assert result.num_positions == len(positions)
    assert [loss.size for loss in result.visible] == ([1, 2, 5, 10] if sentences else
                                                      [1, 2, 5, 10, 20])
    whole_P, *losses = (
        np.array([find_nats(network, tokens, at, size, sentences=sentences) for at in positions])
        for size in (len(tokens), *(loss.size for loss in result.visible))
    )
    assert result.whole_nats == pytest.approx(whole_P.mean(), rel=1e-9)
    for loss, nats_P in zip(result.visible, losses, strict=True):
        assert loss.nats == pytest.approx(nats_P.mean(), rel=1e-9)
        assert loss.difference == pytest.approx((nats_P - whole_P).mean(), abs=1e-9)
        error = (nats_P - whole_P).std(ddof=1) / math.sqrt(len(nats_P))
        assert loss.standard_error == pytest.approx(error, rel=1e-9)


def test_the_loss_with_all_of_the_context_is_that_of_the_evaluator(network, tokens):
    result = measure(network, tokens, sentences=True)
    assert result.whole_nats == pytest.approx(
        evaluate(network, tokens, sentences=True).nats_per_token
    )
    result = measure(network, tokens)
    parts = [evaluate(network, part, sentences=False) for part in (tokens, tokens[:20])]
    assert result.whole_nats == pytest.approx((parts[0].nats - parts[1].nats) / 71)


def test_a_shuffled_context_without_farther_tokens_is_the_visible_one(
    network, make_tokens
):
    tokens = make_tokens(59, line=10, vocab_size=V)
    result = measure(network, tokens, sentences=True)
    assert result.visible[-1].size == 10  # a whole line
    assert result.visible[-1].nats == pytest.approx(result.whole_nats)
    assert result.shuffled[-1].nats == pytest.approx(result.whole_nats)
    assert result.shuffled[-1].standard_error < 1e-9
    for visible, shuffled in zip(result.visible[:-1], result.shuffled, strict=False):
        assert abs(visible.nats - shuffled.nats) > 1e-6


def test_shuffling_a_constant_context_changes_nothing(network, monkeypatch):
    monkeypatch.setattr(context, "CONTEXT_SIZES", (1, 2, 5, 8))
    monkeypatch.setattr(context, "FAR_TOKENS", 3)
    result = measure(network, np.full(40, 3, np.int32))
    assert result.shuffled[1].nats == pytest.approx(result.visible[2].nats)  # 2 + 3
    assert result.shuffled[2].nats == pytest.approx(result.visible[3].nats)  # 5 + 3
    assert abs(result.visible[1].nats - result.visible[2].nats) > 1e-9


def test_only_the_farther_tokens_of_the_same_sentence_are_shuffled():
    tokens = np.arange(100, 150, dtype=np.int32)
    window = make_context_window(
        tokens, np.array([40, 44, 49, 9]), np.array([0, 32, 47, 0]), 3, 6,
        np.random.default_rng(1),
    )
    inputs, targets, resets = (each.T.tolist() for each in window)
    assert [row[6:] for row in targets] == [
        [137, 138, 139, 140], [141, 142, 143, 144], [146, 147, 148, 149], [106, 107, 108, 109]
    ]
    assert [row.index(True) for row in resets] == [0, 0, 7, 0]
    assert [sum(row) for row in resets] == [1] * 4
    for row, far in zip(targets, [range(131, 137), range(135, 141), (), range(100, 106)],
                        strict=True):
        assert not far or sorted(row[:6]) == [*far] != row[:6]
    assert [target - 131 for target in targets[0][:6]] != [
        target - 135 for target in targets[1][:6]
    ]
    for row_inputs, row_targets, row_resets in zip(inputs, targets, resets, strict=True):
        begin = row_resets.index(True)
        assert row_inputs[begin:] == [BOUNDARY_ID, *row_targets[begin:-1]]


def test_farther_tokens_before_the_beginning_of_a_sentence_are_not_read():
    tokens = np.arange(100, 150, dtype=np.int32)
    window = make_context_window(
        tokens, np.array([3, 41]), np.array([0, 37]), 2, 5, np.random.default_rng(2)
    )
    for row, (begin, end) in enumerate([(100, 104), (137, 142)]):
        first = window.resets_TB[:, row].tolist().index(True)
        targets = window.targets_TB[first:, row].tolist()
        assert sorted(targets) == [*range(begin, end)] and targets[-3:] == [*range(end - 3, end)]


def test_the_seed_decides_the_shuffled_losses_alone(network, tokens):
    first, same, other = (measure(network, tokens, seed=seed) for seed in (0, 0, 1))
    assert first == same
    assert first.visible == other.visible and first.effective == other.effective
    assert first.shuffled != other.shuffled


def test_positions_are_spread_evenly(network, tokens):
    result = measure(network, tokens, positions=9)
    assert (result.num_tokens, result.num_positions) == (91, 9)
    nats = [find_nats(network, tokens, at, 91) for at in np.linspace(20, 90, 9).round().astype(int)]
    assert result.whole_nats == pytest.approx(np.mean(nats))
    assert math.isnan(measure(network, tokens, positions=1).visible[0].standard_error)


def test_only_the_beginning_of_a_long_text_is_read(network, tokens, monkeypatch):
    expected = measure(network, tokens[:52])
    monkeypatch.setattr(context, "MAX_TOKENS", 52)
    result = measure(network, tokens)
    assert result == expected and result.num_tokens == 52


def test_an_unknown_token_without_probability_is_read_and_not_predicted(make_network, tokens):
    tokens[[3, 30, 60, 61]] = UNKNOWN_ID
    num_unknown = int((tokens[20:] == UNKNOWN_ID).sum())
    for trained, num_left_out in ((True, 0), (False, num_unknown)):
        result = measure(make_network(unknown_trained=trained), tokens)
        assert result.num_positions == 71 - num_left_out
        assert math.isfinite(result.whole_nats + sum(loss.nats for loss in result.shuffled))


def draw_markov_tokens(size, seed):
    """Draw from a source over 4 letters whose next letter depends on the last three together."""
    transition = np.random.default_rng(3).dirichlet(np.full(4, 0.5), (4, 4, 4)).cumsum(axis=-1)
    letters = [0, 1, 2]
    for uniform in np.random.default_rng(seed).random(size):
        letters.append(min(3, int(np.searchsorted(transition[tuple(letters[-3:])], uniform))))
    return np.array(letters[3:], np.int32) + 2


def train_network(tokens):
    """Train an Elman network on windows of 12 tokens with frequent resets."""
    generator = torch.Generator().manual_seed(1)
    network = RecurrentNetwork(ModelConfig(
        cell="elman_tanh", vocab_size=6, embedding_size=8, hidden_size=32, unknown_trained=True
    ), generator=generator)
    text_N = torch.from_numpy(tokens.astype(np.int64))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.02, total_iters=500)
    for _ in range(500):
        begins_B = torch.randint(1, len(text_N) - 12, (64,), generator=generator)
        targets_TB = text_N[begins_B + torch.arange(12)[:, None]]
        resets_TB = torch.rand(targets_TB.shape, generator=generator) < 0.1
        resets_TB[0] = True
        window = make_window(targets_TB, resets_TB, text_N[begins_B - 1])
        loss, _ = network.compute_loss(
            window.inputs_TB, window.targets_TB, network.initial_state(64), window.resets_TB
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network


def test_a_markov_source_of_order_3_needs_a_context_of_3(monkeypatch):
    network = train_network(draw_markov_tokens(50_000, seed=1))
    held_out = draw_markov_tokens(10_000, seed=2)
    for sizes in ((1, 4, 20), (1, 9, 50), (1, 2, 5, 10, 20, 50)):  # found from above and below
        monkeypatch.setattr(context, "CONTEXT_SIZES", sizes)
        result = measure(network, held_out, positions=1000)
        assert result.effective.size == 3
    assert result.whole_nats < 1.1 < 1.2 < result.visible[1].nats  # n = 2; ln 4 is 1.386
    assert result.visible[1].difference > 10 * result.visible[1].standard_error
    # Shuffled tokens before the last three cannot help: the source does not depend on them.
    assert abs(result.shuffled[2].difference) < 0.01


def draw_tokens(network, size):
    """Draw a text from the network, so that a longer context mostly has a lower loss."""
    generator, state = torch.Generator().manual_seed(2), network.initial_state(1)
    tokens = [BOUNDARY_ID]
    while len(tokens) <= size:
        logits_BV, state = network.predict_next(torch.tensor([tokens[-1:]]), state)
        tokens.append(int(torch.multinomial(logits_BV[0].softmax(0), 1, generator=generator)))
    return np.array(tokens[1:], np.int32)


@torch.inference_mode()
def test_the_effective_context_is_the_smallest_from_which_all_losses_are_small(
    network, monkeypatch
):
    monkeypatch.setattr(context, "CONTEXT_SIZES", (1, 2, 3, 4, 5, 6, 7, 8, 9))
    tokens = draw_tokens(network, 91)
    result = measure(network, tokens)
    losses = {loss.size: loss.nats for loss in result.visible}
    losses[0] = np.mean([find_nats(network, tokens, at, 0) for at in range(9, 91)])
    found = set()
    for bound in losses.values():
        bound *= 1 + 1e-9
        monkeypatch.setattr(context, "EFFECTIVE_RATIO", bound / result.whole_nats)
        expected = [n for n in losses if all(losses[m] <= bound for m in losses if m >= n)]
        effective = measure(network, tokens).effective
        assert (effective and effective.size) == min(expected, default=None)
        found.add(effective and effective.size)
    assert len(found) > 4


@pytest.mark.parametrize(
    ("ratio", "sentences", "expected"),
    [(1e9, False, 0), (1e9, True, 0), (0, False, None), (0, True, 12)],
)
def test_the_effective_context_is_none_beyond_the_largest_n_of_running_text(
    network, make_tokens, monkeypatch, ratio, sentences, expected
):
    monkeypatch.setattr(context, "EFFECTIVE_RATIO", ratio)
    result = measure(network, make_tokens(60, line=12, vocab_size=V), sentences=sentences)
    assert (result.effective and result.effective.size) == expected


@pytest.mark.parametrize("sentences", [False, True])
def test_the_progress_ends_where_it_was_planned(network, tokens, monkeypatch, sentences):
    monkeypatch.setattr(context, "EFFECTIVE_RATIO", 1e9)  # needs one more measurement, that of 0
    reports = []
    measure(network, tokens, sentences=sentences, watch=lambda *each: reports.append(each))
    assert reports == sorted(reports) and all(read <= planned for read, planned in reports)
    read, planned = reports[-1]
    assert 0.9 * planned < read


@pytest.mark.parametrize(
    ("tokens", "sentences", "message"),
    [
        ([], False, "has 0 tokens of this model, and none to predict; at least two"),
        ([], True, "has 0 tokens"),
        ([2], False, "has 1 tokens"),
        ([2], True, "has 1 tokens"),
        ([2, UNKNOWN_ID, UNKNOWN_ID], False, "has 3 tokens of this model, and none"),
        ([UNKNOWN_ID, UNKNOWN_ID], True, "has 2 tokens of this model, and none"),
        ([BOUNDARY_ID] * 9, True, "every line has one token at most"),
        ([2, 3], False, None),
        ([2, BOUNDARY_ID], True, None),
    ],
)
def test_a_text_without_contexts_is_refused_in_one_line(make_network, tokens, sentences, message):
    network, tokens = make_network(unknown_trained=False), np.array(tokens, np.int32)
    if message is None:
        assert [loss.size for loss in measure(network, tokens, sentences=sentences).visible] == [1]
        return
    with pytest.raises(TextError, match=message) as error:
        measure(network, tokens, sentences=sentences)
    assert "\n" not in str(error.value)
