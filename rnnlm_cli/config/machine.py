"""The machine: processor threads and device."""

from dataclasses import dataclass
from typing import Literal

from rnnlm_cli.config.option import Config, option, whole_number

MAX_THREADS = 4096

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class MachineConfig(Config):
    """The device of the tensors and the number of processor threads; None chooses them."""

    threads: int | None = option(
        None, "Number of processor threads.", whole_number(1, MAX_THREADS), panel="Machine",
        default_text="one per core",
    )
    device: str | None = option(
        None, "Device: cpu, cuda or cuda:N.", panel="Machine", default_text="cuda if available",
    )
