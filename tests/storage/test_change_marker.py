"""The change marker of a study: what changes it, and the time of the coordinator's last heartbeat."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from optuna.trial import TrialState
from sqlalchemy import update

from hinet_search.results.records import FinalistSummary, Resampled
from hinet_search.storage.lease import this_process
from hinet_search.storage.listing import read_change_marker
from hinet_search.storage.store import StudyStore
from hinet_search.storage.tables import lease, study
from tests.storage.small_study import cells, evaluation, finalist_run, new_store, run_trial

ELSEWHERE = replace(this_process(), host="other-host", pid=4321)


@pytest.fixture
def store(either: str) -> Iterator[StudyStore]:
    store = new_store(either)
    yield store
    store.database.close()


def test_an_evaluation_changes_it(store: StudyStore) -> None:
    run_trial(store, "hinet", TrialState.COMPLETE, 0.7)
    before = read_change_marker(store.database, "small")
    store.record_evaluation("hinet", 0, 1, evaluation(2))
    after = read_change_marker(store.database, "small")
    assert (before.evaluations, after.evaluations) == (1, 2)


def test_silence_is_measured_by_the_databases_clock(store: StudyStore) -> None:
    assert read_change_marker(store.database, "small").seconds_since_heartbeat is None
    replace(store, holder=ELSEWHERE).acquire_lease()
    fresh = read_change_marker(store.database, "small")
    assert fresh.state == "running"
    assert fresh.seconds_since_heartbeat is not None
    assert fresh.seconds_since_heartbeat < 60
    with store.database.writing() as connection:
        connection.execute(update(lease).values(heartbeat=lease.c.heartbeat - 240))
    silent = read_change_marker(store.database, "small")
    assert silent.state == "interrupted"
    assert silent.seconds_since_heartbeat == pytest.approx(240, abs=60)


def test_the_seconds_left_are_those_of_the_last_heartbeat_that_noted_them(
    store: StudyStore,
) -> None:
    store.acquire_lease()
    assert read_change_marker(store.database, "small").seconds_left is None
    store.renew_lease(seconds_left=340.0)
    store.renew_lease()
    assert read_change_marker(store.database, "small").seconds_left == 340.0


def test_every_change_of_a_finalist_is_an_update(store: StudyStore) -> None:
    summary = FinalistSummary((1,), (), (), Resampled("rows", 1, (), ()))
    store.record_finalist("hinet", 0, {}, finalist_run(1), is_default=True)
    changes: list[Callable[[], None]] = [
        lambda: store.mark_chosen("hinet", 0),
        lambda: store.set_test_cells("hinet", 0, 1, cells()),
        lambda: store.record_summary("hinet", 0, summary),
    ]
    for change in changes:
        with store.database.writing() as connection:
            connection.execute(update(study).values(updated="long ago"))
        change()
        assert read_change_marker(store.database, "small").updated != "long ago"
