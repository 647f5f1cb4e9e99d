"""A Ray cluster whose nodes share no folder: they come and go in mid-study, and nobody can tell from its numbers.

`pytest -s tests/executors/test_ray_exchange.py` prints the figures.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
from ray.cluster_utils import Cluster

import hinet_search
from hinet_search.records import StudyRecord
from tests.executors.nodes import NODE, PATIENCE_SECONDS, TEXT, TRIALS, Launched, slots_of
from tests.s3 import S3
from tests.small import write_study


def test_nodes_that_share_no_folder_end_a_study_as_one_machine_does(
    cluster: Cluster, launch: Callable[..., Launched], s3: S3, tmp_path: Path
) -> None:
    def add(name: str) -> Any:
        (tmp_path / name).mkdir()
        return cluster.add_node(**NODE, env_vars={"TMPDIR": str(tmp_path / name)})

    nodes, url = {name: add(name) for name in ("first", "second")}, s3.bucket()
    launched = launch(cluster.address, "--exchange", url)
    launched.wait_until(lambda: any(steps_in(url)), "a checkpoint from the middle of a trial")

    lost = next(name for name, node in nodes.items() if "0" in slots_of(node))
    cluster.remove_node(nodes[lost], allow_graceful=False)
    (tmp_path / lost).rename(tmp_path / "gone")
    reached = steps_in(url)
    launched.heard(r"shared_bottom/0 attempt 2: its slot on \S+ was lost")
    add("third")
    launched.process.wait(timeout=PATIENCE_SECONDS)

    assert launched.process.returncode == 0, launched.lines
    record = hinet_search.load("small", output=tmp_path / ".hinet-search")
    after = [step for path, step in launched.seen.items() if not path.is_relative_to(tmp_path / lost)]
    print(
        f"nodes removed 1, added 1; attempts {[one.attempt for one in record.arms[0].trials]}; trial 0 had checkpoints of "
        f"steps {reached} in the exchange, and on other nodes some of steps [{min(after)}, {max(after)}]"
    )
    assert [one.attempt for one in record.arms[0].trials] == [2 if number == 0 else 1 for number in range(TRIALS)]
    assert min(after) >= min(reached), "the second attempt began again"
    assert outcomes(record) == outcomes(
        hinet_search.launch(str(write_study(tmp_path, TEXT)), output=tmp_path / "alone")
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


def steps_in(url: str) -> list[int]:
    """Steps of the first trial's checkpoints in an exchange, in order."""
    files, steps = fsspec.filesystem("s3"), []
    for manifest in found(url):
        if "/checkpoints/shared_bottom/0/" in manifest and ".json/" in manifest:
            with suppress(FileNotFoundError):  # it has just given way to a later one
                steps.append(json.loads(files.cat_file(manifest))["step"])
    return sorted(steps)


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
