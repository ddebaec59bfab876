"""What an evaluation reads: every token once, each row from a reset."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnlm_cli.config import BOUNDARY_ID
from rnnlm_cli.score.rows import DocumentRows, evaluation_window, pack_sentences
from tests.test_windows import stream


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 5))
def test_packed_sentences_stand_whole_each_from_a_reset(sizes, max_rows):
    sentences = [stream(size) for size in sizes]
    packed, slots = pack_sentences(sentences, max_rows=max_rows)
    rows = packed.whole
    assert rows.targets_LB.shape[1] <= max_rows
    assert rows.counted_LB.sum() == sum(sizes)
    for sentence, (row, begin) in zip(sentences, slots, strict=True):
        end = begin + len(sentence)
        assert rows.targets_LB[begin:end, row].tolist() == sentence.tolist()
        resets = rows.resets_LB[begin:end, row].tolist()
        assert resets == [position == 0 for position in range(len(sentence))]


def test_packing_wastes_little():
    sizes = [1 + (index * 37) % 40 for index in range(200)]
    rows, _ = pack_sentences([stream(size) for size in sizes], max_rows=16)
    assert rows.whole.counted_LB.mean() > 0.97


def test_a_document_in_rows_counts_every_token_once_after_a_warm_up():
    tokens = stream(50, vocab_size=100)
    document = DocumentRows(tokens, range(0, 50, 20), 20, warm_up=8, reset_every=None)
    rows = document.read(0, 28)
    counted = rows.targets_LB.T[rows.counted_LB.T]
    assert counted.tolist() == tokens.tolist()
    window, counted_TB = evaluation_window(document, 0, 28)
    assert (counted_TB == rows.counted_LB).all()
    assert window.targets_TB[:8, 1].tolist() == tokens[12:20].tolist()  # its warm-up
    assert window.resets_TB.sum(dim=0).tolist()[1] == 1  # only where it begins
    assert window.resets_TB[8, 0] and window.inputs_TB[8, 0] == BOUNDARY_ID


def test_cold_windows_reset_at_every_multiple():
    tokens = stream(50)
    rows = DocumentRows(tokens, [0, 24], 24, warm_up=0, reset_every=8)
    assert np.flatnonzero(rows.read(0, 24).resets_LB[:, 0]).tolist() == [0, 8, 16]


@pytest.mark.parametrize(("begin", "end"), [(0, 4), (4, 9)])
def test_evaluation_windows_read_the_target_before(begin, end):
    rows = DocumentRows(stream(9), [0], 9, warm_up=0, reset_every=None)
    window, _ = evaluation_window(rows, begin, end)
    expected = [BOUNDARY_ID, *stream(9)[:-1].tolist()][begin:end]
    assert window.inputs_TB[:, 0].tolist() == expected
