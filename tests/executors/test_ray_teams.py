"""One network trained by processes on several Ray nodes: nodes are killed, and the weights stay the same.

`python -m tests.executors.killed_nodes` kills nodes at random moments and prints the figures.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from ray.cluster_utils import Cluster

from hinet_search.common.errors import EnvironmentFault
from hinet_search.executors import OUT_OF_MEMORY, Executor, JobEnd, ray
from hinet_search.training.jobs.messages import TrainJob
from tests.executors import jobs
from tests.executors.driving import bodies, ends, run, submit, wait_for
from tests.executors.engines import surroundings
from tests.executors.killed_nodes import (
    LEADER,
    PARTNER,
    Kill,
    Nodes,
    long_job,
    team_on_nodes,
    trained_on,
    workers_left,
)
from tests.executors.nodes import NODE
from tests.executors.processes import is_alive
from tests.training.killed_teams import weights_of
from tests.waiting import wait_until

CHECKPOINTS = "HINET_SEARCH_CHECKPOINT_SECONDS"


@pytest.fixture(autouse=True)
def _checkpoints_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHECKPOINTS, "0")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> TrainJob:
    return long_job(tmp_path_factory.mktemp("job"))


@pytest.fixture(scope="module")
def expected(job: TrainJob, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The weights of two processes of this machine, of which none is killed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CHECKPOINTS, "0")
        return weights_of(job, tmp_path_factory.mktemp("here"))


@pytest.fixture
def add(cluster: Cluster) -> Callable[[], Any]:
    return lambda: cluster.add_node(**NODE, env_vars={"PYTHONPATH": os.pathsep.join(sys.path)})


@pytest.fixture
def nodes(cluster: Cluster, add: Callable[[], Any]) -> Nodes:
    return Nodes(cluster, add)


@pytest.mark.timeout(600)  # two attempts, and a node that has to be noticed as lost
@pytest.mark.parametrize(
    ("kill", "cause"),
    [
        (Kill(LEADER), r"its slot on \S+ was lost"),
        (Kill(PARTNER), r"its worker 2 of 2 on \S+ was lost"),
        (Kill(PARTNER, 0.0), r"its (slot|worker 2 of 2) on \S+ was lost|its process died"),
    ],
    ids=["leader", "partner", "before the first step"],
)
def test_a_training_whose_node_is_killed_ends_with_the_weights_of_one_machine(
    kill: Kill,
    cause: str,
    nodes: Nodes,
    job: TrainJob,
    expected: dict[str, torch.Tensor],
    tmp_path: Path,
) -> None:
    trained = trained_on(nodes, job, tmp_path, kill)
    assert all(torch.equal(trained.weights[name], expected[name]) for name in expected)
    lost, last = trained.causes
    assert not last
    assert re.search(cause, lost), lost


@pytest.mark.timeout(600)
def test_nodes_that_share_no_folder_train_a_network_together(
    cluster: Cluster,
    add_apart: Callable[[str], Any],
    job: TrainJob,
    expected: dict[str, torch.Tensor],
    tmp_path: Path,
) -> None:
    names = iter(["first", "second", "third"])
    nodes = Nodes(cluster, lambda: add_apart(next(names)))
    trained = trained_on(nodes, job, tmp_path / "home", Kill(PARTNER))
    assert len(trained.causes) == 2, "the training ended before its kill"
    assert all(torch.equal(trained.weights[name], expected[name]) for name in expected)
    assert not list(tmp_path.glob("third/hinet-search-*")), "nothing is left on a node"


def test_a_slot_waits_until_nodes_have_room_for_all_its_workers(
    cluster: Cluster, add: Callable[[], Any], tmp_path: Path
) -> None:
    add()
    with team_on_nodes(cluster, tmp_path) as executor:
        assert executor.waiting == (
            "1 of 1 slots wait until nodes have 1 CPU free for each of 2 workers"
        )
        assert not workers_left(), "room is reserved for all workers or for none"
        submit(executor, jobs.count, 1)
        add()
        (end,) = ends(wait_for(executor, ends))
        assert not end.cause
    wait_until(lambda: not workers_left(), at_most=30)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    """A slot of two workers on one node."""
    with surroundings("ray") as options:
        home = tmp_path_factory.mktemp("home")
        executor = ray.start(1, home, ray.Options(**options), "a-study", 2)
        yield executor
        executor.close()


def test_a_job_fails_with_its_partner_for_the_reason_of_that(pair: Executor) -> None:
    (end,) = ends(run(pair, jobs.wait_beside, (jobs.divide_by_zero, None)))
    assert not end.died
    assert re.fullmatch(r"ZeroDivisionError: .* \(worker 2 of 2 on \S+\)", end.cause)


def test_a_job_whose_partner_has_too_little_memory_is_tried_again_alone(pair: Executor) -> None:
    (end,) = ends(run(pair, jobs.wait_beside, (jobs.run_out_of_memory, "batch size 8")))
    assert end.died
    assert end.cause.startswith(f"{OUT_OF_MEMORY}: batch size 8")


def test_a_job_whose_partner_is_killed_may_be_tried_again(pair: Executor) -> None:
    (end,) = ends(run(pair, jobs.wait_beside, (jobs.kill_itself, "")))
    assert end.died
    assert re.fullmatch(r"its process died \(.*\) \(worker 2 of 2 on \S+\)", end.cause)


def test_a_partner_that_does_not_end_after_its_leader_is_killed(pair: Executor) -> None:
    heard = run(pair, jobs.end_before, (jobs.sleep_deafly, 600.0))
    assert ends(heard) == [JobEnd("arm/0", 1, "")]
    (partner,) = bodies(heard)
    wait_until(lambda: not is_alive(partner), at_most=30)
    assert ends(run(pair, jobs.count, 1)) == [JobEnd("arm/0", 1, "")]


def test_a_job_without_partners_runs_on_a_slot_of_several_workers(pair: Executor) -> None:
    assert bodies(run(pair, jobs.count, 3)) == [0, 1, 2]


def test_workers_that_would_share_a_gpu_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"must be a whole number for 2 workers.*got 0\.5"):
        ray.start(1, tmp_path, ray.Options(gpus_per_slot=0.5), "a-study", 2)
