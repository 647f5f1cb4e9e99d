"""Devices: which one a slot trains on, and how much of its memory was used at most."""

import os
import resource
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from hinet_search.errors import EnvironmentFault

Wanted = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class ChosenDevice:
    """A device, and a note for the user when it is not the one that `auto` hopes for."""

    device: torch.device
    note: str = ""


def choose_device(wanted: Wanted) -> ChosenDevice:
    """The device to train on; EnvironmentFault when `cuda` is asked for and there is none.

    `auto` takes CUDA where there is one; else it falls back to the CPU and says so in `note`.
    """
    if wanted == "cpu":
        return ChosenDevice(torch.device("cpu"))
    if torch.cuda.is_available():
        return ChosenDevice(torch.device("cuda"))
    why = f"torch {torch.__version__} sees no CUDA device with {_visible_devices()}"
    if wanted == "auto":
        return ChosenDevice(torch.device("cpu"), note=f"device auto: training on the CPU, for {why}")
    raise EnvironmentFault(
        f"device: cuda needs a CUDA device, but {why}",
        remedy="Set CUDA_VISIBLE_DEVICES to a device that nvidia-smi lists and install a CUDA build of torch, or use "
        "device: auto.",
    )


def begin_peak_memory(device: torch.device) -> None:
    """Starts a new measurement of peak memory, so that a long-lived slot tells its trials apart."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    # Linux resets its high-water mark for the digit 5; elsewhere the peak stays that of the process's whole life.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory_bytes(device: torch.device) -> int:
    """Peak since `begin_peak_memory`: of torch's allocations on CUDA, of the process's resident memory on CPU.

    Both hold the columns: a copy on the device, on a CPU the mapped pages that all slots share.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024
    peak_rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak_rss if sys.platform == "darwin" else peak_rss * 1024


def _visible_devices() -> str:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return "CUDA_VISIBLE_DEVICES not set" if visible is None else f"CUDA_VISIBLE_DEVICES={visible!r}"
