"""Device errors: what a slot does if its device runs out of memory or fails, and between jobs."""

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

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
        ended: BaseException | None = error
        while ended is not None:  # the functions that it ended hold models, activations, moments
            traceback.clear_frames(ended.__traceback__)
            ended = ended.__cause__
        raise
    except RuntimeError as error:
        is_of_device = isinstance(error, torch.AcceleratorError)
        is_of_device = is_of_device or any(words in str(error) for words in FAILED)
        if not is_of_device:
            raise
        # The device would fail again in this process. Another one resumes from the checkpoint.
        reason = str(error).splitlines()[0]
        link.notice(f"{device} failed in this process, which ends: {reason}")
        os._exit(DEVICE_LOST)
    finally:
        torch.cuda.empty_cache()  # nothing without CUDA
