"""The choice of the device, and the number of cores."""

import os

import pytest
import torch

from rnnlm_cli.config import MachineConfig
from rnnlm_cli.machine import count_physical_cores, prepare_machine


@pytest.fixture
def four_processors(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize(("siblings", "cores"), [
    (["0-1", "0-1", "2-3", "2-3"], 2), (["0,2", "1,3", "0,2", "1,3"], 2),
    (["0", "1", "2", "3"], 4), ([], 4),
])
def test_processors_that_share_a_core_count_once(tmp_path, four_processors, siblings, cores):
    write(tmp_path, {
        f"sys/devices/system/cpu/cpu{index}/topology/thread_siblings_list": f"{shared}\n"
        for index, shared in enumerate(siblings)
    })
    assert count_physical_cores(tmp_path) == cores


@pytest.mark.parametrize(("own", "files", "cores"), [
    # version 2: in a container, of a service whose slice is limited, and without a limit
    ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
    ("0::/a/b\n", {"a/cpu.max": "150000 50000\n", "a/b/cpu.max": "max 100000\n"}, 3),
    ("0::/a\n", {"a/cpu.max": "max 100000\n"}, 4),
    ("0::/../x\n", {"cpu.max": "100000 100000\n"}, 1),
    # less than one processor, part of one, more than there are, and no numbers
    ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
    ("0::/\n", {"cpu.max": "290000 100000\n"}, 2),
    ("0::/\n", {"cpu.max": "6400000 100000\n"}, 4),
    ("0::/\n", {"cpu.max": "1 0\n"}, 4),
    ("0::/\n", {"cpu.max": "?\n"}, 4),
    # version 1: in a container, which sees its group at the top, and on the host
    (
        "4:memory:/docker/f\n3:cpu,cpuacct:/docker/f\n0::/\n",
        {"cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
         "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 2,
    ),
    (
        "1:cpu:/a\n", {"cpu/a/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_quota_us": "-1\n",
                       "cpu/a/cpu.cfs_period_us": "100000\n", "cpu/cpu.cfs_period_us": "1\n"}, 3,
    ),
    ("1:cpuset:/a\n", {"cpuset/a/cpu.max": "100000 100000\n"}, 4),
])
def test_a_limit_on_processor_time_limits_the_cores(tmp_path, four_processors, own, files, cores):
    write(tmp_path, {"proc/self/cgroup": own})
    write(tmp_path / "sys/fs/cgroup", files)
    assert count_physical_cores(tmp_path) == cores


def test_the_device_is_the_first_cuda_device_if_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert prepare_machine(MachineConfig()) == torch.device("cuda:0")
    assert prepare_machine(MachineConfig(device="cuda:1")) == torch.device("cuda:1")
    assert prepare_machine(MachineConfig(device="cpu")) == torch.device("cpu")
