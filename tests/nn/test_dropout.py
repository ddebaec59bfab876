"""Dropout masks."""

import pytest
import torch

from rnnlm_cli.nn.dropout import DropoutSource, apply_dropout, apply_token_dropout, hash_tokens

MASK = (1 << 64) - 1


def split_mix(counter):
    """Return SplitMix64 of a counter, in Python's integers."""
    z = (counter * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def test_dropout_keeps_the_mean():
    x = torch.ones(100, 10, 40, dtype=torch.float64)
    dropped = apply_dropout(x, 0.4, DropoutSource(1, 0), 0)
    assert set(dropped.unique().tolist()) == {0.0, 1 / 0.6}
    assert abs(dropped.mean().item() - 1) < 0.02  # five standard deviations


@pytest.mark.parametrize("key", [0, 12345, (1 << 62) - 1])
def test_hashes_equal_those_of_python_integers(key):
    ids, size = torch.tensor([[0, 1], [7, 99_999]]), 6
    hashes = hash_tokens(ids, size, key)
    for row, id_ in enumerate(ids.flatten().tolist()):
        for column in range(size):
            z = split_mix(id_ * 2 + column // 4 + key)
            assert hashes.view(4, size)[row, column] == (z >> 16 * (column % 4)) & 0xFFFF


def test_a_token_has_one_mask_whatever_stands_beside_it():
    """Also for other windows and batches; another step has another mask."""
    ids = torch.tensor([[3, 1, 3], [2, 3, 1]])
    x = torch.ones(2, 3, 10)
    drop = apply_token_dropout(x, ids, 0.5, DropoutSource(1, 4))
    assert torch.equal(drop[0, 0], drop[0, 2]) and torch.equal(drop[0, 0], drop[1, 1])
    alone = apply_token_dropout(x[0, :1], ids[0, :1], 0.5, DropoutSource(1, 4))
    assert torch.equal(alone[0], drop[0, 0])
    whole = apply_token_dropout(torch.ones(9, 10), torch.arange(9), 0.5, DropoutSource(1, 4))
    assert torch.equal(whole[ids], drop)
    other = apply_token_dropout(x, ids, 0.5, DropoutSource(1, 5))
    assert not torch.equal(other, drop)


def test_token_dropout_keeps_the_mean_of_every_token_and_column():
    x = torch.ones(1000, 400, dtype=torch.float64)
    dropped = apply_token_dropout(x, torch.arange(1000), 0.3, DropoutSource(1, 0))
    assert len(dropped.unique()) == 2
    assert abs(dropped.mean().item() - 1) < 0.006  # six standard deviations
    assert (dropped.mean(dim=0) - 1).abs().max() < 0.12
    assert (dropped.mean(dim=1) - 1).abs().max() < 0.2
    kept = (dropped > 0).double()
    neighbours = torch.corrcoef(kept.T)[0, 1:]
    assert neighbours.abs().max() < 0.17  # five standard deviations


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_token_dropout_keeps_shape_type_and_device(device):
    x = torch.ones(5, 3, 7, dtype=torch.float64, device=device)
    ids = torch.zeros(5, 3, dtype=torch.int64, device=device)
    dropped = apply_token_dropout(x, ids, 0.5, DropoutSource(1, 0))
    assert (dropped.shape, dropped.dtype, dropped.device) == (x.shape, x.dtype, x.device)


def test_the_mask_of_a_row_depends_on_its_number_in_the_batch_alone():
    """And on the window and the layer, so that threads can share a batch in any way."""
    x = torch.ones(6, 5, 7)
    whole = apply_dropout(x, 0.5, DropoutSource(1, 4), 2)
    parts = [
        apply_dropout(x[:, rows], 0.5, DropoutSource(1, 4, rows.start), 2)
        for rows in (slice(0, 1), slice(1, 4), slice(4, 5))
    ]
    assert torch.equal(torch.cat(parts, dim=1), whole)
    assert not torch.equal(whole[:, 0], whole[:, 1])
    for source, place in ((DropoutSource(1, 4), 1), (DropoutSource(1, 5), 2)):
        assert not torch.equal(apply_dropout(x, 0.5, source, place), whole)


def test_without_a_source_nothing_is_dropped():
    x, ids = torch.ones(3, 4), torch.arange(3)
    assert apply_token_dropout(x, ids, 0.5, None) is x
    assert apply_token_dropout(x, ids, 0.0, DropoutSource(1, 0)) is x
