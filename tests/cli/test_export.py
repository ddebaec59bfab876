"""`rnnlm export`: what it prints, and what it overwrites."""

import os
from typing import get_args

import pytest
import torch
from safetensors.torch import save_file

from rnnlm_cli.config import CellName
from rnnlm_cli.model_file import load_model
from rnnlm_cli.weights_file import load_weights
from tests.builders import save_tiny

INPUTS_TB = torch.tensor([[3, 1, 6], [2, 5, 4]])


@pytest.mark.parametrize("cell", get_args(CellName))
@pytest.mark.parametrize("name", ["weights", "it's \\ \n new"])
def test_what_export_prints_reads_the_file_when_it_is_typed(
    run, make_network, tmp_path, monkeypatch, cell, name
):
    monkeypatch.chdir(tmp_path)
    model_path = save_tiny(make_network, tmp_path / "tiny", cell=cell)
    code, out, err = run("export", name, "-m", "tiny")
    first, *typed, note = err.splitlines()
    assert (code, out, note[:12]) == (0, "", "rnnlm: note:")
    assert first.endswith(": read it in PyTorch with")
    names = {}
    exec("\n".join(line.removeprefix("    ") for line in typed), names)
    module, network = names["module"], load_model(model_path).network
    y_TBH, _ = module.rnn(module.embedding(INPUTS_TB))
    logits_TBV, _ = network(INPUTS_TB, network.initial_state(3))
    torch.testing.assert_close(module.output(y_TBH)[..., 1:], logits_TBV[..., 1:])  # not <unk>


def test_export_overwrites_its_own_exports_and_nothing_else(run, model_path, tmp_path):
    (tmp_path / "empty").touch()
    for name in ("new", "new", "empty"):
        assert run("export", name)[0] == 0
        assert load_weights(tmp_path / name).config.cell == "lstm"
    (tmp_path / "text").write_text("To be, or not to be")
    (tmp_path / "cut").write_bytes((tmp_path / "new").read_bytes()[:-1])
    os.mkfifo(tmp_path / "pipe")
    other = "other"
    save_file({"other": torch.zeros(1)}, tmp_path / other)
    kept = {name: (tmp_path / name).read_bytes() for name in ("text", "cut", "model.rnnlm", other)}
    for name in (*kept, "pipe", "none/new", "."):
        code, out, err = run("export", name)
        assert (code, out) == (1, "") and err.startswith(f"rnnlm: error: {name}: ")
        assert err.count("hoose another OUT") == 1 and err.endswith("--force\n") == (name in kept)
    assert kept == {name: (tmp_path / name).read_bytes() for name in kept}
    assert run("export", "--force", other)[0] == 0
    assert load_weights(tmp_path / other).config.cell == "lstm"
    assert run("export", "--force", "model.rnnlm")[0] == 1  # the command reads it
