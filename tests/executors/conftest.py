"""What tests of engines share: every executor, a Ray cluster of nodes, launches on it, an S3 server, and an empty exchange of each kind."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hinet_search import plugins
from hinet_search.executors import Executor
from tests.executors.engines import EXCHANGING, EXECUTORS, exchanging, surroundings
from tests.executors.nodes import NODE, TEXT, Launched
from tests.s3 import S3, server
from tests.small import write_study

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster


@pytest.fixture(scope="module", params=[*plugins.names(EXECUTORS), EXCHANGING])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[int], Executor]]:
    """Starts an executor with that many slots."""
    if request.param == EXCHANGING:
        with exchanging(tmp_path_factory.mktemp("exchanging")) as start:
            yield start
        return
    module, home = plugins.load(EXECUTORS, request.param), tmp_path_factory.mktemp("home")
    with surroundings(request.param) as options:
        yield lambda slots: module.start(slots, home, module.Options(**options), "a-study")


@pytest.fixture(scope="module")
def two_slots(engine: Callable[[int], Executor]) -> Iterator[Executor]:
    """Shared by all tests of a file: each leaves it with free slots, whatever its jobs did."""
    executor = engine(2)
    yield executor
    executor.close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    """One for all tests."""
    with server() as running:
        yield running


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The server, found by the drivers of this process and of those that it starts."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture(params=["folder", "S3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty exchange."""
    return f"file://{tmp_path}/exchange" if request.param == "folder" else request.getfixturevalue("s3").bucket()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator["Cluster"]:
    """A head without room for slots."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with tempfile.TemporaryDirectory() as folder:  # paths of sockets have to be short
        monkeypatch.setenv("RAY_TMPDIR", folder)
        found = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False})
        yield found
        found.shutdown()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Launched]]:
    """Launches a study on the cluster of an address, with more words of the command line."""
    launched: list[Launched] = []

    def begin(address: str, *more: str, text: str = TEXT) -> Launched:
        command = [sys.executable, "-c", "from hinet_search.cli import main; main()", "launch", "small.yaml"]
        write_study(tmp_path, text)
        process = subprocess.Popen(
            [*command, "--executor", "ray", "--address", address, *more],
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
