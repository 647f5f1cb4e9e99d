"""Launches that end with their test, and a study of one arm that provides jobs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hinet_search import api
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.study.launch_options import LaunchOptions
from tests.chaos.launches import Launches
from tests.small import STUDY, write_study


@pytest.fixture
def launches(tmp_path: Path) -> Iterator[Launches]:
    made = Launches(tmp_path)
    yield made
    for process in made.running:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> PreparedStudy:
    """Shared by all tests of a file."""
    folder = tmp_path_factory.mktemp("data")
    text = STUDY.replace("arms: {shared_bottom: , mmoe: }", "arms: {shared_bottom: }")
    return api.ready(str(write_study(folder, text)), LaunchOptions(output=folder / "out"))
