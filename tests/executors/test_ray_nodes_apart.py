"""A Ray cluster whose nodes do not see the coordinator's folder: they join and leave during a study, and its numbers stay the same.

`pytest -s tests/executors/test_ray_nodes_apart.py` prints the figures.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster

import hinet_search
from hinet_search.results.study_record import StudyRecord
from tests.executors.nodes import TEXT, TRIALS, Launched, slots_of, trial_of
from tests.small import write_study


@pytest.mark.timeout(900)  # five trainings, and as many on one machine; machines of CI may be slow
def test_nodes_that_share_no_folder_end_a_study_as_one_machine_does(
    cluster: Cluster,
    add_apart: Callable[[str], Any],
    launch: Callable[..., Launched],
    tmp_path: Path,
) -> None:
    nodes = {name: add_apart(name) for name in ("first", "second")}
    launched = launch(cluster.address)
    here = tmp_path / ".hinet-search"

    def steps(trial: int) -> dict[Path, int]:
        seen = dict(launched.seen)
        return {path: step for path, step in seen.items() if trial_of(path) == trial}

    launched.wait_until(
        lambda: all(any(steps(trial).values()) for trial in range(TRIALS)),
        "a checkpoint from the middle of every trial",
    )
    removed = next(name for name, node in nodes.items() if "0" in slots_of(node))
    assert any((tmp_path / removed).rglob("*.npy")), "the node has the data"
    cluster.remove_node(nodes[removed], allow_graceful=False)
    (tmp_path / removed).rename(tmp_path / "gone")
    reached_by_trial = [steps(trial) for trial in range(TRIALS)]
    _, lost = launched.lost_trial()
    reached = reached_by_trial[lost]
    add_apart("third")
    launched.process.wait()

    assert launched.process.returncode == 0, launched.lines
    record = hinet_search.load("small", output=here)
    attempts = [trial.attempt for trial in record.arms[0].trials]
    after = sorted(step for path, step in steps(lost).items() if path not in reached)
    print(
        f"nodes removed 1, added 1; attempts {attempts}; trial {lost} had checkpoints of "
        f"steps {sorted(reached.values())}, and its second attempt left some of steps {after}"
    )
    assert attempts == [2 if trial == lost else 1 for trial in range(TRIALS)]
    assert after[0] >= max(reached.values()), "the second attempt began again"
    alone = hinet_search.launch(str(write_study(tmp_path, TEXT)), output=tmp_path / "alone")
    assert outcomes(record) == outcomes(alone)
    left = [
        path
        for name in {*nodes, "third"} - {removed}
        for path in (tmp_path / name).glob("hinet-search-*")
    ]
    assert left == [], "nothing of the study is left on a node"
    assert len(list(here.glob("artifacts/small/shared_bottom/*.safetensors"))) == 2, (
        "weights, scores"
    )


def outcomes(record: StudyRecord) -> list[object]:
    """Return all results except times."""
    (arm,) = record.arms
    return [
        *(
            (
                trial.number,
                trial.state,
                trial.value,
                [(of.step, of.cells) for of in trial.evaluations],
            )
            for trial in arm.trials
        ),
        *(
            (
                finalist.trial_number,
                finalist.chosen,
                [(run.seed, run.valid_cells, run.test_cells) for run in finalist.runs],
            )
            for finalist in arm.finalists
        ),
        *(finalist.summary for finalist in arm.finalists),
    ]
