"""A probe trains for about its seconds, in a process of its own on a GPU; its memory has what grows with rows."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from hinet_search import api
from hinet_search.common.errors import EnvironmentFault
from hinet_search.executors import Job, JobEnd, JobEvent, Message
from hinet_search.executors.processes.slots import ProcessExecutor
from hinet_search.models.layers.batch import Batch
from hinet_search.search.plan import probe
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.search.plan.probe import ProbeJob, ProbeResult, probe_on_slot
from hinet_search.search.plan.size_limits import default_of
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.feed import make_feed
from hinet_search.training.teaching import StepLoss
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.trial_config import build_config
from tests.small import write_study
from tests.training.datasets import separable

DATA = separable(train_rows=40)
CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
RESULT = ProbeResult(1.0, 2.0, 3)


class Linear(torch.nn.Linear):
    """A model that counts its steps."""

    def __init__(self) -> None:
        super().__init__(1, DATA.full_schema.num_tasks)
        self.steps = 0

    def forward(self, batch: Batch) -> torch.Tensor:
        self.steps += 1
        return super().forward(torch.ones(len(batch), 1))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of 4, 1, 1 ... seconds, in which nothing else is done."""
    times, now = ticks(), [0.0]

    def tick() -> float:
        now[0] = next(times)
        return now[0]

    monkeypatch.setattr(probe, "process_time", tick)
    monkeypatch.setattr(probe, "perf_counter", lambda: now[0])


def ticks() -> Iterator[float]:
    now, seconds = 0.0, 4.0
    while True:
        yield now
        now += seconds
        yield now
        seconds = 1.0


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("seconds", "steps"), [(0.0, 3), (5.5, 3), (20.0, 17), (1000.0, 100)])
def test_a_probe_ends_after_its_seconds_with_three_to_a_hundred_steps(
    seconds: float, steps: int
) -> None:
    model, feed = Linear(), make_feed(DATA.train, torch.device("cpu"))
    config = TrainConfig.model_validate({"batch_size": 32})
    seconds_per_row = probe._seconds_per_row(model, config, feed, StepLoss(), seconds)
    assert model.steps == steps
    assert seconds_per_row == 1.0 / 32, "the first step is slower, and does not count"


def test_what_other_work_takes_ends_a_probe_sooner_and_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times, now = ticks(), [0.0]

    def computed() -> float:
        now[0] += 5.0  # of which most are of others
        return next(times)

    monkeypatch.setattr(probe, "process_time", computed)
    monkeypatch.setattr(probe, "perf_counter", lambda: now[0])
    model, feed = Linear(), make_feed(DATA.train, torch.device("cpu"))
    config = TrainConfig.model_validate({"batch_size": 32})
    seconds_per_row = probe._seconds_per_row(model, config, feed, StepLoss(), 45.0)
    assert (model.steps, seconds_per_row) == (5, 1.0 / 32)


@pytest.mark.parametrize(("shuffle", "of_a_row"), [("rows", 8), ("blocks", 0), ("users", 68)])
def test_the_orders_of_two_epochs_are_memory_of_a_training(
    monkeypatch: pytest.MonkeyPatch, shuffle: str, of_a_row: int
) -> None:
    monkeypatch.setattr(probe, "peak_memory_bytes", lambda _: 1_000)
    config = build_config("shared_bottom", {"train.shuffle": shuffle})
    model = config.build(DATA.full_schema)
    assert isinstance(model, torch.nn.Module)
    of_weights = sum(weight.nbytes for weight in model.state_dict().values())
    measured = probe.probe(config, DATA, torch.device("cpu"), seconds=0.0)
    assert measured.memory_bytes == 1_000 + of_weights + of_a_row * DATA.train.num_rows


@dataclass
class PretendedSlot:
    """A slot that ends every job as it is told."""

    events: list[JobEvent]
    jobs: list[Job] = field(default_factory=list)
    closed: bool = False

    def submit(self, job: Job) -> None:
        self.jobs.append(job)

    def poll(self, timeout: float) -> list[JobEvent]:
        return self.events

    def close(self) -> None:
        self.closed = True


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> PreparedStudy:
    folder = tmp_path_factory.mktemp("probes")
    return api.ready(str(write_study(folder)), LaunchOptions(output=folder / "out"))


def test_on_a_gpu_a_slot_probes_and_is_closed(
    ready: PreparedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = PretendedSlot([Message("probe", 1, RESULT), JobEnd("probe", 1, "")])
    monkeypatch.setattr(probe, "ProcessExecutor", lambda _numbers: slot)
    config = default_of(ready.study.arms[0])
    with probe.prober(ready.dataset, GPU) as probed:
        assert probed(config, 0.5) == RESULT
        assert not slot.closed
    (job,) = slot.jobs
    assert job.payload == ProbeJob(ready.dataset.folder, GPU, config, 0.5)
    assert slot.closed


def test_on_the_cpu_no_other_process_starts(
    ready: PreparedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "ProcessExecutor", None)
    with probe.prober(ready.dataset, CPU) as probed:
        assert probed(default_of(ready.study.arms[0]), 0.0).seconds_per_trial > 0


def test_a_slot_probes_as_this_process_does(ready: PreparedStudy) -> None:
    with closing(ProcessExecutor([0])) as slot:
        for arm in ready.study.arms:
            result = probe_on_slot(slot, ready.dataset.folder, CPU, default_of(arm), 0.0)
            assert 0 < result.seconds_per_trial < result.seconds_per_finalist


def test_a_probe_that_fails_on_its_slot_says_why(ready: PreparedStudy, tmp_path: Path) -> None:
    config = default_of(ready.study.arms[0])
    with (
        closing(ProcessExecutor([0])) as slot,
        pytest.raises(EnvironmentFault, match=r"must end with a result, but .*nowhere"),
    ):
        probe_on_slot(slot, tmp_path / "nowhere", CPU, config, 0.0)


def test_a_slot_that_dies_of_a_probe_ran_out_of_memory(ready: PreparedStudy) -> None:
    slot = PretendedSlot([JobEnd("probe", 1, "its process died (signal SIGKILL)", died=True)])
    config = default_of(ready.study.arms[0])
    with pytest.raises(MemoryError, match="SIGKILL"):
        probe_on_slot(slot, ready.dataset.folder, GPU, config, 0.0)  # type: ignore[arg-type]  # the part that is used
