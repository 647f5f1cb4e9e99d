"""What becomes of a study of real processes when one of them dies again and again, hears two signals, or wakes up late."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from hinet_search.records import StudyRecord
from hinet_search.storage.engine import connect
from hinet_search.storage.load import load_record
from hinet_search.storage.tables import lease
from tests.chaos.coordinator import NAME, Plan
from tests.chaos.history import Fact, facts
from tests.executors.processes import is_alive

LIMIT = 60.0
ORPHAN_SECONDS = 5.0


class Launches:
    """Launches of one study in one folder, and what they leave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage = str(folder / "out" / "studies.sqlite3")
        self.running: list[subprocess.Popen[str]] = []

    def begin(self, **plan: Any) -> subprocess.Popen[str]:
        Plan(**{"storage": self.storage, "trials": 4, "slots": 2, "seconds": 0.01, **plan}).write(self.folder)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.coordinator", str(self.folder)],
            stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        self.running.append(process)
        return process

    def end(self, **plan: Any) -> tuple[int, str]:
        """A launch to its end: exit code and what was said."""
        return said(self.begin(**plan))

    def record(self) -> StudyRecord:
        database = connect(self.storage)
        try:
            return load_record(database, NAME)
        finally:
            database.close()

    def wait_for(self, what: str, number: int = 1) -> list[Fact]:
        """Until so many facts of that kind are in the histories."""
        began = time.monotonic()
        while len(found := facts(self.folder / "history", what)) < number:
            assert time.monotonic() - began < LIMIT, f"only {found}"
            time.sleep(0.02)
        return found


def said(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, text = process.communicate(timeout=LIMIT)
    return process.returncode, text


@pytest.fixture
def launches(tmp_path: Path) -> Iterator[Launches]:
    made = Launches(tmp_path)
    yield made
    for process in made.running:
        process.kill()
        process.communicate()


def all_complete(record: StudyRecord, trials: int = 4) -> bool:
    (arm,) = record.arms
    return record.state == "done" and [trial.state for trial in arm.trials] == ["complete"] * trials


def test_a_trial_whose_process_dies_three_times_fails_with_its_cause_and_no_other_does(launches: Launches) -> None:
    code, text = launches.end(trials=5, manners={"1": "kills itself", "2": "exits", "3": "out of memory"})
    assert code == 0, text
    trials = launches.record().arms[0].trials
    assert [(trial.state, trial.cause, trial.attempt) for trial in trials] == [
        ("complete", "", 1),
        ("failed", "its process died (signal SIGKILL)", 3),
        ("failed", "its process died (exit code 3)", 3),
        ("failed", "out of memory", 3),
        ("complete", "", 1),
    ]
    begun = [str(fact["key"]) for fact in facts(launches.folder / "history", "begin")]
    assert [begun.count(f"mmoe/{number}") for number in range(5)] == [1, 3, 3, 3, 1]


def test_five_trials_in_a_row_that_die_in_one_way_stop_the_study_with_that_cause(launches: Launches) -> None:
    code, text = launches.end(trials=9, slots=1, manners={str(number): "kills itself" for number in range(9)})
    assert code == 6
    assert "5 trials in a row failed with one cause: its process died (signal SIGKILL)" in text
    assert "Traceback" not in text
    assert [trial.state for trial in launches.record().arms[0].trials] == ["failed"] * 5


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_stops_at_once_and_leaves_nobody_behind(
    launches: Launches, number: signal.Signals, expected: int
) -> None:
    deaf = launches.begin(seconds=600.0, manners={str(one): "deaf" for one in range(4)})
    slots = {int(fact["pid"]) for fact in launches.wait_for("begin", 2)}
    deaf.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):  # it waits for its jobs, which hear nothing
        deaf.wait(timeout=1.0)
    deaf.send_signal(number)
    began = time.monotonic()
    code, text = said(deaf)
    assert (code, time.monotonic() - began < 8) == (expected, True)
    assert "stopped at once by a second signal" in text
    assert "Traceback" not in text
    assert not [slot for slot in slots if is_alive(slot)]
    assert launches.record().state == "stopped"
    assert launches.end()[0] == 0
    assert all_complete(launches.record())


def test_a_coordinator_that_was_paused_for_long_finds_the_study_taken_over_and_changes_nothing(
    launches: Launches,
) -> None:
    late = launches.begin(seconds=0.5)
    launches.wait_for("evaluation", 3)
    late.send_signal(signal.SIGSTOP)
    database = connect(launches.storage, create=True)
    with database.writing() as connection:
        connection.execute(update(lease).values(heartbeat=lease.c.heartbeat - 61))
    database.close()
    assert launches.end()[0] == 0
    before = launches.record()
    time.sleep(max(0.0, 10.5 - (time.time() - float(launches.wait_for("launch")[0]["time"]))))  # a heartbeat is due
    late.send_signal(signal.SIGCONT)
    code, text = said(late)
    assert code == 5, text
    assert f"process {late.pid} on " in text
    assert "no longer holds study 'storm': another one took it over" in text
    assert "Traceback" not in text
    assert all_complete(before)
    assert launches.record() == replace(before, updated=launches.record().updated)


def test_no_process_outlives_a_coordinator_that_was_killed_for_more_than_five_seconds(launches: Launches) -> None:
    killed = launches.begin(seconds=600.0)
    slots = [int(fact["pid"]) for fact in launches.wait_for("begin", 2)]
    os.kill(slots[0], signal.SIGSTOP)
    children = Path(f"/proc/{killed.pid}/task/{killed.pid}/children").read_text().split()
    assert {str(slot) for slot in slots} < set(children)
    killed.kill()
    killed.wait()
    began = time.monotonic()
    while any(is_alive(int(child)) for child in children):
        assert time.monotonic() - began < ORPHAN_SECONDS, children
        time.sleep(0.02)
