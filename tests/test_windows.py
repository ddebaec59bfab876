"""Rows, resets and windows: what is read, what is predicted, and from which state."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnnlm_cli.config import BOUNDARY_ID
from rnnlm_cli.windows import (
    START,
    Position,
    ResetRule,
    TrainingRows,
    document_rows,
    evaluation_window,
    packed_rows,
    shrink,
)


def stream(size, line=None, vocab_size=50):
    """Tokens 2, 3, 4, ...; a boundary after every `line` tokens."""
    tokens = (np.arange(size) % (vocab_size - 2) + 2).astype(np.int32)
    if line:
        tokens[line::line + 1] = BOUNDARY_ID
    return tokens


def rows_of(tokens, *, batch_size=3, bptt=5, sentences=False, seed=1):
    return TrainingRows(
        tokens, batch_size=batch_size, bptt=bptt, sentences=sentences, seed=seed
    )


def read(rows, num_windows, position=START):
    windows = []
    for step in range(num_windows):
        window, position = rows.window(position, step)
        windows.append(window)
    return windows, position


def test_rows_read_their_part_of_the_stream_in_order():
    tokens = stream(200, vocab_size=300)  # every token stands once
    rows = rows_of(tokens)
    rows.rule = ResetRule(0.0, 0.0)
    windows, position = read(rows, rows.num_windows(0))
    targets = torch.cat([window.targets_TB for window in windows])
    inputs = torch.cat([window.inputs_TB for window in windows])
    assert position == Position(1, 0)
    assert (targets[1:] == targets[:-1] + 1).all()  # contiguous
    assert (inputs[1:] == targets[:-1]).all()  # each input is the target before it
    assert (inputs[0] == BOUNDARY_ID).all()  # a row begins at a reset boundary
    assert (targets[0].diff() == (200 - targets[0, 0] + 2) // 3).all()
    assert 200 - targets.numel() < 5 + 3 * 5  # only an offset and a remainder are dropped


def test_resets_come_first_in_every_row_of_an_epoch_and_read_the_boundary():
    rows = rows_of(stream(300, line=9), sentences=True)
    for epoch in (0, 1):
        window, _ = rows.window(Position(epoch, 0), 0)
        assert window.resets_TB[0].all()
    for window in read(rows, 2 * rows.num_windows(0))[0]:
        assert (window.inputs_TB[window.resets_TB] == BOUNDARY_ID).all()
        assert window.inputs_TB.shape == window.targets_TB.shape == (5, 3)


def test_sentences_reset_at_every_boundary_and_rows_begin_where_sentences_do():
    tokens = stream(300, line=9)
    rows = rows_of(tokens, sentences=True)
    windows, _ = read(rows, rows.num_windows(0))
    for window in windows:
        assert torch.equal(window.resets_TB, window.inputs_TB == BOUNDARY_ID)
    for epoch in range(5):
        first, _ = rows.window(Position(epoch, 0), 0)
        lines = set(np.flatnonzero(tokens == BOUNDARY_ID) + 1) | {0}
        begins = [np.flatnonzero(tokens == int(token)) for token in first.targets_TB[0]]
        assert all(lines & set(begin.tolist()) for begin in begins)


def test_rows_are_still_laid_where_lines_are_too_long_to_begin_at():
    tokens = stream(300)
    tokens[290] = BOUNDARY_ID
    assert rows_of(tokens, sentences=True).num_windows(0) == (300 - 4) // 3 // 5


def test_running_text_resets_every_thousand_tokens_on_average_at_boundaries():
    tokens = stream(60_000, line=39)
    rows = rows_of(tokens, batch_size=10, bptt=100)
    windows, _ = read(rows, rows.num_windows(0))
    resets = torch.stack([window.resets_TB for window in windows]).sum().item() - 10
    assert 60 * 0.6 < resets < 60 * 1.4  # about 60, with a standard deviation of about 8
    before = torch.cat([w.targets_TB for w in windows])[:-1]
    inner = torch.cat([w.resets_TB for w in windows])[1:]
    assert (before[inner] == BOUNDARY_ID).all()


def test_text_with_few_line_ends_resets_anywhere():
    assert ResetRule.of(stream(5000, line=2000), sentences=False) == ResetRule(0.0, 0.001)
    assert ResetRule.of(stream(5000), sentences=False) == ResetRule(0.0, 0.001)
    assert ResetRule.of(stream(5000, line=49), sentences=False) == ResetRule(0.05, 0.0)


def test_a_window_depends_on_its_position_alone():
    rows = rows_of(stream(300, line=9))
    windows, _ = read(rows, 8)
    other = rows_of(stream(300, line=9))
    position = START
    for _ in range(5):
        _, position = other.window(position, 99)  # another path to the same place
    window, _ = other.window(position, 5)
    for tensor, expected in zip(window, windows[5], strict=True):
        assert torch.equal(tensor, expected)


def test_offsets_differ_between_epochs_and_seeds():
    rows, tokens = rows_of(stream(300)), stream(300)
    firsts = {int(rows.window(Position(epoch, 0), 0)[0].targets_TB[0, 0]) for epoch in range(20)}
    assert len(firsts) > 2 and firsts <= set(tokens[:5].tolist())


@given(st.integers(16, 10**7), st.integers(1, 500), st.integers(1, 500))
def test_shrinking_never_asks_for_more_than_there_is(num_tokens, batch_size, bptt):
    small_batch, small_window = shrink(num_tokens, batch_size=batch_size, bptt=bptt)
    assert 1 <= small_batch <= batch_size and 1 <= small_window <= bptt
    assert num_tokens >= 8 * small_batch * small_window
    if num_tokens >= 8 * batch_size * bptt:
        assert (small_batch, small_window) == (batch_size, bptt)
    rows_of(stream(min(num_tokens, 1000)), batch_size=1, bptt=1).window(START, 0)


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 5))
def test_packed_sentences_stand_whole_each_from_a_reset(sizes, most_rows):
    sentences = [stream(size) for size in sizes]
    rows, slots = packed_rows(sentences, most_rows=most_rows)
    assert rows.targets_LB.shape[1] <= most_rows
    assert rows.counted_LB.sum() == sum(sizes)
    for sentence, (row, begin) in zip(sentences, slots, strict=True):
        end = begin + len(sentence)
        assert rows.targets_LB[begin:end, row].tolist() == sentence.tolist()
        resets = rows.resets_LB[begin:end, row].tolist()
        assert resets == [position == 0 for position in range(len(sentence))]


def test_packing_wastes_little():
    sizes = [1 + (index * 37) % 40 for index in range(200)]
    rows, _ = packed_rows([stream(size) for size in sizes], most_rows=16)
    assert rows.counted_LB.mean() > 0.97


def test_a_document_in_rows_counts_every_token_once_after_a_warm_up():
    tokens = stream(50, vocab_size=100)
    rows = document_rows(tokens, range(0, 50, 20), 20, warm_up=8, reset_every=None)
    counted = rows.targets_LB.T[rows.counted_LB.T]
    assert counted.tolist() == tokens.tolist()
    window = evaluation_window(rows, 0, len(rows.targets_LB))
    assert window.targets_TB[:8, 1].tolist() == tokens[12:20].tolist()  # its warm-up
    assert window.resets_TB.sum(dim=0).tolist()[1] == 1  # only where it begins
    assert window.resets_TB[8, 0] and window.inputs_TB[8, 0] == BOUNDARY_ID


def test_cold_windows_reset_at_every_multiple():
    tokens = stream(50)
    rows = document_rows(tokens, [0, 24], 24, warm_up=0, reset_every=8)
    assert np.flatnonzero(rows.resets_LB[:, 0]).tolist() == [0, 8, 16]


@pytest.mark.parametrize(("begin", "end"), [(0, 4), (4, 9)])
def test_evaluation_windows_read_the_target_before(begin, end):
    rows = document_rows(stream(9), [0], 9, warm_up=0, reset_every=None)
    window = evaluation_window(rows, begin, end)
    expected = [BOUNDARY_ID, *stream(9)[:-1].tolist()][begin:end]
    assert window.inputs_TB[:, 0].tolist() == expected
