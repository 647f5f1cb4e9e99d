"""One process runs the inputs of all tests."""

from collections.abc import Iterator

import pytest

from tests.fuzz.process import InputProcess


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InputProcess]:
    """A process of its own, in which inputs are run."""
    process = InputProcess(tmp_path_factory.mktemp("fuzz"))
    yield process
    process.end()
