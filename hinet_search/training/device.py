"""Devices: choose one for a slot, measure its peak memory, explain memory errors, sort on it."""

import errno
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from hinet_search.common.errors import EnvironmentFault
from hinet_search.executors.processes.environment import VISIBLE_GPUS
from hinet_search.results.statistics.scored_cell import Sort

Wanted = Literal["auto", "cpu", "cuda"]
# Words by which torch's RuntimeErrors say that memory ran out.
NO_MEMORY = (
    "DefaultCPUAllocator",
    "std::bad_alloc",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDA error: out of memory",  # of pinned memory and contexts
)
HIGHEST_BIT = np.uint64(1) << np.uint64(63)
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
    visible = f"{VISIBLE_GPUS} not set"
    if VISIBLE_GPUS in os.environ:
        visible = f"{VISIBLE_GPUS}={os.environ[VISIBLE_GPUS]!r}"
    why = f"torch {torch.__version__} sees no CUDA device with {visible}"
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


def sort_on(device: torch.device) -> Sort:
    """Return a function that sorts the keys of metrics, on the device unless that is the CPU."""
    return np.sort if device.type == "cpu" else lambda key_R: sorted_on(device, key_R)


def sorted_on(device: torch.device, key_R: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the keys in ascending order.

    torch sorts signed integers only: without their highest bit, keys keep their order as such.
    """
    signed_R = torch.from_numpy((key_R ^ HIGHEST_BIT).view(np.int64)).to(device)
    sorted_R: NDArray[np.int64] = signed_R.sort().values.cpu().numpy()
    return sorted_R.view(np.uint64) ^ HIGHEST_BIT
