"""Every kind of out-of-memory error becomes one message with a remedy."""

import errno

import numpy as np
import pytest
import torch

from hinet_search.training.device import memory_errors_explained

CPU = torch.device("cpu")
TOO_MANY = 2**50


def on_the_cpu() -> None:
    torch.empty(TOO_MANY)


def in_numpy() -> None:
    np.empty(TOO_MANY)


def on_a_gpu() -> None:
    raise torch.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 20.00 MiB.\nSee documentation"
    )


def in_a_library_of_cuda() -> None:
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


def in_c() -> None:
    raise RuntimeError("std::bad_alloc")


def while_a_file_is_mapped() -> None:
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


@pytest.mark.parametrize(
    "run_out", [on_the_cpu, in_numpy, on_a_gpu, in_a_library_of_cuda, in_c, while_a_file_is_mapped]
)
def test_running_out_of_memory_is_reported_with_batch_size_and_remedy(run_out) -> None:
    remedy = r"a smaller train\.batch_size or fewer slots need less"
    message = rf"^batch size 8,192 on cpu \(.+\); {remedy}$"
    with (
        pytest.raises(MemoryError, match=message),
        memory_errors_explained(CPU, "batch size 8,192"),
    ):
        run_out()


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes do not fit"), OSError(errno.ENOSPC, "no space")]
)
def test_another_error_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, memory_errors_explained(CPU, "batch size 8,192"):
        raise error
    assert caught.value is error
