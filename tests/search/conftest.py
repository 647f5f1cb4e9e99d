"""An arm's search in a folder of the test's own, begun and gone on with as launches do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hinet_search.objective import Objective
from hinet_search.search.arm_search import ArmSearch
from hinet_search.storage.engine import Database
from tests.search import studies
from tests.search.arms import Begin


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[list[Database]]:
    databases: list[Database] = []
    yield databases
    for database in databases:
        database.close()


@pytest.fixture
def begin(tmp_path: Path, opened: list[Database]) -> Begin:
    """Begins (or goes on with) the arm in the same folder, as a new launch would."""

    def begin(text: str = studies.WIDE, refusal: str = "", **values: object) -> ArmSearch:
        database, store = studies.store(tmp_path)
        opened.append(database)
        admission = studies.Admission(refusal)
        return ArmSearch(studies.arm(tmp_path, text), studies.spec(**values), Objective("mean_auc"), store, admission)

    return begin
