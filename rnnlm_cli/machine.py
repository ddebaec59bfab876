"""The device, the number of threads, and the memory."""

import ctypes
import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch

from rnnlm_cli.config import MachineConfig
from rnnlm_cli.errors import ConfigError

ROOT = Path("/")
PROCESSORS = "sys/devices/system/cpu"
OWN_CGROUPS, CGROUPS = "proc/self/cgroup", "sys/fs/cgroup"
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h


def prepare_machine(config: MachineConfig) -> torch.device:
    """Set the number of threads, flush denormals to zero, and choose the device.

    Call this before any other work on tensors. A later change of the number of threads could
    change how a sum is split, and with it the last bit of a result.

    Args:
        config: without a device, CUDA if there is a CUDA device; without a number of threads,
            OMP_NUM_THREADS or the number of cores.

    Raises: ConfigError if this machine does not have the device; the message names the devices
        that it has.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(count_physical_cores())
    _keep_freed_memory()
    torch.set_flush_denormal(True)  # hidden states near 1e-40 slow a step many times
    available = ["cpu"] + [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    device = config.device
    if device is None:
        return torch.device(available[min(1, len(available) - 1)])
    name = "cuda:0" if device == "cuda" else device
    if name not in available:
        raise ConfigError(
            f"--device: '{device}' is not on this machine; it has {', '.join(available)}"
        )
    return torch.device(name)


def describe_environment(device: torch.device) -> dict[str, Any]:
    """Describe everything that the bitwise reproducibility of a run depends on."""
    on_cuda = device.type == "cuda"
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "processor": platform.machine(),
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if on_cuda else "cpu",
    }


def count_physical_cores(root: Path = ROOT) -> int:
    """Count the cores that this process may use.

    Two processors that share a core count once, because a second thread on a core gains nothing.
    A container may have a limit on processor time (`docker --cpus=2`). More threads than that
    would be stopped in turns, and would wait for each other.

    Args:
        root: the folder with Linux's /sys and /proc. What is missing there sets no limit.
    """
    cores = _count_cores_of(_list_processors(), root)
    quota = _find_cpu_quota(root)
    return cores if quota is None else max(1, min(cores, int(quota)))


def _list_processors() -> list[int]:
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _count_cores_of(processors: list[int], root: Path) -> int:
    try:
        return len({
            (root / PROCESSORS / f"cpu{each}/topology/thread_siblings_list").read_text("ascii")
            for each in processors
        })
    except OSError:
        return len(processors)


def _find_cpu_quota(root: Path) -> float | None:
    """Return the number of processors whose time the control groups of this process may use.

    A group is also bound by the limits of the groups above it. The path that /proc names may be
    one of the host, which a container does not see; the container's own limit then stands at the
    top of what it sees.

    Returns: the smallest limit; None if there is none.
    """
    quotas = []
    try:
        lines = (root / OWN_CGROUPS).read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        names = ("", "unified") if not controllers else (controllers, "cpu")
        if controllers and "cpu" not in controllers.split(","):
            continue
        parts = [part for part in Path(path).parts if part not in ("/", "..")]
        for top in (root / CGROUPS / name for name in names):
            folders = [top.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
            quotas += [quota for each in folders if (quota := _read_cpu_quota(each)) is not None]
    return min(quotas, default=None)


def _read_cpu_quota(folder: Path) -> float | None:
    """Return the limit of one control group, of version 1 or 2; None if it sets none."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text("ascii").split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text("ascii")
            period = (folder / "cpu.cfs_period_us").read_text("ascii")
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # ValueError: "max", which is no limit
        return None


def _keep_freed_memory() -> None:
    """Make glibc keep freed blocks of memory, instead of returning them to the system.

    Every training step allocates and frees tensors of some megabytes. Without this, the system
    provides that memory anew each time, page by page, which takes up to a quarter of a step.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # only glibc has it
    if mallopt is not None:
        for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            mallopt(option, 1 << 30)
        mallopt(M_ARENA_MAX, 1)  # of several arenas, those of other threads give memory back


def total_memory(device: torch.device) -> int | None:
    """Return the memory of a device in bytes, or None if the system does not say."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    if not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
