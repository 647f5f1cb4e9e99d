"""A Ray cluster whose nodes join and leave during a study: the budget stays exact, and trials resume elsewhere.

`pytest -s tests/executors/test_ray_nodes.py` prints the figures.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

import hinet_search
from tests.executors.nodes import (
    LIMIT_SECONDS,
    NODE,
    NUM_EVALUATIONS,
    TRIALS,
    Launched,
    slots_of,
    trial_of,
)


@pytest.mark.timeout(900)  # several waits; a machine may be slow
def test_a_study_outlives_its_nodes(
    cluster: Cluster, launch: Callable[[str], Launched], tmp_path: Path
) -> None:
    nodes = cluster.add_node(**NODE), cluster.add_node(**NODE)
    launched = launch(cluster.address)
    launched.wait_until(
        lambda: (
            {trial_of(path) for path, step in dict(launched.seen).items() if step}
            == set(range(TRIALS))
        ),
        "a checkpoint in the middle of every trial",
    )

    removed = time.monotonic()
    cluster.remove_node(next(node for node in nodes if "0" in slots_of(node)), allow_graceful=False)
    reached = dict(launched.seen)
    noticed, lost = launched.lost_trial()
    launched.heard("1 of 2 slots wait until a node of the Ray cluster has 1 CPU free")
    added = time.monotonic()
    cluster.add_node(**NODE)
    placed, _ = launched.heard("every slot has a place")
    launched.process.wait(timeout=LIMIT_SECONDS)
    before = max(step for path, step in reached.items() if trial_of(path) == lost)
    after = [
        step
        for path, step in dict(launched.seen).items()
        if path not in reached and trial_of(path) == lost
    ]

    trials = hinet_search.load("small", output=tmp_path / ".hinet-search").arms[0].trials
    print(
        f"nodes removed 1, added 1; trials {len(trials)} of {TRIALS}, attempts {[trial.attempt for trial in trials]}; "
        f"trial {lost} was at a checkpoint of step {before} and its second attempt left some of steps {after}; "
        f"loss noticed in {noticed - removed:.1f} s, slot back {placed - added:.1f} s after the new node was asked for"
    )
    assert [(trial.number, trial.state) for trial in trials] == [
        (number, "complete") for number in range(TRIALS)
    ]
    assert [trial.attempt for trial in trials] == [
        2 if trial.number == lost else 1 for trial in trials
    ]
    assert min(after) >= before, "the second attempt began again"
    assert all(
        [evaluation.step for evaluation in trial.evaluations] == list(range(1, NUM_EVALUATIONS + 1))
        for trial in trials
    )
    assert not any("(raylet)" in line for _, line in launched.lines), (
        "what Ray says stays in its logs"
    )
