"""A study whose processes are killed, stopped and paused at random ends as an undisturbed one does."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from hinet_search.storage.engine import connect
from tests.chaos.checker import check
from tests.chaos.coordinator import FULL, Plan
from tests.chaos.history import shows_traceback
from tests.chaos.storm import Restarts, Storm, dashboard_polled
from tests.postgres import server, url_of

DECK = ["slot"] * 10 + ["coordinator"] * 2
TRIALS, SECONDS = 30, 0.1  # an evaluation


def weather(folder: Path, plan: Plan, storm: Storm) -> Counter[int]:
    """Run the storm, assert that nothing was lost, and return the dashboard's answers."""
    with dashboard_polled(plan.storage) as answers:
        storm.blow(pause=0.15)
    assert (storm.problems, storm.left) == ([], [])
    verdict = check(folder, plan.storage, plan.trials, storm.seen)
    assert verdict, verdict
    assert not shows_traceback(folder / "said"), (folder / "said").read_text()
    return answers


@pytest.mark.parametrize("more", [{}, FULL], ids=["plain", "full"])
def test_a_storm_over_sqlite_loses_nothing_and_doubles_nothing(
    tmp_path: Path, more: Mapping[str, Any]
) -> None:
    plan = Plan(str(tmp_path / "out" / "studies.sqlite3"), trials=TRIALS, seconds=SECONDS, **more)
    connect(plan.storage, create=True).close()
    answers = weather(tmp_path, plan, Storm(tmp_path, plan, DECK))
    assert answers[200] > 0
    assert not [status for status in answers if status >= 500]


@pytest.mark.postgres
def test_a_storm_over_a_server_that_restarts_loses_nothing_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    # Not in pytest's folder: another session of it would take the server's right to reach its files.
    with (
        TemporaryDirectory(prefix="hinet-search-storm-") as folder,
        server(Path(folder)) as running,
    ):
        plan = Plan(url_of(running), trials=TRIALS, seconds=SECONDS)
        connect(plan.storage, create=True).close()
        restarts = Restarts(running, away_seconds=1.0)
        weather(tmp_path, plan, Storm(tmp_path, plan, [*DECK, *restarts.deeds], restarts.deeds))
        restarts.over()
