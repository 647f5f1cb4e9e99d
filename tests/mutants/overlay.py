"""Run tests on a copy of the checkout with one line changed, each time in a forked process that has imported the libraries.

The working tree is only read. The copy keeps the compiled modules of the files as they are; a mutant is compiled from its text.
"""

import importlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.mutants.changes import Mutant

LIBRARIES = (
    *("alembic.command", "beartype", "cloup", "hypothesis", "jaxtyping", "jinja2", "lightgbm"),
    *("numpy", "optuna", "optuna.importance", "plotly.graph_objects", "polars", "pydantic"),
    *("pyarrow", "rich", "ruamel.yaml", "safetensors", "scipy.optimize", "scipy.stats"),
    *("sklearn.metrics", "sqlalchemy", "tenacity", "torch"),
)
LATE = "ignore::pytest.PytestAssertRewriteWarning"  # plugins are imported before pytest starts
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", LATE)
EACH = ("--maxfail=100000", "--continue-on-collection-errors")
TEST_SECONDS = 120  # a test that takes longer fails
WALL = 12  # seconds that may pass in one of work: the machine may be busy
MOST_BYTES = 8 * 2**30
PAUSE = 0.02  # seconds


@dataclass(frozen=True)
class Outcome:
    """The test that failed (a file, if it could not be imported), those that passed, and whether the process was killed."""

    failed: str | None
    passed: list[str]
    is_killed: bool


class Overlay:
    """A copy of the checkout to change."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.copy = folder / "copy"
        self.temporary = folder / "t"
        self.outcome = folder / "outcome"
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (root / name).is_file():
                (self.copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, self.copy / name)

    @contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[bool]:
        """Have the mutant in the copy; False if it no longer applies."""
        path = self.copy / mutant.file
        mutated = mutant.applied_to(path.read_text(encoding="utf-8")) if path.exists() else None
        if mutated is None:
            yield False
            return
        path.write_text(mutated, encoding="utf-8")
        os.utime(path, (0, 0))  # so that the compiled module is not taken for it
        try:
            yield True
        finally:
            shutil.copy2(self.root / mutant.file, path)

    def compile(self, tests: list[str]) -> None:
        """Import test files and what they test, and keep the compiled modules in the copy."""
        outcome = self._fork([*tests, *EACH, "--collect-only"], None, 900, keeps_compiled=True)
        assert outcome.failed is None, f"{outcome.failed} cannot be imported"

    def run(self, tests: list[str], seconds: int, only: set[str] | None = None) -> Outcome:
        """Run test files until one test fails, of their tests those in `only`, for so many seconds of work."""
        return self._fork(tests, only, seconds)

    def passing(self, tests: set[str], seconds: int) -> set[str]:
        """Return which of these tests pass on the copy."""
        files = sorted({test.partition("::")[0] for test in tests})
        there = [file for file in files if (self.copy / file).exists()]
        return set(self._fork([*there, *EACH], tests, seconds).passed)

    def _fork(
        self, words: list[str], only: set[str] | None, seconds: int, keeps_compiled: bool = False
    ) -> Outcome:
        self.outcome.write_text("")
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir()
        child = os.fork()
        if child == 0:
            try:
                resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
                self._become_pytest(words, only, keeps_compiled)
            finally:
                os._exit(0)  # whatever it raised: the parent goes on
        is_killed = _ended(child, time.monotonic() + WALL * seconds)
        events = [json.loads(line) for line in self.outcome.read_text().splitlines()]
        failed = [test for kind, test in events if kind == "failed"]
        passed = [test for kind, test in events if kind == "passed" and test not in failed]
        is_broken = not is_killed and not events  # not even conftest.py could be imported
        return Outcome(words[0] if is_broken else next(iter(failed), None), passed, is_killed)

    def _become_pytest(self, words: list[str], only: set[str] | None, keeps_compiled: bool) -> None:
        """Run pytest in the copy, silently."""
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
        silence = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(silence, descriptor)
        os.chdir(self.copy)
        ours = [name for name in sys.modules if name.split(".")[0] in {"tests", "hinet_search"}]
        for name in ours:
            del sys.modules[name]
        sys.path[:] = [str(self.copy), *[path for path in sys.path if path != str(self.root)]]
        sys.dont_write_bytecode = not keeps_compiled
        os.environ |= {"PYTHONPATH": str(self.copy), "TMPDIR": str(self.temporary)}
        os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        with self.outcome.open("a", buffering=1) as told:
            timeout = f"--timeout={TEST_SECONDS}"
            pytest.main([*OPTIONS, timeout, *words], [Told(told, only)])


class Told:
    """A plugin that runs some tests alone, and says of every test how it ended."""

    def __init__(self, to: object, only: set[str] | None) -> None:
        self.to = to
        self.only = only

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self._tell("collected", str(len(items)))
        if self.only is not None:
            items[:] = [item for item in items if item.nodeid in self.only]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._tell("failed", report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._tell("failed", report.nodeid)
        elif report.when == "call" and report.passed:
            self._tell("passed", report.nodeid)

    def _tell(self, kind: str, test: str) -> None:
        print(json.dumps([kind, test]), file=self.to)  # type: ignore[call-overload]


def _ended(child: int, until: float) -> bool:
    """Wait for a process until some time, then kill what it started and itself; return whether a signal killed it."""
    ended, status = 0, 0
    try:
        while not ended and time.monotonic() < until:
            time.sleep(PAUSE)
            ended, status = os.waitpid(child, os.WNOHANG)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    if not ended:
        _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@contextmanager
def overlay(root: Path) -> Iterator[Overlay]:
    """Import the libraries, and copy the checkout for as long as it is needed."""
    signal.signal(signal.SIGTERM, lambda *_given: sys.exit(1))  # ends its process and the copy too
    for name in LIBRARIES:
        importlib.import_module(name)
    with TemporaryDirectory(prefix="mutants-") as folder:
        yield Overlay(root, Path(folder))
