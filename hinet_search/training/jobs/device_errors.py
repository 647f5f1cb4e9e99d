"""Device errors: what a slot does if its device runs out of memory or fails, and between jobs."""

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import torch

from hinet_search.training.device import memory_errors_explained
from hinet_search.training.feed import forget_copies
from hinet_search.training.jobs.messages import CoordinatorLink

DEVICE_LOST = 75  # exit code
# Words by which torch's plain RuntimeErrors say that a device failed. A status such as
# CUBLAS_STATUS_NOT_SUPPORTED is of a configuration, not of the device.
FAILED = ("_STATUS_EXECUTION_FAILED", "_STATUS_INTERNAL_ERROR", "_STATUS_MAPPING_ERROR")


@contextmanager
def device_errors(device: torch.device, work: str, link: CoordinatorLink) -> Iterator[None]:
    """Explain memory errors and free what a smaller trial could use; end with a failed device.

    `work` says how much was requested, as for `memory_errors_explained`. Afterwards the memory that
    torch keeps of what is freed goes back to the device, for other slots on it. What the function
    around still holds does not, so its models belong into a function that it calls.
    """
    try:
        with memory_errors_explained(device, work):
            yield
    except MemoryError as error:
        forget_copies()  # so that a smaller trial fits
        _forget_variables(error)
        raise
    except RuntimeError as error:
        if not _is_of_device(error):
            raise
        _end_with_device(device, error, link)
    finally:
        torch.cuda.empty_cache()  # nothing without CUDA


def _forget_variables(error: BaseException | None) -> None:
    """Forget those of functions that an error has ended: models, activations, moments."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__


def _is_of_device(error: RuntimeError) -> bool:
    return isinstance(error, torch.AcceleratorError) or any(words in str(error) for words in FAILED)


def _end_with_device(device: torch.device, error: Exception, link: CoordinatorLink) -> NoReturn:
    """End this process: its device would fail again. Another one resumes from the checkpoint."""
    link.notice(f"{device} failed in this process, which ends: {str(error).splitlines()[0]}")
    os._exit(DEVICE_LOST)
