"""The choice of the device, and the number of cores."""

import os

import pytest
import torch

from rnnlm_cli.config import MachineConfig
from rnnlm_cli.machine import count_physical_cores, prepare_machine


@pytest.mark.parametrize(("siblings", "cores"), [
    (["0-1", "0-1", "2-3", "2-3"], 2), (["0,2", "1,3", "0,2", "1,3"], 2),
    (["0", "1", "2", "3"], 4), ([], 4),
])
def test_processors_that_share_a_core_count_once(tmp_path, monkeypatch, siblings, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    for index, shared in enumerate(siblings):
        folder = tmp_path / f"cpu{index}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{shared}\n")
    assert count_physical_cores(tmp_path) == cores


def test_the_device_is_the_first_cuda_device_if_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert prepare_machine(MachineConfig()) == torch.device("cuda:0")
    assert prepare_machine(MachineConfig(device="cuda:1")) == torch.device("cuda:1")
    assert prepare_machine(MachineConfig(device="cpu")) == torch.device("cpu")
