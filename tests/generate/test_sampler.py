"""Sampler: the distribution of its draws, what they depend on, and their probabilities."""

import math
from bisect import bisect

import numpy as np
import pytest
import torch

from rnnlm_cli.config import UNKNOWN_ID, SampleConfig
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.generate import sampler as module
from rnnlm_cli.generate.row import NUM_UNIFORMS, Row
from rnnlm_cli.generate.sampler import Sampler, make_bias
from rnnlm_cli.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary("char", ("<unk>", "\n", *"abcd"))
# <unk> has the largest weight, and is never drawn. The others have the probabilities 1/16, 1/2,
# 1/16, 1/4 and 1/8.
WEIGHTS = [32, 1, 8, 1, 4, 2]
LN_2 = math.log(2)


@pytest.fixture(params=["numpy", "fused"])
def path(request, monkeypatch):
    """Run the draws of the filters in numpy, or those that numba compiles."""
    monkeypatch.setattr(module, "MAX_FUSED_VOCAB", 1 << 40)
    monkeypatch.setattr(module, "MIN_FUSED_TOKENS", 0 if request.param == "fused" else 1 << 80)
    if request.param == "fused":
        pytest.importorskip("numba", reason="numba is not installed (the extra `fast`)")
    return request.param


def make_config(**settings):
    return SampleConfig(**({"temperature": 1.0, "seed": 5, "num_tokens": 4000} | settings))


def make_rows(config, prompts):
    """Make one row for each prompt, with the indices 0, 1, 2, ..."""
    return [
        Row(index, config, np.array(prompt, np.int32), VOCABULARY.make_decoder())
        for index, prompt in enumerate(prompts)
    ]


def make_sampler(config, rows, *, with_log_p=False, **biases):
    return Sampler(config, make_bias(6, **biases), rows, with_log_p=with_log_p)


def logits_of(*rows):
    """Return the logits of rows of weights, which need not have the sum 1."""
    return torch.tensor([[math.log(weight) for weight in row] for row in rows])


def draw_many(config, number, *, prompt=(), num_rows=1, weights=WEIGHTS, **biases):
    """Return (number, num_rows) draws, all from the same distribution and history."""
    rows = make_rows(config, [prompt] * num_rows)
    sampler = make_sampler(config, rows, **biases)
    logits_BV = logits_of(weights).expand(num_rows, -1)
    return np.array([sampler.draw(logits_BV, rows) for _ in range(number)])


# The weights that tokens 1 to 5 are drawn with. Without settings they are 1, 8, 1, 4, 2, with the
# sum 16. Their surprisals are 4, 1, 4, 2 and 3 bits with the mean 1.875, so 4 is the most typical
# token, then 2, then 5.
DISTRIBUTIONS = {
    "none": ({}, [1, 8, 1, 4, 2]),
    "temperature": ({"temperature": 0.5}, [1, 64, 1, 16, 4]),
    "high temperature": ({"temperature": 2.0}, [1, math.sqrt(8), 1, 2, math.sqrt(2)]),
    "top-k": ({"top_k": 4}, [1, 8, 0, 4, 2]),
    "typical": ({"typical": 0.3}, [0, 8, 0, 4, 0]),  # 4/16 + 8/16
    "top-p": ({"top_p": 0.8}, [0, 8, 0, 4, 2]),  # 8/16 + 4/16 + 2/16
    "min-p": ({"min_p": 0.2}, [0, 8, 0, 4, 2]),  # at least 1.6 / 16
    "repeat penalty": ({"repeat_penalty": 3.0, "prompt": [2]}, [1, 2, 1, 4, 2]),  # ln 8 / 3 = ln 2
    "presence penalty": ({"presence_penalty": LN_2, "prompt": [2, 4, 2]}, [1, 4, 1, 2, 2]),
    "frequency penalty": ({"frequency_penalty": LN_2, "prompt": [2, 4, 2]}, [1, 2, 1, 2, 2]),
    "last tokens": (
        {"presence_penalty": LN_2, "repeat_last_n": 1, "prompt": [4, 2]}, [1, 4, 1, 4, 2],
    ),
    "n-gram ban": ({"no_repeat_ngram": 2, "prompt": [4, 5, 3, 4]}, [1, 8, 1, 4, 0]),
    "bias": ({"biases": [(3, 2 * LN_2)]}, [1, 8, 4, 4, 2]),
    "forbidden": ({"forbidden": [2]}, [1, 0, 1, 4, 2]),
    # The penalty makes 1, 4, 1, 4, 2 of the weights; top-k and top-p leave 2, 4 and 5 with 10 of
    # 11 parts, of which top-p needs 0.85 at temperature 1.
    "together": (
        {"presence_penalty": LN_2, "prompt": [2], "top_k": 4, "top_p": 0.85, "temperature": 2.0},
        [0, 2, 0, 2, math.sqrt(2)],
    ),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_draws_follow_the_distribution_worked_by_hand(path, name):
    """Pearson's chi-square test.

    For another seed, a correct sampler would fail one of these 30 tests with a probability of about
    one in a million: each has a false-alarm rate of 3e-8. The tail probability of the chi-square
    distribution with k degrees of freedom is the regularised gamma function Q(k / 2, x / 2).
    """
    settings, weights = DISTRIBUTIONS[name]
    of_draws = {key: settings[key] for key in ("prompt", "biases", "forbidden") if key in settings}
    config = make_config(**{key: settings[key] for key in settings if key not in of_draws})
    drawn = draw_many(config, 30, num_rows=100, **of_draws)
    counts = np.bincount(drawn.ravel(), minlength=6)
    expected = 3000 * np.array([0, *weights]) / sum(weights)
    possible = np.flatnonzero(expected)
    assert counts[possible].sum() == 3000
    chi_square = ((counts - expected)[possible] ** 2 / expected[possible]).sum()
    degrees = torch.tensor(len(possible) - 1, dtype=torch.float64)
    assert torch.special.gammaincc(degrees / 2, torch.tensor(chi_square / 2)) > 3e-8


def test_each_draw_inverts_the_cumulative_distribution_at_a_uniform_number(path):
    """The numbers are those of numpy's Philox with the key (seed, index), one for each position."""
    number = NUM_UNIFORMS + 3  # more than are drawn at once
    drawn = draw_many(make_config(seed=7), number, num_rows=2)
    for index in (0, 1):
        uniforms = np.random.Generator(np.random.Philox(key=[7, index])).random(number)
        # up to 1, 9, 10, 14 and 16 of 16 parts
        expected = [1 + bisect([1, 9, 10, 14, 16], 16 * uniform) for uniform in uniforms]
        assert drawn[:, index].tolist() == expected


def test_top_p_applies_at_temperature_one(path):
    """8/16 and 4/16 are 0.7 together. At temperature 0.5, token 2 alone has 64/86, which is more.
    """
    drawn = draw_many(make_config(top_p=0.7, temperature=0.5), 200)
    assert set(drawn.ravel().tolist()) == {2, 4}


def test_greedy_draws_take_the_most_probable_token_and_ignore_the_seed(path):
    for seed in (1, 2):
        greedy = make_config(temperature=0.0, seed=seed)
        assert draw_many(greedy, 3).tolist() == [[2]] * 3
        assert draw_many(greedy, 1, weights=[9, 1, 2, 1, 2, 2]).tolist() == [[2]]  # the lower id
        assert draw_many(greedy, 1, weights=[1] * 6).tolist() == [[1]]


@pytest.mark.parametrize("settings", [{}, {"presence_penalty": 0.5}])
def test_top_k_one_is_greedy(path, settings):
    torch.manual_seed(3)
    logits_BV = torch.randn(50, 6).round(decimals=1)  # some are tied
    drawn = []
    for other in ({"temperature": 0.0}, {"temperature": 3.0, "top_k": 1}):
        config = make_config(**settings, **other)
        rows = make_rows(config, [[1, 4]] * 50)
        drawn.append(make_sampler(config, rows).draw(logits_BV, rows))
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    "settings",
    [{}, {"temperature": 0.0}, {"temperature": 1000.0}, {"top_k": 1}, {"top_k": 6},
     {"typical": 0.1}, {"top_p": 0.1}, {"min_p": 1.0}, {"repeat_penalty": 9.0},
     {"presence_penalty": -1000.0}, {"no_repeat_ngram": 1}],
    ids=str,
)
def test_the_unknown_token_is_never_drawn(path, settings):
    drawn = draw_many(
        make_config(**settings), 100, prompt=[0, 1, 2, 3, 4, 5], weights=[1e30, 1, 8, 1, 4, 2]
    )
    assert UNKNOWN_ID not in drawn


def test_draws_depend_on_the_seed_and_on_the_index_of_the_row(path):
    first, same, other = (draw_many(make_config(seed=seed), 50, num_rows=3) for seed in (3, 3, 4))
    assert (first == same).all()
    assert (first != other).any(axis=0).all()
    assert len({tuple(column) for column in first.T.tolist()}) == 3


def test_the_draws_of_a_row_do_not_depend_on_the_other_rows(path):
    config = make_config()
    rows = make_rows(config, [()] * 3)
    sampler = make_sampler(config, rows)
    logits_3V = logits_of([1, 1, 2, 3, 4, 5], WEIGHTS, [9, 5, 4, 3, 2, 1])
    together = [sampler.draw(logits_3V, rows) for _ in range(20)]
    # The first row has ended, and the others are in another order.
    together += [[0, *sampler.draw(logits_3V[[2, 1]], rows[:0:-1])[::-1]] for _ in range(20)]
    for index in (1, 2):
        config = make_config(num_tokens=99)
        (row,) = make_rows(config, [()] * 3)[index : index + 1]
        alone = make_sampler(config, [row])
        logits_1V = logits_3V[index : index + 1]
        drawn = [alone.draw(logits_1V, [row])[0] for _ in range(40)]
        assert drawn == [tokens[index] for tokens in together]


def test_a_draw_depends_on_its_position_and_not_on_the_distributions_before_it(path):
    drawn = []
    for before in (WEIGHTS, [1] * 6, [1, 1e-9, 1, 1e-9, 1e-9, 1e-9]):
        config = make_config()
        rows = make_rows(config, [()])
        sampler = make_sampler(config, rows)
        for _ in range(5):
            sampler.draw(logits_of(before), rows)
        drawn.append([sampler.draw(logits_of(WEIGHTS), rows) for _ in range(30)])
    assert drawn[0] == drawn[1] == drawn[2]


@pytest.mark.parametrize("temperature", [0.0, 1e-3])
def test_a_filter_that_looks_back_sees_the_tokens_that_a_row_has_added(path, temperature):
    """The tokens of falling probability are 2, 4, 5, 1 and 3; of 1 and 3, 1 has twice as much."""
    config = make_config(temperature=temperature, no_repeat_ngram=1)
    rows = make_rows(config, [[], [4]])  # each has its own history
    sampler = make_sampler(config, rows, biases=[(1, 0.3)])
    drawn = []
    for _ in range(4):
        drawn.append(sampler.draw(logits_of(WEIGHTS, WEIGHTS), rows))
        for row, token in zip(rows, drawn[-1], strict=True):
            row.add(token)
    assert list(zip(*drawn, strict=True)) == [(2, 4, 5, 1), (2, 5, 1, 3)]


@pytest.mark.parametrize(("rival", "expected"), [(0.25, 1), (0.75, 2)])
def test_the_bias_is_added_once_and_before_the_penalties(path, rival, expected):
    """Token 1 has (-1 + 2) / 2 = 0.5. If the bias came after the penalty, it would have -2 + 2 = 0.
    """
    config = make_config(temperature=1e-3, repeat_penalty=2.0)
    rows = make_rows(config, [[1]])
    sampler = make_sampler(config, rows, biases=[(1, 2.0)])
    assert sampler.draw(torch.tensor([[9, -1, rival, -9, -9, -9]]), rows) == [expected]


@pytest.mark.parametrize(
    "settings",
    [{}, {"temperature": 0.0}, {"temperature": 0.3, "top_k": 2},
     {"temperature": 3.0, "typical": 0.6, "top_p": 0.9, "min_p": 0.05},
     {"repeat_penalty": 2.0, "frequency_penalty": 0.5, "no_repeat_ngram": 2}],
    ids=str,
)
def test_log_p_is_the_sum_under_the_model_whatever_the_filters_are(path, settings):
    config = make_config(**settings)
    rows = make_rows(config, [[2], [3, 4]])
    sampler = make_sampler(config, rows, with_log_p=True, biases=[(5, 1.0)])
    torch.manual_seed(2)
    expected = torch.zeros(2, dtype=torch.float64)
    for _ in range(20):
        logits_BV = 3 * torch.randn(2, 6) + 100
        tokens = sampler.draw(logits_BV, rows)
        log_p_BV = torch.log_softmax(logits_BV.double(), dim=1)
        expected += log_p_BV[[0, 1], tokens]
        for row, token in zip(rows, tokens, strict=True):
            row.add(token)
    assert [row.log_p for row in rows] == pytest.approx(expected.tolist(), rel=1e-12)


def test_log_p_is_left_out_if_it_is_not_asked_for(path):
    config = make_config()
    rows = make_rows(config, [()])
    make_sampler(config, rows).draw(logits_of(WEIGHTS), rows)
    assert rows[0].log_p == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("with_log_p", [False, True])
@pytest.mark.parametrize(
    "settings", [{}, {"temperature": 0.0}, {"top_k": 4, "top_p": 0.9}, {"presence_penalty": 1.0}],
    ids=str,
)
def test_the_draws_of_one_row_equal_those_of_a_batch(path, settings, with_log_p, dtype):
    config = make_config(**settings)
    (row,), (same,) = (make_rows(config, [[2]]) for _ in range(2))
    sampler, other = (
        make_sampler(config, [each], with_log_p=with_log_p, biases=[(3, 1.0)])
        for each in (row, same)
    )
    logits_1V = torch.empty(1, 6, dtype=dtype)
    draw_row = sampler.make_row_draw(row, logits_1V)
    torch.manual_seed(1)
    for _ in range(50):
        logits_1V.copy_(torch.randn(1, 6))  # each call uses the logits that the tensor holds then
        token = draw_row()
        assert [token] == other.draw(logits_1V, [same])
        for each in (row, same):
            each.add(token)
    assert row.log_p == same.log_p
    assert (row.log_p != 0) == with_log_p


def test_the_bias_sums_what_is_added_and_forbids_tokens():
    bias_V = make_bias(6, forbidden=[4, 2], biases=[(1, 0.5), (2, 9.0), (5, -2.0), (1, 1.0)])
    assert bias_V.dtype == np.float32
    assert bias_V.tolist() == [-math.inf, 1.5, -math.inf, 0, -math.inf, -2]
    assert make_bias(3, biases=[(UNKNOWN_ID, 5.0)]).tolist() == [-math.inf, 0, 0]


def test_forbidding_every_token_is_an_error():
    assert make_bias(4, forbidden=[1, 3]).tolist() == [-math.inf, -math.inf, 0, -math.inf]
    with pytest.raises(ConfigError, match="--forbid: every token is forbidden"):
        make_bias(4, forbidden=[1, 2, 3])
