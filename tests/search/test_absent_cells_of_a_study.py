"""A study of synthetic rows in which a scenario lacks a task: what is checked before a launch, and what is drawn."""

from pathlib import Path

import pytest

from hinet_search import api
from hinet_search.common.errors import ConfigurationError
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.study.launch_options import LaunchOptions
from tests.small import STUDY, write_study

ABSENT = STUDY.replace(
    "tasks: {click: 0.4, order: 0.2}", "tasks: {click: 0.4, order: {home: 0.2, search: 0.2}}"
).replace("order: {column: order}", "order: {column: order, scenarios: [home, search]}")


def ready(folder: Path, text: str) -> PreparedStudy:
    return api.ready(str(write_study(folder, text)), LaunchOptions(output=folder / "out"))


def test_synthetic_rows_without_a_rate_have_no_task(tmp_path: Path) -> None:
    record = ready(tmp_path, ABSENT).dataset.record
    reachable = {(cell.scenario, cell.task): cell.reachable_auc for cell in record.cells}
    assert ("push", "order") not in reachable
    assert len(reachable) == 5
    assert all(auc is not None and auc > 0.6 for auc in reachable.values())


def test_an_objective_of_a_cell_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ready(tmp_path, ABSENT + "objective: auc[push/order]\n")
    (problem,) = caught.value.problems
    assert problem.endswith(
        "objective auc[push/order] needs a cell with labels, but task order is not one of push"
    )
    assert caught.value.remedy == "name a scenario of data.tasks.order.scenarios"
