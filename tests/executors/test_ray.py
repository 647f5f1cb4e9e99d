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
from hinet_search.errors import ConfigurationError, EnvironmentFault
from hinet_search.executors import Ended, Job, Message, Said, ray
from hinet_search.executors._cluster import PREFIX, _all_else_as_it_was, _quiet, join
from hinet_search.executors._folders import Folder
from hinet_search.executors._keeper import Place, packages, settings
from hinet_search.records import StudyRecord
from hinet_search.yaml_file import validated
from tests.executors import jobs
from tests.executors.processes import children_of, descendants_of, is_alive
from tests.small import STUDY, write_study

HERE = Place("node7", packages(), sees_home=True)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Paths of sockets have to be short."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_a_cluster_of_its_own_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    temporary = Path(tempfile.gettempdir())
    before = set(temporary.glob("hinet-search-ray-*"))
    environment, listener = dict(os.environ), signal.getsignal(signal.SIGTERM)
    executor = ray.start(1, tmp_path / "output", ray.Options(), "a-study")
    executor.submit(Job("arm/0", 1, jobs.count, 0))
    assert wait_for_end(executor) == Ended("arm/0", 1, "")
    executor.close()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert set(temporary.glob("hinet-search-ray-*")) <= before
    assert (dict(os.environ), signal.getsignal(signal.SIGTERM)) == (environment, listener)


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"{PREFIX}left").mkdir()
    first = Folder(PREFIX)
    second = Folder(PREFIX)
    assert set(tmp_path.iterdir()) == {first.path, second.path}
    first.remove()
    second.remove()
    assert list(tmp_path.iterdir()) == []


def wait_for_end(executor: ray.RayExecutor) -> object:
    while not (heard := executor.poll(0.1)):
        pass
    return heard[-1]


def test_a_keeper_that_is_paused_for_ever_is_killed_with_its_slot(tmp_path: Path) -> None:
    executor = ray.start(1, tmp_path, ray.Options(), "a-study")
    executor.submit(Job("arm/0", 1, jobs.sleep_deafly, 600.0))
    while not (heard := executor.poll(0.1)):
        pass
    assert isinstance(heard[0], Message)
    slot = heard[0].body
    keeper = next(one for one in descendants_of(os.getpid()) if slot in children_of(one))
    os.kill(keeper, signal.SIGSTOP)
    executor.kill("arm/0")
    assert wait_for_end(executor) == Ended("arm/0", 1, f"its slot on {platform.node()} was lost (killed)", died=True)
    executor.submit(Job("arm/0", 2, jobs.count, 0))
    assert wait_for_end(executor) == Ended("arm/0", 2, "")
    executor.close()
    assert not any(map(is_alive, (slot, keeper)))


def test_more_gpus_than_this_machine_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="slots need 99 GPUs together, but Ray sees 0 on this machine"):
        ray.start(99, tmp_path, ray.Options(gpus_per_slot=1, cpus_per_slot=0.01), "a-study")


def test_slots_share_gpus_by_parts(tmp_path: Path, short_folder: Path) -> None:
    with _all_else_as_it_was():
        os.environ.update(_quiet(own=True))
        library.init(
            "local", num_cpus=4, num_gpus=2, include_dashboard=False, log_to_driver=False, _temp_dir=str(short_folder)
        )  # two by name alone
    try:
        executor = ray.start(4, tmp_path, ray.Options(gpus_per_slot=0.5), "a-study")
        for number in range(4):
            executor.submit(Job(f"arm/{number}", 1, jobs.tell_process, None))
        heard: list[Said] = []
        while len(heard) < 8:
            heard += executor.poll(0.1)
        executor.close()
    finally:
        library.shutdown()
    devices = [one.body[1]["CUDA_VISIBLE_DEVICES"] for one in heard if isinstance(one, Message)]
    assert sorted(devices) == ["0", "0", "1", "1"]


def test_a_cluster_that_is_not_there_is_named() -> None:
    with pytest.raises(EnvironmentFault, match=r"no Ray cluster can be used at address 127\.0\.0\.1:1: "):
        join("127.0.0.1:1", num_cpus=1)


@pytest.mark.parametrize("address", ["ray://host:10001", "host", "", "host:port"])
def test_an_address_is_local_auto_or_host_and_port(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"executor: address.*must be local, auto or HOST:PORT"):
        validated(ray.Options, {"address": address}, "executor")


def test_a_node_that_does_not_see_the_output_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=f"node node7 must see the folder {tmp_path}, but does not"):
        ray._check(replace(HERE, sees_home=False), tmp_path)


def test_a_node_that_exchanges_need_not_see_the_output_folder_but_needs_the_driver(tmp_path: Path) -> None:
    ray._check(replace(HERE, sees_home=False), tmp_path, "s3://bucket/x")
    with pytest.raises(
        EnvironmentFault, match="node node7 must have the driver of the exchange s3://bucket/x, but there is no"
    ):
        ray._check(replace(HERE, missing_driver="s3fs"), tmp_path, "s3://bucket/x")


def test_a_node_with_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"node node7 must have .*torch .*as here, but has torch 1\.0"):
        ray._check(replace(HERE, packages={**HERE.packages, "torch": "1.0"}), tmp_path)


def test_a_node_as_this_one_is_not_refused(tmp_path: Path) -> None:
    ray._check(HERE, tmp_path)


def test_slots_go_by_the_settings_of_the_coordinator_but_do_not_learn_its_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HINET_SEARCH_CHECKPOINT_SECONDS", "3")
    monkeypatch.setenv("HINET_SEARCH_STORAGE", "postgresql://user:secret@host/studies")
    assert settings()["HINET_SEARCH_CHECKPOINT_SECONDS"] == "3"
    assert "secret" not in str(settings())


def test_a_study_ends_on_ray_as_it_does_on_this_machine(tmp_path: Path) -> None:
    study = str(write_study(tmp_path, STUDY.replace("pruner: none", "pruner: none\nsampler: random")))
    here, there = (
        hinet_search.launch(study, executor=executor, output=tmp_path / executor) for executor in ("local", "ray")
    )
    assert values(there) == values(here)


def values(record: StudyRecord) -> list[object]:
    """What was learned, and what became of it."""
    trials = [(arm.name, one.number, one.state, one.value) for arm in record.arms for one in arm.trials]
    return [
        *trials,
        [(one.chosen, [run.test_cells for run in one.runs]) for arm in record.arms for one in arm.finalists],
    ]
