"""What is particular to the Ray executor: which cluster it uses, what it leaves behind, and which nodes it refuses."""

import os
import platform
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import ray as library

import hinet_search
from hinet_search.common.errors import ConfigurationError, EnvironmentFault
from hinet_search.common.versions import versions
from hinet_search.executors import Job, JobEnd, JobEvent, Message, ray
from hinet_search.executors.processes.ray_connection import (
    _current_folder_if_used,
    _quiet,
    _side_effects_undone,
    join,
)
from hinet_search.results.study_record import StudyRecord
from hinet_search.study.yaml_file import validated
from tests.executors import jobs
from tests.executors.processes import children_of, descendants_of, is_alive
from tests.small import STUDY, write_study

HERE = ray.SlotLocation("node7", versions(), sees_home=True)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Paths of sockets have to be short."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_a_cluster_of_its_own_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    temporary = Path(tempfile.gettempdir())
    before = set(temporary.glob("hinet-search-ray-*"))
    environment, listener = dict(os.environ), signal.getsignal(signal.SIGTERM)
    executor = ray.start(1, tmp_path / "output", ray.Options())
    executor.submit(Job("arm/0", 1, jobs.count, 0))
    assert wait_for_end(executor) == JobEnd("arm/0", 1, "")
    executor.close()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert set(temporary.glob("hinet-search-ray-*")) <= before
    assert (dict(os.environ), signal.getsignal(signal.SIGTERM)) == (environment, listener)


def wait_for_end(executor: ray.RayExecutor) -> object:
    while not (heard := executor.poll(0.1)):
        pass
    return heard[-1]


def test_a_keeper_that_is_paused_for_ever_is_killed_with_its_slot(tmp_path: Path) -> None:
    executor = ray.start(1, tmp_path, ray.Options())
    executor.submit(Job("arm/0", 1, jobs.sleep_deafly, 600.0))
    while not (heard := executor.poll(0.1)):
        pass
    assert isinstance(heard[0], Message)
    slot = heard[0].body
    actor = next(process for process in descendants_of(os.getpid()) if slot in children_of(process))
    os.kill(actor, signal.SIGSTOP)
    executor.kill("arm/0")
    assert wait_for_end(executor) == JobEnd(
        "arm/0", 1, f"its slot on {platform.node()} was lost (killed)", died=True
    )
    executor.submit(Job("arm/0", 2, jobs.count, 0))
    assert wait_for_end(executor) == JobEnd("arm/0", 2, "")
    executor.close()
    assert not any(map(is_alive, (slot, actor)))


def test_more_gpus_than_this_machine_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        EnvironmentFault, match="slots need 99 GPUs together, but Ray sees 0 on this machine"
    ):
        ray.start(99, tmp_path, ray.Options(gpus_per_slot=1, cpus_per_slot=0.01))


def test_slots_share_gpus_by_parts(tmp_path: Path, short_folder: Path) -> None:
    with _side_effects_undone():
        os.environ.update(_quiet(own=True))
        library.init(
            "local",
            num_cpus=4,
            num_gpus=2,
            include_dashboard=False,
            log_to_driver=False,
            _temp_dir=str(short_folder),
        )  # two by name alone
    try:
        executor = ray.start(4, tmp_path, ray.Options(gpus_per_slot=0.5))
        for number in range(4):
            executor.submit(Job(f"arm/{number}", 1, jobs.tell_process, None))
        heard: list[JobEvent] = []
        while len(heard) < 8:
            heard += executor.poll(0.1)
        executor.close()
    finally:
        library.shutdown()
    devices = [
        message.body[1]["CUDA_VISIBLE_DEVICES"] for message in heard if isinstance(message, Message)
    ]
    assert sorted(devices) == ["0", "0", "1", "1"]
    told = [message.body[1] for message in heard if isinstance(message, Message)]
    assert {each["HINET_SEARCH_SLOTS_OF_GPU"] for each in told} == {"2"}


def test_a_cluster_that_is_not_there_is_named() -> None:
    with pytest.raises(
        EnvironmentFault, match=r"no Ray cluster can be used at address 127\.0\.0\.1:1: "
    ):
        join("127.0.0.1:1", num_cpus=1)


@pytest.mark.parametrize("address", ["ray://host:10001", "host", "", "host:port"])
def test_an_address_is_local_auto_or_host_and_port(address: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"executor: address.*must be local, auto or HOST:PORT"
    ):
        validated(ray.Options, {"address": address}, "executor")


def test_a_node_with_another_version_is_refused() -> None:
    with pytest.raises(
        EnvironmentFault, match=r"node node7 must have .*torch .*as here, but has torch 1\.0"
    ):
        ray._check(replace(HERE, packages={**HERE.packages, "torch": "1.0"}), Path())


def test_a_node_that_does_not_see_the_folder_of_the_launch_is_refused() -> None:
    with pytest.raises(EnvironmentFault, match=r"node7 must see the folder /here of the launch"):
        ray._check(replace(HERE, sees_home=False), Path("/here"))


def test_no_process_on_ray_gets_a_secret_of_the_coordinator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINET_SEARCH_TOKEN", "a-secret-of-this-test")
    monkeypatch.setenv(
        "HINET_SEARCH_STORAGE", "postgresql://user:a-secret-of-this-test@host/studies"
    )
    executor = ray.start(1, tmp_path, ray.Options())
    executor.submit(Job("arm/0", 1, jobs.tell_process, None))
    heard: list[JobEvent] = []
    while not heard:
        heard = executor.poll(0.1)
    environments = [
        Path(f"/proc/{process}/environ").read_bytes() for process in descendants_of(os.getpid())
    ]
    executor.close()
    (told,) = (message.body[1] for message in heard if isinstance(message, Message))
    assert "a-secret-of-this-test" not in str(told)
    assert len(environments) > 4, "Ray's own, a keeper and its slot"
    assert not any(b"a-secret-of-this-test" in environment for environment in environments)


def test_workers_look_for_modules_in_the_current_folder_where_this_process_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for entry, expected in {
        "": [str(tmp_path)],
        str(tmp_path): [str(tmp_path)],
        "/usr/lib": [],
    }.items():
        monkeypatch.setattr("sys.path", [entry])
        assert _current_folder_if_used() == expected


def test_a_study_ends_on_ray_as_it_does_on_this_machine(tmp_path: Path) -> None:
    study = str(
        write_study(tmp_path, STUDY.replace("pruner: none", "pruner: none\nsampler: random"))
    )
    here, there = (
        hinet_search.launch(study, executor=executor, output=tmp_path / executor)
        for executor in ("local", "ray")
    )
    assert values(there) == values(here)


def values(record: StudyRecord) -> list[object]:
    """Return the results of the study."""
    trials = [
        (arm.name, trial.number, trial.state, trial.value)
        for arm in record.arms
        for trial in arm.trials
    ]
    return [
        *trials,
        [
            (finalist.chosen, [run.test_cells for run in finalist.runs])
            for arm in record.arms
            for finalist in arm.finalists
        ],
    ]
