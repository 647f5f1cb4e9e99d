"""A Ray cluster whose nodes come and go in mid-study: the budget stays exact, and trials go on elsewhere.

`pytest -s tests/executors/test_ray_nodes.py` prints the figures.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from ray.cluster_utils import Cluster

import hinet_search
from tests.executors.processes import descendants_of
from tests.small import STUDY, write_study

TRIALS, PASSES = 4, 30
NUM_EVALUATIONS = 4 * PASSES
TEXT = (
    STUDY.replace("arms: {shared_bottom: , mmoe: }", "arms: {shared_bottom: }")
    .replace("rows: 4000", "rows: 30000")
    .replace("trials: 3", f"trials: {TRIALS}")
    .replace("passes: 2", f"passes: {PASSES}\nsampler: random\nfixed: {{train.patience: 0}}")
    .replace("seeds: 2", "seeds: 1")
)
PATIENCE_SECONDS = 120.0
NODE = {"num_cpus": 1, "object_store_memory": 80 * 1024**2}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head without room for slots."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with tempfile.TemporaryDirectory() as folder:  # paths of sockets have to be short
        monkeypatch.setenv("RAY_TMPDIR", folder)
        found = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False})
        yield found
        found.shutdown()


@dataclass
class Launched:
    """A launch in a process of its own, and the lines that it has said so far."""

    process: subprocess.Popen[str]
    folder: Path
    lines: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.seen: dict[str, int] = {}  # checkpoints of the first trial: name and step
        self.threads = [Thread(target=self._listen), Thread(target=self._watch)]
        for thread in self.threads:
            thread.start()

    def _watch(self) -> None:
        while self.process.poll() is None:
            for path in self.folder.rglob("checkpoints/shared_bottom/0/*.json"):
                with suppress(FileNotFoundError):  # it has just given way to a later one
                    self.seen[path.name] = json.loads(path.read_text())["step"]
            time.sleep(0.02)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as said:
            for line in said:
                self.lines.append((time.monotonic(), line.strip()))

    def heard(self, pattern: str) -> tuple[float, tuple[str, ...]]:
        """When a line with this pattern was said, and the pattern's groups; waits for it."""
        found: list[tuple[float, tuple[str, ...]]] = []

        def said() -> bool:
            matches = [(when, re.search(pattern, line)) for when, line in self.lines]
            found[:] = [(when, match.groups()) for when, match in matches if match]
            return bool(found)

        self.wait_until(said, pattern)
        return found[0]

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        limit = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert self.process.poll() in (None, 0), self.lines
            assert time.monotonic() < limit, f"{what}: {self.lines}"
            time.sleep(0.02)


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[[str], Launched]]:
    launched: list[Launched] = []

    def begin(address: str) -> Launched:
        command = [sys.executable, "-c", "from hinet_search.cli import main; main()", "launch", "small.yaml"]
        write_study(tmp_path, TEXT)
        process = subprocess.Popen(
            [*command, "--executor", "ray", "--address", address],
            cwd=tmp_path,
            env={**os.environ, "HINET_SEARCH_CHECKPOINT_SECONDS": "0", "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        launched.append(Launched(process, tmp_path))
        return launched[-1]

    yield begin
    for one in launched:
        one.process.kill()
        one.process.wait()
        for thread in one.threads:
            thread.join()


def slots_of(node: Any) -> set[str]:
    """Numbers of the slots on a node, as their processes know them."""
    raylet = node.all_processes["raylet"][0].process.pid
    found = set()
    for process in descendants_of(raylet):
        with suppress(FileNotFoundError, ProcessLookupError):
            found |= set(re.findall(rb"HINET_SEARCH_SLOT=(\d+)", Path(f"/proc/{process}/environ").read_bytes()))
    return {number.decode() for number in found}


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
