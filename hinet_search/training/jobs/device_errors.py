"""Device errors: what a slot does if its device runs out of memory or fails, and between jobs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import torch

from hinet_search.training.device import memory_errors_explained
from hinet_search.training.feed import forget_copies
from hinet_search.training.jobs.coordinator_link import CoordinatorLink

DEVICE_LOST = 75  # exit code
# Words by which torch's plain RuntimeErrors say that a device failed; those of memory come before.
FAILED = ("CUDA error", "CUBLAS_STATUS_", "CUDNN_STATUS_", "cuDNN error")


@contextmanager
def device_errors(device: torch.device, work: str, link: CoordinatorLink) -> Iterator[None]:
    """Explain memory errors and free what a smaller trial could use; end with a failed device.

    `work` says how much was requested, as for `memory_errors_explained`.
    """
    try:
        with memory_errors_explained(device, work):
            yield
    except MemoryError:
        forget_copies()  # so that a smaller trial fits
        raise
    except RuntimeError as error:
        if not _is_of_device(error):
            raise
        _end_with_device(device, error, link)
    finally:
        give_back_memory()


def give_back_memory() -> None:
    """Return the memory that torch keeps of what is freed to the device, for other slots on it."""
    torch.cuda.empty_cache()  # nothing without CUDA


def _is_of_device(error: RuntimeError) -> bool:
    return isinstance(error, torch.AcceleratorError) or any(words in str(error) for words in FAILED)


def _end_with_device(device: torch.device, error: Exception, link: CoordinatorLink) -> NoReturn:
    """End this process: its device would fail again. Another one resumes from the checkpoint."""
    link.notice(f"{device} failed in this process, which ends: {str(error).splitlines()[0]}")
    os._exit(DEVICE_LOST)
