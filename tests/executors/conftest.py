"""What tests of engines share: every executor, a Ray cluster of nodes, and launches on it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hinet_search.common import plugins
from hinet_search.executors import Executor
from tests.executors.engines import EXECUTORS, surroundings
from tests.executors.nodes import NODE, TEXT, Launched
from tests.small import write_study

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster


@pytest.fixture(scope="module", autouse=True)
def spawned(as_shipped: None) -> None:
    """Start slots as a launch does, because these tests are about slots."""


@pytest.fixture(scope="module", params=plugins.names(EXECUTORS))
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[int], Executor]]:
    """Starts an executor with that many slots."""
    module, home = plugins.load(EXECUTORS, request.param), tmp_path_factory.mktemp("home")
    with surroundings(request.param) as options:
        yield lambda slots: module.start(slots, home, module.Options(**options))


@pytest.fixture(scope="module")
def two_slots(engine: Callable[[int], Executor]) -> Iterator[Executor]:
    """Shared by all tests of a file: each leaves it with free slots, whatever its jobs did."""
    executor = engine(2)
    yield executor
    executor.close()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator["Cluster"]:
    """A head without room for slots, and without a token, which this process may have of another cluster."""
    from ray._private.authentication_test_utils import reset_auth_token_state
    from ray.cluster_utils import Cluster

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
