"""Nodes of a Ray cluster on this machine, and a launch in a process of its own that uses them."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from tests.executors.processes import descendants_of
from tests.small import STUDY

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


@dataclass
class Launched:
    """A launch in a process of its own, and the lines that it has said so far."""

    process: subprocess.Popen[str]
    folder: Path
    lines: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.seen: dict[Path, int] = {}  # manifests of checkpoints of the first trial, and their steps
        self.threads = [Thread(target=self._listen), Thread(target=self._watch)]
        for thread in self.threads:
            thread.start()

    def _watch(self) -> None:
        while self.process.poll() is None:
            for path in self.folder.rglob("checkpoints/shared_bottom/0/*.json"):
                with suppress(FileNotFoundError):  # it has just given way to a later one
                    self.seen[path] = json.loads(path.read_text())["step"]
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


def slots_of(node: Any) -> set[str]:
    """Numbers of the slots on a node, as their processes know them."""
    raylet = node.all_processes["raylet"][0].process.pid
    found = set()
    for process in descendants_of(raylet):
        with suppress(FileNotFoundError, ProcessLookupError):
            found |= set(re.findall(rb"HINET_SEARCH_SLOT=(\d+)", Path(f"/proc/{process}/environ").read_bytes()))
    return {number.decode() for number in found}
