"""Devices: choose the device of a slot, measure its peak memory, and explain memory errors."""

import errno
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from hinet_search.common.errors import EnvironmentFault
from hinet_search.executors.processes.environment import VISIBLE_GPUS

Wanted = Literal["auto", "cpu", "cuda"]
# Words by which torch's RuntimeErrors say that memory ran out.
NO_MEMORY = ("DefaultCPUAllocator", "std::bad_alloc", "CUBLAS_STATUS_ALLOC_FAILED")
SMALLER_TRAINING = "a smaller train.batch_size or fewer slots need less"


class OutOfMemory(MemoryError):
    """Memory ran out; the message says for what, where, and what needs less."""


@dataclass(frozen=True)
class ChosenDevice:
    """A device, and a note for the user when `auto` falls back to the CPU."""

    device: torch.device
    note: str = ""


def choose_device(wanted: Wanted) -> ChosenDevice:
    """Return the device to train on.

    `auto` takes CUDA if there is a device, and otherwise the CPU with a note.
    Errors: EnvironmentFault when `cuda` is requested and there is no device.
    """
    if wanted == "cpu":
        return ChosenDevice(torch.device("cpu"))
    if torch.cuda.is_available():
        # With its number, since tensors on it say `cuda:0`, which is not equal to `cuda`.
        return ChosenDevice(torch.device("cuda", 0))
    why = f"torch {torch.__version__} sees no CUDA device with {_visible_devices()}"
    if wanted == "auto":
        note = f"device auto: training on the CPU, because {why}"
        return ChosenDevice(torch.device("cpu"), note)
    raise EnvironmentFault(
        f"device: cuda needs a CUDA device, but {why}",
        remedy="Set CUDA_VISIBLE_DEVICES to a device that nvidia-smi lists and install a CUDA "
        "build of torch, or use device: auto.",
    )


def begin_peak_memory(device: torch.device) -> None:
    """Start a new measurement of peak memory, so that a long-lived slot measures each trial."""
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]  # before it, no device has a number
        torch.cuda.reset_peak_memory_stats(device)
        return
    # On Linux, writing 5 resets the high-water mark; elsewhere the peak is that of the process.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory_bytes(device: torch.device) -> int:
    """Return the peak memory since `begin_peak_memory`.

    On CUDA: torch's allocations. On the CPU: the resident memory of the process. Both include the
    data: a copy on the device, or the mapped pages that all slots share.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="ascii").splitlines()
        high_water_mark = next(line for line in lines if line.startswith("VmHWM:"))
        return int(high_water_mark.split()[1]) * 1024
    peak_rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak_rss if sys.platform == "darwin" else peak_rss * 1024


@contextmanager
def memory_errors_explained(
    device: torch.device, work: str, remedy: str = SMALLER_TRAINING
) -> Iterator[None]:
    """Raise out-of-memory errors inside as OutOfMemory with work, device and remedy.

    `work` says how much was requested, such as `batch size 8,192`. What was explained inside stays.
    """
    try:
        yield
    except OutOfMemory:
        raise
    except (MemoryError, RuntimeError, OSError) as error:
        if not _is_out_of_memory(error):
            raise
        reason = str(error).partition("\n")[0] or "out of memory"
        raise OutOfMemory(f"{work} on {device} ({reason}); {remedy}") from error


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether an error means that memory ran out; on the CPU torch has no class for it."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error) for words in NO_MEMORY)


def _visible_devices() -> str:
    visible = os.environ.get(VISIBLE_GPUS)
    if visible is None:
        return f"{VISIBLE_GPUS} not set"
    return f"{VISIBLE_GPUS}={visible!r}"
