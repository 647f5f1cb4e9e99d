"""An arm's search in a temporary folder, started and resumed as launches do, and a studio there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hinet_search.results.objectives import Objective
from hinet_search.results.trade_offs import Objectives
from hinet_search.search.arm_search import ArmSearch
from hinet_search.storage.engine import Database
from tests.search import studies
from tests.search.arms import Begin
from tests.search.pretended import Studio


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[list[Database]]:
    databases: list[Database] = []
    yield databases
    for database in databases:
        database.close()


@pytest.fixture
def begin(tmp_path: Path, opened: list[Database]) -> Begin:
    """Start or resume the arm in the same folder, as a new launch would."""

    def begin(
        text: str = studies.WIDE, refusal: str = "", folder: Path = tmp_path, **values: object
    ) -> ArmSearch:
        database, store = studies.store(folder)
        opened.append(database)
        return ArmSearch(
            studies.arm(tmp_path, text),
            studies.spec(**values),
            Objectives(Objective("mean_auc")),
            store,
            lambda _arm, _config: refusal,
        )

    return begin


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    return Studio(tmp_path, monkeypatch)
