"""Rows to evaluate: they count every token once, and each begins with a reset."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnlm_cli.config import BOUNDARY_ID
from rnnlm_cli.score.rows import DocumentRows, pack_sentences, read_windows


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 5))
def test_packed_sentences_are_whole_and_begin_with_a_reset(make_tokens, sizes, max_rows):
    sentences = [make_tokens(size) for size in sizes]
    packed, slots = pack_sentences(sentences, max_rows=max_rows)
    rows = packed.whole
    assert rows.targets_LB.shape[1] <= max_rows
    assert rows.counted_LB.sum() == sum(sizes)
    for sentence, (row, begin) in zip(sentences, slots, strict=True):
        end = begin + len(sentence)
        assert rows.targets_LB[begin:end, row].tolist() == sentence.tolist()
        resets = rows.resets_LB[begin:end, row].tolist()
        assert resets == [position == 0 for position in range(len(sentence))]


def test_packing_leaves_little_space_unused(make_tokens):
    sizes = [1 + (index * 37) % 40 for index in range(200)]
    rows, _ = pack_sentences([make_tokens(size) for size in sizes], max_rows=16)
    assert rows.whole.counted_LB.mean() > 0.97


def test_document_rows_count_every_token_once_and_no_warm_up(make_tokens):
    tokens = make_tokens(50, vocab_size=100)
    document = DocumentRows(tokens, range(0, 50, 20), 20, warm_up=8, reset_every=None)
    rows = document.read(0, 28)
    counted = rows.targets_LB.T[rows.counted_LB.T]
    assert counted.tolist() == tokens.tolist()
    window, counted_TB = next(read_windows(document, 28))
    assert (counted_TB == rows.counted_LB).all()
    assert window.targets_TB[:8, 1].tolist() == tokens[12:20].tolist()  # its warm-up
    assert window.resets_TB.sum(dim=0).tolist()[1] == 1  # only where it begins
    assert window.resets_TB[8, 0] and window.inputs_TB[8, 0] == BOUNDARY_ID


def test_cold_windows_reset_at_every_multiple_of_their_size(make_tokens):
    tokens = make_tokens(50)
    rows = DocumentRows(tokens, [0, 24], 24, warm_up=0, reset_every=8)
    assert np.flatnonzero(rows.read(0, 24).resets_LB[:, 0]).tolist() == [0, 8, 16]


@pytest.mark.parametrize("size", [1, 4, 9, 20])
def test_windows_of_any_size_read_the_target_before_each_position(make_tokens, size):
    tokens = make_tokens(9)
    rows = DocumentRows(tokens, [0], 9, warm_up=0, reset_every=None)
    windows = list(read_windows(rows, size))
    assert all(len(window.targets_TB) <= size for window, _ in windows)
    read = [token for window, _ in windows for token in window.inputs_TB[:, 0].tolist()]
    predicted = [token for window, _ in windows for token in window.targets_TB[:, 0].tolist()]
    assert read == [BOUNDARY_ID, *tokens[:-1].tolist()]
    assert predicted == tokens.tolist()
    assert sum(counted_TB.sum() for _, counted_TB in windows) == 9
