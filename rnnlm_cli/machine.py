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

PROCESSORS_FOLDER = Path("/sys/devices/system/cpu")
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


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


def count_physical_cores(processors_folder: Path = PROCESSORS_FOLDER) -> int:
    """Count the cores that this process may use.

    Two processors that share a core count once, because a second thread on a core gains nothing.

    Args:
        processors_folder: the folder with Linux's list of the processors that share a core. If it
            is missing, the processors are counted.
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


def total_memory(device: torch.device) -> int | None:
    """Return the memory of a device in bytes, or None if the system does not say."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    if not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
