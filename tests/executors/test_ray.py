"""What is particular to the Ray executor: its cluster, what it leaves behind, and nodes that it refuses or loses."""

import os
import platform
import re
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import ray as library
from ray._private.authentication_test_utils import reset_auth_token_state
from ray.cluster_utils import Cluster

from hinet_search.common.errors import ConfigurationError, EnvironmentFault
from hinet_search.common.versions import versions
from hinet_search.executors import JobEnd, Message, ray
from hinet_search.executors.processes.ray_connection import (
    _current_folder_if_used,
    _quiet,
    _side_effects_undone,
    join,
)
from hinet_search.study.yaml_file import validated
from tests.executors import jobs
from tests.executors.driving import bodies, ends, run, submit, wait_for
from tests.executors.processes import children_of, descendants_of, is_alive
from tests.waiting import wait_until

HERE = ray.SlotLocation("node7", versions(), sees_home=True)
NODE = {"num_cpus": 1, "object_store_memory": 80 * 1024**2}
SECRET = "a-secret-of-this-test"


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Paths of sockets have to be short."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_a_cluster_of_its_own_gets_no_secret_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HINET_SEARCH_TOKEN", SECRET)
    monkeypatch.setenv("HINET_SEARCH_STORAGE", f"postgresql://user:{SECRET}@host/studies")
    temporary = Path(tempfile.gettempdir())
    before = set(temporary.glob("hinet-search-ray-*"))
    environment, listener = dict(os.environ), signal.getsignal(signal.SIGTERM)
    executor = ray.start(1, tmp_path / "output", ray.Options())
    message, end = run(executor, jobs.tell_process)
    processes = descendants_of(os.getpid())
    environments = [Path(f"/proc/{process}/environ").read_bytes() for process in processes]
    executor.close()
    assert end == JobEnd("arm/0", 1, "")
    assert len(environments) > 4, "Ray's own, a keeper and its slot"
    assert SECRET not in str([message, *environments])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert set(temporary.glob("hinet-search-ray-*")) <= before
    assert (dict(os.environ), signal.getsignal(signal.SIGTERM)) == (environment, listener)


def test_a_keeper_that_is_paused_for_ever_is_killed_with_its_slot(tmp_path: Path) -> None:
    executor = ray.start(1, tmp_path, ray.Options())
    submit(executor, jobs.sleep_deafly, 600.0)
    (slot,) = bodies(wait_for(executor, bodies))
    actor = next(process for process in descendants_of(os.getpid()) if slot in children_of(process))
    os.kill(actor, signal.SIGSTOP)
    executor.kill("arm/0")
    (end,) = wait_for(executor, ends)
    assert end == JobEnd("arm/0", 1, f"its slot on {platform.node()} was lost (killed)", died=True)
    assert run(executor, jobs.count, 0) == [JobEnd("arm/0", 1, "")]
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
            submit(executor, jobs.tell_process, key=f"arm/{number}")
        heard = wait_for(executor, lambda heard: len(heard) == 8)
        executor.close()
    finally:
        library.shutdown()
    told = [message.body[1] for message in heard if isinstance(message, Message)]
    assert sorted(each["CUDA_VISIBLE_DEVICES"] for each in told) == ["0", "0", "1", "1"]
    assert {each["HINET_SEARCH_SLOTS_OF_GPU"] for each in told} == {"2"}


def test_a_job_whose_node_is_gone_has_died_and_its_slot_waits_for_another_node(
    tmp_path: Path, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reset_auth_token_state()  # this process may have the token of another cluster
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_TMPDIR", str(short_folder))
    monkeypatch.setattr(ray, "PATIENCE_SECONDS", 0.1)
    head = {**NODE, "num_cpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        node = cluster.add_node(**NODE)
        executor = ray.start(1, tmp_path, ray.Options(address=cluster.address))
        submit(executor, jobs.until_stopped)
        wait_for(executor, bodies)
        cluster.remove_node(node, allow_graceful=False)
        (end,) = wait_for(executor, ends)
        assert end.died
        assert re.search(r"its slot on \S+ was lost", end.cause)
        wait_until(lambda: executor.poll(0.1) == [] and executor.waiting != "")
        assert executor.waiting.startswith("1 of 1 slots wait until a node of the Ray cluster has")
        cluster.add_node(**NODE)
        assert run(executor, jobs.count, 0) == [JobEnd("arm/0", 1, "")]
        assert executor.waiting == ""
        executor.close()
    finally:
        cluster.shutdown()


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
