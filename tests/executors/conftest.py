"""What tests of exchanges share: an S3 server, and an empty exchange of each kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.s3 import S3, server


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
