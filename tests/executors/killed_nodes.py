"""Teams on two Ray nodes, of which one is killed at any moment: a training goes on where it was.

    python -m tests.executors.killed_nodes [10]

kills the node of the leader and that of its partner in turn, at random moments, and compares the
weights with those of two processes of one machine without kills.
"""

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from ray.cluster_utils import Cluster
from ray.util import placement_group_table

from hinet_search.executors import JobEvent, ray
from hinet_search.executors.processes.environment import NODE_ADDRESS
from hinet_search.training.jobs.messages import TrainJob
from hinet_search.training.jobs.train import train
from hinet_search.training.tensors import read_tensors
from hinet_search.training.trial_config import build_config
from tests.executors.driving import ends, said, submit
from tests.executors.nodes import NODE
from tests.executors.processes import is_alive
from tests.training.killed_teams import is_time, job_of, weights_of
from tests.waiting import wait_until

LEADER, PARTNER = 0, 1  # ranks
WORKERS = 2
LIMIT_SECONDS = 300.0


@dataclass(frozen=True)
class Kill:
    """Which node is killed: so many seconds after the job began, or with None at a checkpoint."""

    rank: int
    at: float | None = None


@dataclass
class Nodes:
    """A cluster whose nodes can be killed; `add` adds one. A head without room is not counted."""

    cluster: Cluster
    add: Callable[[], Any]
    here: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.here += [self.add() for _ in range(WORKERS)]

    def kill(self, executor: ray.RayExecutor, rank: int) -> None:
        """Kill the node of a worker of the only slot, and add another one."""
        (slot,) = executor._slots
        node_id = placement_group_table(slot.room.group)["bundles_to_node_id"][rank]
        victim = next(node for node in self.here if node.node_id == node_id)
        self.here.remove(victim)
        self.cluster.remove_node(victim, allow_graceful=False)
        self.here.append(self.add())


@dataclass(frozen=True)
class Trained:
    """The weights of a training, the causes of the ends of its attempts, and the seconds of all."""

    weights: dict[str, torch.Tensor]
    causes: list[str]
    seconds: float


def workers_left() -> list[int]:
    """Return the living workers on nodes of the cluster of this process, and on nodes it had."""
    marks = {f"RAY_TMPDIR={os.environ['RAY_TMPDIR']}".encode(), NODE_ADDRESS.encode()}
    left = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is another user's
            variables = (entry / "environ").read_bytes()
            if is_alive(int(entry.name)) and all(mark in variables for mark in marks):
                left.append(int(entry.name))
    return left


def long_job(folder: Path) -> TrainJob:
    """A training of some seconds by two processes, with dropout."""
    settings = {"train.passes": 40.0, "train.patience": 0, "model.dropout": 0.2}
    return replace(job_of(folder), config=build_config("mmoe", settings))


@contextmanager
def team_on_nodes(cluster: Cluster, home: Path) -> Iterator[ray.RayExecutor]:
    """Start a slot of two workers; none of its processes is left afterwards."""
    options = ray.Options(address=cluster.address)
    executor = ray.start(1, home, options, f"a-study-{home.name}", WORKERS)
    assert isinstance(executor, ray.RayExecutor)
    with closing(executor):
        yield executor


def trained_on(nodes: Nodes, job: TrainJob, home: Path, kill: Kill | None = None) -> Trained:
    """Train on two nodes and kill one on the way; no process is left behind."""
    job = replace(job, weights=home / "w.safetensors", checkpoints=home / "checkpoints")
    assert job.weights is not None
    causes: list[str] = []
    with team_on_nodes(nodes.cluster, home) as executor:
        began = time.monotonic()
        while not causes or causes[-1]:
            submit(executor, train, job)
            causes.append(_cause_of_end(nodes, executor, job, None if causes else kill))
        seconds = time.monotonic() - began
    wait_until(lambda: not workers_left(), at_most=30)
    return Trained(read_tensors(job.weights, "train again"), causes, seconds)


def _cause_of_end(nodes: Nodes, executor: ray.RayExecutor, job: TrainJob, kill: Kill | None) -> str:
    """Return the cause of the end of the job, which runs on the executor; empty if it is trained."""
    began = time.monotonic()
    heard: list[JobEvent] = []
    while not (ended := ends(heard)):
        seconds = time.monotonic() - began
        assert seconds < LIMIT_SECONDS, f"no end: {heard}, {executor.waiting}"
        heard += said(executor, 0.02)
        if kill and executor.runs("arm/0") and is_time(job, kill.at, seconds):
            nodes.kill(executor, kill.rank)
            kill = None
    (end,) = ended
    assert end.died or not end.cause, end.cause
    return end.cause


def main(times: int) -> None:
    """Print a line for every kill."""
    chance = random.Random(0)
    os.environ["HINET_SEARCH_CHECKPOINT_SECONDS"] = "0"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with tempfile.TemporaryDirectory() as made:
        os.environ["RAY_TMPDIR"] = made
        folder = Path(made)
        job = long_job(folder)
        expected = weights_of(job, folder / "here")
        cluster = Cluster(
            initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False}
        )
        paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
        nodes = Nodes(cluster, lambda: cluster.add_node(**NODE, env_vars=paths))
        seconds_alone = trained_on(nodes, job, folder / "whole").seconds
        for number in range(times):
            kill = Kill(number % WORKERS, chance.uniform(0.0, 0.6 * seconds_alone))
            trained = trained_on(nodes, job, folder / str(number), kill)
            same = all(torch.equal(trained.weights[name], expected[name]) for name in expected)
            print(  # noqa: T201  its output
                f"node of rank {kill.rank} killed after {kill.at:.2f} of {seconds_alone:.1f} s: "
                f"the same weights: {same}; {trained.seconds:.1f} s; {trained.causes}",
                flush=True,
            )
        cluster.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
