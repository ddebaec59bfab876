"""Where the tensors live, and how the processor is set up."""

import ctypes
import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch

from rnnlm_cli.config import MachineConfig
from rnnlm_cli.errors import ConfigError

PROCESSORS_FOLDER = Path("/sys/devices/system/cpu")
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


def prepare_machine(config: MachineConfig) -> torch.device:
    """Set up threads and denormals, and return the device: by default CUDA, if there is one.

    To be called before any other tensor work: changing the number of threads later could change
    how a sum is split, and with it the last bit of a result.

    Raises: ConfigError for a device that this machine does not have, naming those that it has.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(physical_cores())
    _keep_freed_memory()
    torch.set_flush_denormal(True)  # states that fade to 1e-40 would slow a step many times over
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
    """What it rests on that the same steps give the same bits."""
    on_cuda = device.type == "cuda"
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "processor": platform.machine(),
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if on_cuda else "cpu",
    }


def physical_cores(processors_folder: Path = PROCESSORS_FOLDER) -> int:
    """Cores this process may use, each counted once: a second thread on a core only waits for it.

    Args:
        processors_folder: where Linux tells which processors share a core; where nothing stands,
            processors are counted.
    """
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    processors = os.sched_getaffinity(0)
    try:
        cores = {
            (processors_folder / f"cpu{each}/topology/thread_siblings_list").read_text("ascii")
            for each in processors
        }
    except OSError:
        return len(processors)
    return len(cores)


def _keep_freed_memory() -> None:
    """Have glibc hand freed blocks out again instead of giving them back to the system.

    Tensors of some megabytes come and go in every step; fetching them anew from the system each
    time, page by page, takes up to a quarter of it.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has one
    if mallopt is not None:
        for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            mallopt(option, 1 << 30)


def total_memory(device: torch.device) -> int | None:
    """The memory of a device in bytes; None where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    if not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
