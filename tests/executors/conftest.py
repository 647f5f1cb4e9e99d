"""What tests of engines share: every executor."""

from collections.abc import Callable, Iterator

import pytest

from hinet_search.common import plugins
from hinet_search.executors import Executor
from tests.executors.engines import EXECUTORS, surroundings


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
