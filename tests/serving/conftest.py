"""Shops whose studies are launched once for all tests of serving, and a journal."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hinet_search.serving.live.journal import Journal
from tests.serving.log_shop import SEQUENCES, STUDY, LogShop, launched
from tests.serving.peer_shop import of_one_task, of_scenarios, of_tasks  # noqa: F401
from tests.serving.shop import Shop, launch_shop, rows, study


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A done study of every model, with two seeds an arm."""
    return launch_shop(tmp_path_factory.mktemp("shop"), rows(), study())


@pytest.fixture(scope="session")
def events(tmp_path_factory: pytest.TempPathFactory) -> LogShop:
    """A study whose models read events and sessions."""
    return launched(tmp_path_factory.mktemp("events"), STUDY)


@pytest.fixture(scope="session")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> LogShop:
    """A study whose models, and their ensemble, read sequences."""
    arms = ("din", "bst", "events", "trees", "ensemble")
    return launched(tmp_path_factory.mktemp("sequences"), SEQUENCES, arms)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "state")) as journal:
        yield journal
