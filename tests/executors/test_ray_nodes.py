"""A Ray cluster whose nodes join and leave during a study: the budget stays exact, and trials resume elsewhere.

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
from tests.waiting import wait_until

TRIALS, PASSES = 2, 80
NUM_EVALUATIONS = 4 * PASSES
TEXT = (
    STUDY.replace("arms: {shared_bottom: , mmoe: }", "arms: {shared_bottom: }")
    .replace("rows: 4000", "rows: 30000")
    .replace("trials: 3", f"trials: {TRIALS}")
    .replace("passes: 2", f"passes: {PASSES}\nsampler: random\nfixed: {{train.patience: 0}}")
    .replace("seeds: 2", "seeds: 1")
)
LIMIT_SECONDS = 400.0  # a study on nodes takes a minute, several where a machine does other work
NODE = {"num_cpus": 1, "object_store_memory": 80 * 1024**2}


@dataclass
class Launched:
    """A launch in a separate process, and the lines that it has printed so far."""

    process: subprocess.Popen[str]
    folder: Path
    lines: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.seen: dict[Path, int] = {}  # manifests of checkpoints of trials, and their steps
        self.threads = [Thread(target=self._listen), Thread(target=self._watch)]
        for thread in self.threads:
            thread.start()

    def _watch(self) -> None:
        while self.process.poll() is None:
            for path in self._manifests():
                with suppress(FileNotFoundError):  # it was replaced by a later one
                    self.seen[path] = json.loads(path.read_text())["step"]
            time.sleep(0.02)

    def _manifests(self) -> Iterator[Path]:
        """Yield the manifests of checkpoints that the coordinator has.

        A folder that vanishes meanwhile hides no other.
        """
        artifacts = self.folder / ".hinet-search" / "artifacts"
        for folder, _, names in os.walk(artifacts):
            if Path(folder).match("checkpoints/shared_bottom/?"):
                yield from (Path(folder, name) for name in names if name.endswith(".json"))

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as said:
            for line in said:
                self.lines.append((time.monotonic(), line.strip()))

    def lost_trial(self) -> tuple[float, int]:
        """Wait until a trial has lost its slot; return the time and the number of the trial."""
        noticed, (number,) = self.heard(r"shared_bottom/(\d) attempt 2: its slot on \S+ was lost")
        return noticed, int(number)

    def heard(self, pattern: str) -> tuple[float, tuple[str, ...]]:
        """Wait for a line with this pattern; return its time and the pattern's groups."""
        matched: list[tuple[float, tuple[str, ...]]] = []

        def said() -> bool:
            matches = [(when, re.search(pattern, line)) for when, line in self.lines]
            matched[:] = [(when, match.groups()) for when, match in matches if match]
            return bool(matched)

        self.wait_until(said, pattern)
        return matched[0]

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        def holds_or_ended() -> bool:
            has_ended = self.process.poll() is not None
            if has_ended:  # nothing that is waited for comes after the last line
                for thread in self.threads:
                    thread.join(timeout=10.0)
            held = holds()
            assert held or not has_ended, f"{what}: {self.seen}, {self.lines}"
            return held

        wait_until(holds_or_ended, lambda: f"{what}: {self.lines}", at_most=LIMIT_SECONDS)


def trial_of(manifest: Path) -> int:
    """Return the number of the trial to which a checkpoint belongs."""
    return int(manifest.parent.name)


def slots_of(node: Any) -> set[str]:
    """Numbers of the slots on a node, as their processes know them."""
    raylet = node.all_processes["raylet"][0].process.pid
    numbers = set()
    for process in descendants_of(raylet):
        with suppress(FileNotFoundError, ProcessLookupError):
            numbers |= set(
                re.findall(
                    rb"HINET_SEARCH_SLOT=(\d+)", Path(f"/proc/{process}/environ").read_bytes()
                )
            )
    return {number.decode() for number in numbers}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head without room for slots, and without a token, which this process may have of another cluster."""
    from ray._private.authentication_test_utils import reset_auth_token_state

    reset_auth_token_state()
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with tempfile.TemporaryDirectory() as folder:  # paths of sockets have to be short
        monkeypatch.setenv("RAY_TMPDIR", folder)
        nodes = Cluster(
            initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False}
        )
        yield nodes
        nodes.shutdown()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Launched]]:
    """Launch a study on the cluster at an address, with further command-line arguments."""
    launched: list[Launched] = []

    def begin(address: str, *more: str, text: str = TEXT) -> Launched:
        command = [
            sys.executable,
            "-c",
            "from hinet_search.cli import main; main()",
            "launch",
            "small.yaml",
        ]
        write_study(tmp_path, text)
        process = subprocess.Popen(
            [*command, "--executor", "ray", "--address", address, *more],
            cwd=tmp_path,
            env={
                **os.environ,
                "HINET_SEARCH_CHECKPOINT_SECONDS": "0",
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        launched.append(Launched(process, tmp_path))
        return launched[-1]

    yield begin
    for launched_process in launched:
        launched_process.process.kill()
        launched_process.process.wait()
        for thread in launched_process.threads:
            thread.join()


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
