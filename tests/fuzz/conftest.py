"""One server of workers for all tests of a process."""

from collections.abc import Iterator

import pytest

from tests.fuzz.worker import Workers


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    """Processes in which inputs are run."""
    with Workers() as workers:
        yield workers
