"""Nodes of a Ray cluster on this machine, and a launch in a separate process that uses them."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from tests.executors.processes import descendants_of
from tests.small import STUDY
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
