"""The lines of `rnnlm bench` and their ratios. No test asserts a time."""

import json

import pytest
import torch

from rnnlm_cli.bench import comparisons
from rnnlm_cli.bench.comparisons import Bench
from rnnlm_cli.nn.cells import CELLS
from rnnlm_cli.nn.choice import load_fused
from rnnlm_cli.nn.matmul import supports_bfloat16

CPU = torch.device("cpu")
SMALL = {
    "LAYER_SHAPES": ((3, 2, 5), (2, 3, 4)),
    "GENERATION_SIZES": ((2, 5), (1, 4)),
    "NUM_ROWS": (1, 3),
    "VOCABULARIES": (30, 40),
    "NUM_SAMPLED_CLASSES": 8,
    "PRECISION_SIZES": (5,),
}


def has_precisions():
    """Return whether generation has other precisions than float32 on this machine."""
    return supports_bfloat16(CPU) or load_fused() is not None


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for name, value in SMALL.items():
        monkeypatch.setattr(comparisons, name, value)
    monkeypatch.setattr("rnnlm_cli.cli.bench.SECONDS", 0.0)


def test_every_cell_and_size_has_a_line_with_the_ratios_of_its_timings(run):
    code, out, _ = run("bench", "--json")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    named = {(row["what"], row["shape"]) for row in rows}
    generation = 2 * 2 + 2 + 2 * has_precisions()  # steps, sampling, precisions
    assert len(named) == len(rows)
    assert len(rows) == 2 * 2 * len(CELLS) + generation + 2 + supports_bfloat16(CPU)
    for row in rows:
        seconds = {name: timing["seconds"] for name, timing in row["timings"].items()}
        for name, ratio in row["ratios"].items():
            above, below = name.split(" / ")
            assert ratio == pytest.approx(seconds[above] / seconds[below])


def test_the_table_has_a_heading_for_its_columns_and_a_line_for_every_comparison(run):
    code, out, err = run("bench")
    assert code == 0 and "PyTorch" in err
    lines = out.splitlines()
    assert lines[0].split() == "torch.nn ours products torch.nn / ours products / ours".split()
    generation = 2 * 2 + (1 + 2) + (1 + 2) * has_precisions()  # with headings of their own
    training = (1 + 2) + 2 * supports_bfloat16(CPU)
    assert len(lines) == 1 + 2 * 2 * len(CELLS) + generation + training
    assert max(map(len, lines)) < 140


def test_a_model_is_measured_with_its_own_cell_and_sizes(make_network):
    rows = list(Bench(torch.device("cpu"), seconds=0).compare_model(make_network(cell="gru"), {}))
    assert {row.what.split()[0] for row in rows} == {"gru", "training"}
    assert all("5" in row.shape for row in rows)
    steps = [row for row in rows if row.what == "training step"]
    assert len(steps) == 1
    assert steps[0].timings.keys() == {"full"}  # 7 classes are too few for a sample
