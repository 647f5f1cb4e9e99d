"""A study of real processes when one of them dies repeatedly, is paused, or gets two signals."""

import os
import signal
import subprocess

import pytest

from hinet_search.results.study_record import StudyRecord
from tests.chaos.history import facts
from tests.chaos.launches import Launches, said
from tests.executors.processes import is_alive


def all_complete(record: StudyRecord, trials: int = 4) -> bool:
    (arm,) = record.arms
    return record.state == "done" and [trial.state for trial in arm.trials] == ["complete"] * trials


def test_a_slot_that_is_paused_for_ever_costs_its_trial_one_attempt(launches: Launches) -> None:
    launched = launches.begin(seconds=0.1, silence_minutes=0.1)
    begun = launches.wait_for("begin")[0]
    os.kill(int(begun["pid"]), signal.SIGSTOP)
    code, text = said(launched)
    assert code == 0, text
    assert f"retry {begun['key']} attempt 2: silent for 0.1 min" in text
    assert all_complete(launches.record())
    assert not is_alive(int(begun["pid"]))


def test_only_a_trial_that_dies_three_times_or_runs_out_of_memory_twice_fails(
    launches: Launches,
) -> None:
    code, text = launches.end(
        trials=5, manners={"1": "kills itself", "2": "exits", "3": "out of memory"}
    )
    assert code == 0, text
    trials = launches.record().arms[0].trials
    assert [(trial.state, trial.cause, trial.attempt) for trial in trials] == [
        ("complete", "", 1),
        ("failed", "its process died (signal SIGKILL)", 3),
        ("failed", "its process died (exit code 3)", 3),
        ("failed", "out of memory", 2),
        ("complete", "", 1),
    ]
    begun = [str(fact["key"]) for fact in facts(launches.folder / "history", "begin")]
    assert [begun.count(f"mmoe/{number}") for number in range(5)] == [1, 3, 3, 2, 1]


def test_a_second_signal_stops_at_once_and_leaves_no_slot(launches: Launches) -> None:
    deaf = launches.begin(seconds=600.0, manners={str(number): "deaf" for number in range(4)})
    slots = {int(fact["pid"]) for fact in launches.wait_for("begin", 2)}
    deaf.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):  # it waits for its jobs, which hear nothing
        deaf.wait(timeout=1.0)
    deaf.send_signal(signal.SIGTERM)
    code, text = said(deaf)
    assert code == 143
    assert "stopped at once by a second signal" in text
    assert "Traceback" not in text
    assert not [slot for slot in slots if is_alive(slot)]
    assert launches.record().state == "stopped"
    assert launches.end()[0] == 0
    assert all_complete(launches.record())
