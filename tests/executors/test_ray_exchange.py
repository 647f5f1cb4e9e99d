"""A Ray cluster whose nodes share no folder: they come and go in mid-study, and nobody can tell from its numbers.

`pytest -s tests/executors/test_ray_exchange.py` prints the figures.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
import pytest
from ray.cluster_utils import Cluster

import hinet_search
from hinet_search.records import StudyRecord
from tests.executors.nodes import NODE, PASSES, TEXT, TRIALS, Launched, slots_of
from tests.s3 import S3
from tests.small import write_study

LONGER = TEXT.replace(f"trials: {TRIALS}", "trials: 3").replace(f"passes: {PASSES}", "passes: 40")


@pytest.mark.timeout(900)  # five trainings, and as many without Ray; machines of CI may be slow
def test_nodes_that_share_no_folder_end_a_study_as_one_machine_does(
    cluster: Cluster, launch: Callable[..., Launched], s3: S3, tmp_path: Path
) -> None:
    def add(name: str) -> Any:
        (tmp_path / name).mkdir()
        return cluster.add_node(**NODE, env_vars={"TMPDIR": str(tmp_path / name)})

    nodes, url = {name: add(name) for name in ("first", "second")}, s3.bucket()
    launched = launch(cluster.address, "--exchange", url, text=LONGER)
    launched.wait_until(lambda: any(steps_in(url).values()), "a checkpoint from the middle of a trial")

    lost = next(name for name, node in nodes.items() if "0" in slots_of(node))
    cluster.remove_node(nodes[lost], allow_graceful=False)
    (tmp_path / lost).rename(tmp_path / "gone")
    reached = steps_in(url)
    launched.heard(r"shared_bottom/0 attempt 2: its slot on \S+ was lost")
    add("third")
    launched.process.wait()

    assert launched.process.returncode == 0, launched.lines
    record = hinet_search.load("small", output=tmp_path / ".hinet-search")
    seen = {path.name: step for path, step in launched.seen.items() if not path.is_relative_to(tmp_path / lost)}
    after = sorted(step for name, step in seen.items() if name not in reached)
    print(
        f"nodes removed 1, added 1; attempts {[one.attempt for one in record.arms[0].trials]}; trial 0 had checkpoints of "
        f"steps {sorted(reached.values())} in the exchange, and its second attempt left some of steps {after}"
    )
    assert [one.attempt for one in record.arms[0].trials] == [2, 1, 1]
    assert after[0] >= max(reached.values()), "the second attempt began again"
    assert outcomes(record) == outcomes(
        hinet_search.launch(str(write_study(tmp_path, LONGER)), output=tmp_path / "alone")
    )
    assert found(url) == [], "nothing is left in the exchange"
    assert [*(tmp_path / "second").rglob("*.npy"), *(tmp_path / "third").rglob("*.npy")] == [], "nor on a node"
    assert len(list(tmp_path.glob(".hinet-search/artifacts/small/shared_bottom/*.safetensors"))) == 2, "weights, scores"


def found(url: str) -> list[str]:
    """Objects in an exchange."""
    files, root = fsspec.core.url_to_fs(url)
    files.invalidate_cache()
    objects: list[str] = files.find(root)
    return objects


def steps_in(url: str) -> dict[str, int]:
    """Manifests of the first trial's checkpoints in an exchange, and their steps."""
    files, steps = fsspec.filesystem("s3"), {}
    for manifest in found(url):
        if "/checkpoints/shared_bottom/0/" in manifest and ".json/" in manifest:
            with suppress(FileNotFoundError):  # it has just given way to a later one
                steps[manifest.split("/")[-2]] = json.loads(files.cat_file(manifest))["step"]
    return steps


def outcomes(record: StudyRecord) -> list[object]:
    """Everything that was learned, but for how long it took."""
    (arm,) = record.arms
    return [
        *((one.number, one.state, one.value, [(of.step, of.cells) for of in one.evaluations]) for one in arm.trials),
        *(
            (one.trial_number, one.chosen, [(run.seed, run.valid_cells, run.test_cells) for run in one.runs])
            for one in arm.finalists
        ),
        *(one.summary for one in arm.finalists),
    ]
