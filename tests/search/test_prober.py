"""Where probes run: in a process of their own unless they need the CPU alone."""

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from hinet_search import api
from hinet_search.common.errors import EnvironmentFault
from hinet_search.executors import Job, JobEnd, JobEvent, Message
from hinet_search.executors.processes.slots import ProcessExecutor
from hinet_search.search.plan import prober
from hinet_search.search.plan.plan import PreparedStudy
from hinet_search.search.plan.probe import ProbeResult
from hinet_search.search.plan.prober import ProbeJob, probe_on_slot
from hinet_search.search.plan.size_limits import default_of
from hinet_search.study.launch_options import LaunchOptions
from tests.small import write_study

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
RESULT = ProbeResult(1.0, 2.0, 3)


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
    monkeypatch.setattr(prober, "ProcessExecutor", lambda _numbers: slot)
    config = default_of(ready.study.arms[0])
    with prober.prober(ready.dataset, GPU) as probe:
        assert probe(config, 0.5) == RESULT
        assert not slot.closed
    (job,) = slot.jobs
    assert job.payload == ProbeJob(ready.dataset.folder, GPU, config, 0.5)
    assert slot.closed


def test_on_the_cpu_no_other_process_starts(
    ready: PreparedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "ProcessExecutor", None)
    with prober.prober(ready.dataset, CPU) as probe:
        assert probe(default_of(ready.study.arms[0]), 0.0).seconds_per_trial > 0


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
