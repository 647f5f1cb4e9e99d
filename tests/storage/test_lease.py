"""Leases: who may run a study."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, Table, delete, event, update
from sqlalchemy.exc import OperationalError

from hinet_search.common.errors import EnvironmentFault, StudyConflict
from hinet_search.storage import lease as leases
from hinet_search.storage.engine import connect
from hinet_search.storage.lease import heartbeat, this_process
from hinet_search.storage.listing import list_studies
from hinet_search.storage.load import load_record
from hinet_search.storage.store import StudyStore
from hinet_search.storage.tables import lease
from tests.storage.small_study import evaluation, small_study, trial_row

ME = this_process()
LIVE = replace(ME, pid=os.getppid())
ELSEWHERE = replace(ME, host="other-host", pid=4321)


@pytest.fixture
def mine(tmp_path: Path) -> StudyStore:
    return StudyStore(connect(str(tmp_path / "h.db"), create=True), "small", ME)


@pytest.fixture(scope="module")
def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_live_holder_keeps_others_out_and_is_named(mine: StudyStore) -> None:
    replace(mine, holder=LIVE).acquire_lease()
    with pytest.raises(
        StudyConflict, match=f"study 'small' is run by process {LIVE.pid} on {LIVE.host}"
    ) as caught:
        mine.acquire_lease()
    assert caught.value.exit_code == 5
    assert caught.value.remedy == f"wait until it ends or stop it: kill {LIVE.pid}"


def test_the_same_process_cannot_run_a_study_twice(mine: StudyStore) -> None:
    mine.acquire_lease()
    with pytest.raises(StudyConflict, match=f"process {ME.pid}") as caught:
        mine.acquire_lease()
    assert caught.value.remedy == "wait until it ends: it is another launch of this very process"


def test_a_lease_that_could_not_be_released_is_free_for_one_launch_of_its_process(
    mine: StudyStore, tmp_path: Path
) -> None:
    mine.acquire_lease()
    with full_disk(mine), pytest.raises(EnvironmentFault, match="disk is full"):
        mine.release_lease()
    again = StudyStore(connect(str(tmp_path / "h.db")), "small", ME)
    again.refuse_held()
    with full_disk(mine), pytest.raises(EnvironmentFault, match="disk is full"):
        mine.acquire_lease()
    with pytest.raises(StudyConflict):
        replace(mine, holder=LIVE).acquire_lease()
    mine.acquire_lease()
    with pytest.raises(StudyConflict, match=f"process {ME.pid}"):
        mine.acquire_lease()


@contextmanager
def full_disk(store: StudyStore) -> Iterator[None]:
    """Let every write fail as on a full disk, and reads go on."""

    def fail(_connection: Connection, *_: object) -> None:
        raise OperationalError("", {}, sqlite3.OperationalError("database or disk is full"))

    event.listen(store.database.engine, "commit", fail)
    try:
        yield
    finally:
        event.remove(store.database.engine, "commit", fail)


def test_another_study_is_free(mine: StudyStore) -> None:
    replace(mine, holder=LIVE).acquire_lease()
    replace(mine, study="other").acquire_lease()


def test_a_holder_that_died_here_is_replaced_at_once(mine: StudyStore, dead_pid: int) -> None:
    replace(mine, holder=replace(ME, pid=dead_pid)).acquire_lease()
    mine.acquire_lease()
    mine.renew_lease()


def test_a_dead_pid_of_another_boot_says_nothing(mine: StudyStore, dead_pid: int) -> None:
    replace(mine, holder=replace(ME, pid=dead_pid, boot_id="another")).acquire_lease()
    with pytest.raises(StudyConflict):
        mine.acquire_lease()


@pytest.mark.parametrize(
    ("age", "told"),
    [
        pytest.param(50, r"5\d", id="sixty seconds are not over"),
        pytest.param(-50, "0", id="the clock was set back a little"),
    ],
)
def test_a_holder_elsewhere_keeps_the_study_for_sixty_seconds(
    mine: StudyStore, age: int, told: str
) -> None:
    replace(mine, holder=ELSEWHERE).acquire_lease()
    _age(mine, age)
    said = rf"process 4321 on other-host \(heartbeat {told} s ago\)"
    with pytest.raises(StudyConflict, match=said):
        mine.acquire_lease()


@pytest.mark.parametrize("age", [61, -3600], ids=["it is over", "the clock was set back"])
def test_a_holder_elsewhere_that_fell_silent_is_replaced(mine: StudyStore, age: int) -> None:
    replace(mine, holder=ELSEWHERE).acquire_lease()
    _age(mine, age)
    mine.acquire_lease()
    mine.renew_lease()


def test_a_heartbeat_keeps_the_study(mine: StudyStore) -> None:
    theirs = replace(mine, holder=ELSEWHERE)
    theirs.acquire_lease()
    _age(mine, 61)
    theirs.renew_lease()
    with pytest.raises(StudyConflict):
        mine.acquire_lease()


def test_a_holder_that_was_replaced_learns_it_at_its_next_heartbeat(mine: StudyStore) -> None:
    theirs = replace(mine, holder=ELSEWHERE)
    theirs.acquire_lease()
    _age(mine, 61)
    mine.acquire_lease()
    with pytest.raises(StudyConflict, match="no longer holds study 'small'"):
        theirs.renew_lease()


def test_releasing_what_another_holds_changes_nothing(mine: StudyStore) -> None:
    theirs = replace(mine, holder=LIVE)
    theirs.acquire_lease()
    mine.release_lease()
    theirs.renew_lease()


def test_a_lease_that_is_given_back_while_another_one_asks_for_it_is_taken(
    mine: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace(mine, holder=LIVE).acquire_lease()
    insert = leases.insert_if_absent

    def given_back_after(connection: Connection, table: Table, row: Mapping[str, object]) -> bool:
        inserted = insert(connection, table, row)
        if not inserted:
            connection.execute(
                delete(lease)
            )  # on a server another session may do so between two statements
        return inserted

    monkeypatch.setattr(leases, "insert_if_absent", given_back_after)
    mine.acquire_lease()
    mine.renew_lease()


WRITES = {
    "a trial": lambda store: store.record_trial("hinet", trial_row(0, 9)),
    "an evaluation": lambda store: store.record_evaluation("hinet", 1, 9, evaluation(1, 0.99)),
    "a state": lambda store: store.set_state("running"),
    "a choice": lambda store: store.mark_chosen("hinet", 77),
    "an opening": lambda store: store.record_test_access("f", "hinet", 1, [1]),
    "importances": lambda store: store.record_importances("hinet", {"x": 1.0}),
}


@pytest.mark.parametrize("write", WRITES)
def test_nothing_is_written_by_one_whose_study_was_taken_over_meanwhile(
    tmp_path: Path, write: str
) -> None:
    late = replace(StudyStore(small_study(tmp_path / "h.db"), "small", ME), leased=True)
    late.acquire_lease()
    WRITES[write](late)
    _age(late, 61)
    replace(late, holder=ELSEWHERE).acquire_lease()
    before = load_record(late.database, "small", trial_cells=True)
    with pytest.raises(StudyConflict, match="no longer holds study 'small'"):
        WRITES[write](late)
    assert load_record(late.database, "small", trial_cells=True) == before


def test_every_write_of_a_holder_is_a_heartbeat(tmp_path: Path) -> None:
    store = replace(StudyStore(small_study(tmp_path / "h.db"), "small", ME), leased=True)
    store.acquire_lease()
    _age(store, 59)
    store.record_importances("hinet", {"x": 1.0})
    with store.database.reading() as connection:
        silent, _ = heartbeat(connection, "small")
    assert silent is not None
    assert silent < 30


def _age(store: StudyStore, seconds: float) -> None:
    with store.database.writing() as connection:
        connection.execute(update(lease).values(heartbeat=lease.c.heartbeat - seconds))


def states(store: StudyStore) -> tuple[str, str]:
    """Return a study's state in the list of studies, and in its record."""
    (summary,) = list_studies(store.database)
    return summary.state, load_record(store.database, "small").state


def test_a_running_study_without_a_live_coordinator_was_interrupted(
    tmp_path: Path, dead_pid: int
) -> None:
    store = StudyStore(small_study(tmp_path / "h.db"), "small", ME)
    assert states(store) == ("done", "done")
    store.set_state("running")
    assert states(store) == ("interrupted", "interrupted")
    replace(store, holder=LIVE).acquire_lease()
    assert states(store) == ("running", "running")
    replace(store, holder=LIVE).release_lease()
    replace(store, holder=replace(ME, pid=dead_pid)).acquire_lease()
    assert states(store) == ("interrupted", "interrupted")


def test_a_study_whose_lease_could_not_be_released_was_interrupted(tmp_path: Path) -> None:
    store = StudyStore(small_study(tmp_path / "h.db"), "small", ME)
    store.set_state("running")
    store.acquire_lease()
    assert states(store) == ("running", "running")
    with full_disk(store), pytest.raises(EnvironmentFault, match="disk is full"):
        store.release_lease()
    assert states(store) == ("interrupted", "interrupted")


def test_a_holder_elsewhere_counts_as_alive_until_its_heartbeat_is_old(tmp_path: Path) -> None:
    store = StudyStore(small_study(tmp_path / "h.db"), "small", ME)
    store.set_state("running")
    replace(store, holder=ELSEWHERE).acquire_lease()
    assert states(store) == ("running", "running")
    _age(store, 61)
    assert states(store) == ("interrupted", "interrupted")
