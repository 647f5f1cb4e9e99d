"""Launches that end with their test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.launches import Launches


@pytest.fixture
def launches(tmp_path: Path) -> Iterator[Launches]:
    made = Launches(tmp_path)
    yield made
    for process in made.running:
        process.kill()
        process.communicate()
