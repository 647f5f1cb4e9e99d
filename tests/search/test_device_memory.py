"""What slots keep on a GPU is counted before a launch, and the remedy is one that helps."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from hinet_search import api
from hinet_search.common.errors import EnvironmentFault
from hinet_search.executors import ray
from hinet_search.search.plan import prepare as module
from hinet_search.search.plan.forecast import ArmPlan, Plan, shortages
from hinet_search.search.plan.prepare import DeviceMemory, bytes_kept
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.device import ChosenDevice
from hinet_search.training.feed import make_feed
from tests.device.simulated import simulated_device
from tests.small import write_study
from tests.training.datasets import separable

GB = 10**9
CUDA = torch.device("cuda", 0)
DATA = separable()


def test_rows_and_trainings_of_all_slots_on_a_gpu_are_counted() -> None:
    assert DeviceMemory(80 * GB, slots=4, data_bytes=10 * GB).shortage(10 * GB) == ""
    assert DeviceMemory(80 * GB, slots=4, data_bytes=10 * GB).shortage(11 * GB) == (
        "device memory: 4 slots on one GPU need 84.0 GB, 10.0 GB of rows and 11.0 GB of a training "
        "each, and it has 80.0 GB: let at most 3 slots share it: fewer slots, or more GPUs"
    )


def test_rows_of_more_than_half_a_gpu_stay_on_the_host_and_are_not_counted() -> None:
    memory = DeviceMemory(80 * GB, slots=4, data_bytes=11 * GB)
    assert (memory.keeps_rows, memory.kept_bytes) == (False, 0)
    assert memory.shortage(20 * GB) == ""
    assert memory.shortage(21 * GB) == (
        "device memory: 4 slots on one GPU need 84.0 GB, 21.0 GB of a training each, and it has "
        "80.0 GB: let at most 3 slots share it: fewer slots, or more GPUs"
    )
    assert memory.note == (
        "44.0 GB of rows are more than half of the GPU's 80.0 GB: they stay in the memory of the "
        "machine, and batches are sent one by one"
    )


def test_where_not_one_training_fits_the_remedy_is_of_its_size() -> None:
    shortage = DeviceMemory(80 * GB, 1, GB).shortage(90 * GB)
    assert shortage.endswith("raise data.minimum_frequency, or use smaller models or batches")


def test_what_a_slot_keeps_is_what_its_copies_take() -> None:
    with simulated_device() as device:
        copies = [make_feed(split, device) for split in (DATA.train, DATA.valid, DATA.test)]
        tensors = [tensor for copy in copies for tensor in vars(copy).values()]
        on_device = sum(tensor.nbytes for tensor in tensors if tensor.is_cuda)
    assert bytes_kept(DATA, has_teacher=False) == on_device
    of_teacher = torch.zeros(DATA.train.labels_RT.shape, dtype=torch.float16).nbytes
    assert bytes_kept(DATA, has_teacher=True) == on_device + of_teacher


@pytest.fixture
def a_small_gpu_beside_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "choose_device", lambda _: ChosenDevice(CUDA))
    gpus = [SimpleNamespace(total_memory=size) for size in (80 * GB, 1_000_000)]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(gpus))
    monkeypatch.setattr(torch.cuda, "get_device_properties", gpus.__getitem__)


@pytest.mark.usefixtures("a_small_gpu_beside_a_large_one")
def test_a_study_whose_rows_do_not_fit_the_smallest_gpu_is_refused(tmp_path: Path) -> None:
    path = write_study(tmp_path)
    with pytest.raises(EnvironmentFault, match=r"4 slots on one GPU need .* let at most \d slots?"):
        api.ready(str(path), LaunchOptions(output=tmp_path / "out", slots=8))


@pytest.mark.usefixtures("a_small_gpu_beside_a_large_one")
def test_a_check_adds_what_the_probe_measured(tmp_path: Path) -> None:
    path = write_study(tmp_path)
    ready = api.ready(str(path), LaunchOptions(output=tmp_path / "out", slots=1))
    arm = ArmPlan("shared_bottom", "shared_bottom", 4, 2, 1, (1, 1, 1), 1.0, 1.0, 10**6, 4)
    plan = Plan(ready, (arm,), 0.0)
    assert ready.device_memory is not None
    assert plan.memory_bytes == ready.device_memory.data_bytes + 10**6
    (line,) = shortages(plan)
    assert line.startswith("device memory: 1 slot on one GPU need")
    fitting = replace(ready, device_memory=replace(ready.device_memory, num_bytes=10**9))
    assert shortages(replace(plan, ready=fitting)) == []


@pytest.mark.parametrize(
    ("gpus_per_slot", "expected"), [(0.0, 0), (0.25, 4), (0.3, 3), (1.0, 1), (2.0, 1), (0.01, 8)]
)
def test_slots_of_ray_share_a_gpu_by_their_fraction(gpus_per_slot: float, expected: int) -> None:
    assert ray.Options(gpus_per_slot=gpus_per_slot).slots_per_gpu(8) == expected
