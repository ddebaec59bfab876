"""Windows, resets, training rows, and the reduction for small texts."""

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
    make_window,
    shrink,
)


def make_rows(tokens, *, batch_size=3, bptt=5, sentences=False, seed=1):
    return TrainingRows(
        tokens, batch_size=batch_size, bptt=bptt, sentences=sentences, seed=seed
    )


def read(rows, num_windows, position=START):
    windows = []
    for step in range(num_windows):
        window, position = rows.read_window(position, step)
        windows.append(window)
    return windows, position


def test_a_window_reads_the_target_before_each_position_and_the_boundary_at_resets():
    targets = torch.tensor([[3, 4], [1, 5], [6, 7]])
    resets = torch.tensor([[False, True], [False, False], [True, False]])
    window = make_window(targets, resets, torch.tensor([8, 9]))
    assert window.inputs_TB.tolist() == [[8, BOUNDARY_ID], [3, 4], [BOUNDARY_ID, 5]]
    assert window.targets_TB is targets and window.resets_TB is resets
    assert targets.tolist() == [[3, 4], [1, 5], [6, 7]]  # unchanged


@pytest.mark.parametrize("sentences", [False, True])
def test_new_training_rows_do_not_read_their_text(sentences):
    class Unread:
        def __len__(self):
            pytest.fail("the constructor read the text")

        __getitem__ = __iter__ = __array__ = __len__

    make_rows(Unread(), sentences=sentences)


def test_rows_read_their_part_of_the_text_in_order(make_tokens):
    tokens = make_tokens(200, vocab_size=300)  # every token occurs once
    rows = make_rows(tokens)
    rows.rule = ResetRule(0.0, 0.0)
    windows, position = read(rows, rows.count_windows(0))
    targets = torch.cat([window.targets_TB for window in windows])
    inputs = torch.cat([window.inputs_TB for window in windows])
    assert position == Position(1, 0)
    assert (targets[1:] == targets[:-1] + 1).all()  # contiguous
    assert (inputs[1:] == targets[:-1]).all()  # each input is the target before it
    assert (inputs[0] == BOUNDARY_ID).all()  # a row begins at a reset boundary
    assert (targets[0].diff() == (200 - targets[0, 0] + 2) // 3).all()
    assert 200 - targets.numel() < 5 + 3 * 5  # only an offset and a remainder are dropped


def test_every_row_of_an_epoch_begins_with_a_reset_that_reads_the_boundary(make_tokens):
    rows = make_rows(make_tokens(300, line=9), sentences=True)
    for epoch in (0, 1):
        window, _ = rows.read_window(Position(epoch, 0), 0)
        assert window.resets_TB[0].all()
    for window in read(rows, 2 * rows.count_windows(0))[0]:
        assert (window.inputs_TB[window.resets_TB] == BOUNDARY_ID).all()
        assert window.inputs_TB.shape == window.targets_TB.shape == (5, 3)


def test_sentences_reset_at_every_boundary_and_rows_begin_at_sentence_starts(make_tokens):
    tokens = make_tokens(300, line=9)
    rows = make_rows(tokens, sentences=True)
    windows, _ = read(rows, rows.count_windows(0))
    for window in windows:
        assert torch.equal(window.resets_TB, window.inputs_TB == BOUNDARY_ID)
    for epoch in range(5):
        first, _ = rows.read_window(Position(epoch, 0), 0)
        lines = set(np.flatnonzero(tokens == BOUNDARY_ID) + 1) | {0}
        begins = [np.flatnonzero(tokens == int(token)) for token in first.targets_TB[0]]
        assert all(lines & set(begin.tolist()) for begin in begins)


def test_rows_ignore_sentence_starts_if_lines_are_too_long(make_tokens):
    tokens = make_tokens(300)
    tokens[290] = BOUNDARY_ID
    assert make_rows(tokens, sentences=True).count_windows(0) == (300 - 4) // 3 // 5


def test_running_text_resets_at_boundaries_every_thousand_tokens_on_average(make_tokens):
    tokens = make_tokens(60_000, line=39)
    rows = make_rows(tokens, batch_size=10, bptt=100)
    windows, _ = read(rows, rows.count_windows(0))
    resets = torch.stack([window.resets_TB for window in windows]).sum().item() - 10
    assert 60 * 0.6 < resets < 60 * 1.4  # about 60, with a standard deviation of about 8
    before = torch.cat([w.targets_TB for w in windows])[:-1]
    inner = torch.cat([w.resets_TB for w in windows])[1:]
    assert (before[inner] == BOUNDARY_ID).all()


def test_running_text_with_few_boundaries_resets_anywhere(make_tokens):
    assert ResetRule.choose(make_tokens(5000, line=2000), sentences=False) == ResetRule(0.0, 0.001)
    assert ResetRule.choose(make_tokens(5000), sentences=False) == ResetRule(0.0, 0.001)
    assert ResetRule.choose(make_tokens(5000, line=49), sentences=False) == ResetRule(0.05, 0.0)


def test_a_window_depends_only_on_its_position_and_step(make_tokens):
    rows = make_rows(make_tokens(300, line=9))
    windows, _ = read(rows, 8)
    other = make_rows(make_tokens(300, line=9))
    position = START
    for _ in range(5):
        _, position = other.read_window(position, 99)  # another path to the same place
    window, _ = other.read_window(position, 5)
    for tensor, expected in zip(window, windows[5], strict=True):
        assert torch.equal(tensor, expected)


def test_offsets_differ_between_epochs_and_seeds(make_tokens):
    tokens = make_tokens(300)

    def first_target(epoch, seed):
        window, _ = make_rows(tokens, seed=seed).read_window(Position(epoch, 0), 0)
        return int(window.targets_TB[0, 0])

    for firsts in ({first_target(epoch, 1) for epoch in range(20)},
                   {first_target(0, seed) for seed in range(20)}):
        assert len(firsts) > 2 and firsts <= set(tokens[:5].tolist())


@given(st.integers(16, 10**7), st.integers(1, 500), st.integers(1, 500))
def test_a_small_text_reduces_the_batch_to_eight_windows_an_epoch(
    make_tokens, num_tokens, batch_size, bptt
):
    small_batch, small_window = shrink(num_tokens, batch_size=batch_size, bptt=bptt)
    assert 1 <= small_batch <= batch_size and 1 <= small_window <= bptt
    assert num_tokens >= 8 * small_batch * small_window
    if num_tokens >= 8 * batch_size * bptt:
        assert (small_batch, small_window) == (batch_size, bptt)
    make_rows(make_tokens(min(num_tokens, 1000)), batch_size=1, bptt=1).read_window(START, 0)


@pytest.mark.parametrize("sentences", [False, True])
def test_many_epochs_are_counted_by_laying_out_every_offset_once(
    make_tokens, monkeypatch, sentences
):
    rows = TrainingRows(
        make_tokens(5000, line=9), batch_size=4, bptt=16, sentences=sentences, seed=3
    )
    expected = [rows._lay_rows(epoch).num_windows for epoch in range(50)]
    laid, usual = [], TrainingRows._lay_rows_from
    monkeypatch.setattr(
        TrainingRows, "_lay_rows_from",
        lambda self, offset: laid.append(offset) or usual(self, offset),
    )
    assert [rows.count_windows(epoch) for epoch in range(50)] == expected
    assert len(laid) == len(set(laid)) <= 16
