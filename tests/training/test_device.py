"""Devices are chosen, measured and sorted on; every kind of out-of-memory error has one message."""

import errno
from functools import partial

import numpy as np
import pytest
import torch
from fake_models import CPU, DATA
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.common.errors import EnvironmentFault
from hinet_search.training.device import (
    begin_peak_memory,
    choose_device,
    memory_errors_explained,
    peak_memory_bytes,
    sort_on,
    sorted_on,
)
from hinet_search.training.metrics import cell_values

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


def in_pinned_memory() -> None:
    raise torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be")


def in_c() -> None:
    raise RuntimeError("std::bad_alloc")


def while_a_file_is_mapped() -> None:
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


@pytest.mark.parametrize(
    "run_out",
    [
        on_the_cpu,
        in_numpy,
        on_a_gpu,
        in_a_library_of_cuda,
        in_pinned_memory,
        in_c,
        while_a_file_is_mapped,
    ],
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


@pytest.fixture
def without_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")


@pytest.mark.usefixtures("without_cuda")
def test_cuda_without_a_device_is_a_fault_that_names_the_variable():
    with pytest.raises(EnvironmentFault, match="CUDA_VISIBLE_DEVICES='7'"):
        choose_device("cuda")


@pytest.mark.usefixtures("without_cuda")
def test_auto_falls_back_to_the_cpu_with_a_note():
    chosen = choose_device("auto")
    assert chosen.device == CPU
    assert "training on the CPU" in chosen.note


def test_peak_memory_of_the_process_grows_with_what_it_holds():
    begin_peak_memory(CPU)
    before = peak_memory_bytes(CPU)
    held = torch.ones(64 << 20)  # 256 MiB
    assert peak_memory_bytes(CPU) - before > 200 << 20
    del held


def test_a_gpu_has_a_number_as_its_tensors_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one it differs from the device of its tensors, and every feed would be copied again."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for wanted in ("auto", "cuda"):
        assert choose_device(wanted).device == torch.device("cuda:0") != torch.device("cuda")


def test_peak_memory_is_reset_on_a_device_that_is_initialised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(torch.cuda, "init", lambda: calls.append("init"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: calls.append("reset"))
    begin_peak_memory(torch.device("cuda", 0))
    assert calls == ["init", "reset"]


DEVICE = torch.device("cuda", 0) if torch.cuda.is_available() else CPU


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_keys_of_any_64_bits_are_sorted_as_unsigned_numbers(keys: list[int]) -> None:
    key_R = np.array(keys, dtype=np.uint64)
    assert np.array_equal(sorted_on(DEVICE, key_R), np.sort(key_R))


def test_metrics_do_not_depend_on_where_their_keys_are_sorted() -> None:
    scores_RT = np.random.default_rng(0).normal(size=DATA.valid.labels_RT.shape).astype(np.float32)
    given_rows = scores_RT, DATA.valid, DATA.full_schema.cells
    assert cell_values(*given_rows, partial(sorted_on, DEVICE)) == cell_values(*given_rows)


def test_on_the_cpu_numpy_sorts() -> None:
    assert sort_on(CPU) is np.sort
