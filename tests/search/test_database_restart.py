"""A PostgreSQL server that restarts or disconnects its clients during a study costs a wait and nothing else."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from hinet_search.executors import Job
from hinet_search.results.study_record import StudyRecord
from tests.postgres import server, throw_out, url_of
from tests.search.pretended import Pretender, Studio

pytestmark = pytest.mark.postgres
AWAY_SECONDS = 1.5


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with server(tmp_path_factory.mktemp("restarts")) as postgres:
        yield postgres


class Disturbed(Pretender):
    """Trains nothing, and does something to the server when its third job begins."""

    def __init__(self, disturb: Callable[[], None]) -> None:
        super().__init__()
        self.disturb = disturb

    def submit(self, job: Job) -> None:
        super().submit(job)
        if len(self.jobs) == 3:
            self.disturb()


def restart(running: Any) -> None:
    """Stop the server at once and start it again after a while."""
    running.stop()

    def back() -> None:
        time.sleep(AWAY_SECONDS)
        running.start()

    Thread(target=back).start()


@pytest.mark.parametrize("disturb", [restart, throw_out])
def test_a_study_continues_when_the_server_is_back(
    running: Any, disturb: Callable[[Any], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = Studio(tmp_path, monkeypatch)
    more = f"name: {disturb.__name__}\n"
    record, _ = studio.launch(Disturbed(lambda: disturb(running)), more, storage=url_of(running))
    again, after = studio.launch(more=more, storage=url_of(running))
    assert after.jobs == [], "nothing is left to do"
    for study in (record, again):
        check(study)


def check(record: StudyRecord) -> None:
    (arm,) = record.arms
    assert record.state == "done"
    assert [(trial.number, trial.state) for trial in arm.trials] == [
        (number, "complete") for number in range(4)
    ]
    (chosen,) = [finalist for finalist in arm.finalists if finalist.chosen]
    assert all(run.test_cells for run in chosen.runs)
    assert record.test_accesses >= 1
