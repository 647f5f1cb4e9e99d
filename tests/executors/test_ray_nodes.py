"""A Ray cluster whose nodes come and go in mid-study: the budget stays exact, and trials go on elsewhere.

`pytest -s tests/executors/test_ray_nodes.py` prints the figures.
"""

import time
from collections.abc import Callable
from pathlib import Path

from ray.cluster_utils import Cluster

import hinet_search
from tests.executors.nodes import NODE, NUM_EVALUATIONS, PATIENCE_SECONDS, TRIALS, Launched, slots_of


def test_a_study_outlives_its_nodes(cluster: Cluster, launch: Callable[[str], Launched], tmp_path: Path) -> None:
    nodes = cluster.add_node(**NODE), cluster.add_node(**NODE)
    launched = launch(cluster.address)
    launched.wait_until(lambda: any(launched.seen.values()), "a checkpoint in the middle of a trial")

    removed = time.monotonic()
    cluster.remove_node(next(node for node in nodes if "0" in slots_of(node)), allow_graceful=False)
    reached = dict(launched.seen)
    noticed, _ = launched.heard(r"shared_bottom/0 attempt 2: its slot on \S+ was lost")
    launched.heard("1 of 2 slots wait until a node of the Ray cluster has 1 CPU free")
    added = time.monotonic()
    cluster.add_node(**NODE)
    placed, _ = launched.heard("every slot has a place")
    launched.process.wait(timeout=PATIENCE_SECONDS)
    before, after = max(reached.values()), [step for name, step in launched.seen.items() if name not in reached]

    trials = hinet_search.load("small", output=tmp_path / ".hinet-search").arms[0].trials
    print(
        f"nodes removed 1, added 1; trials {len(trials)} of {TRIALS}, attempts {[one.attempt for one in trials]}; "
        f"trial 0 was at a checkpoint of step {before} and its second attempt left some of steps {after}; "
        f"loss noticed in {noticed - removed:.1f} s, slot back {placed - added:.1f} s after the new node was asked for"
    )
    assert [(one.number, one.state) for one in trials] == [(number, "complete") for number in range(TRIALS)]
    assert [one.attempt for one in trials] == [2 if one.number == 0 else 1 for one in trials]
    assert min(after) >= before, "the second attempt began again"
    assert all([one.step for one in trial.evaluations] == list(range(1, NUM_EVALUATIONS + 1)) for trial in trials)
    assert not any("(raylet)" in line for _, line in launched.lines), "what Ray says stays in its logs"
