"""Dispatch keeps slots busy, tries dead jobs again, and drops what is out of date."""

import pytest

from hinet_search.common.errors import HinetSearchError
from hinet_search.executors import Job, JobEnd, Message
from hinet_search.search.dispatch import GAPS, MAX_ATTEMPTS, HeartbeatMonitor, StopFlag, drive
from tests.search.driven import FakeExecutor, FakePhase, attempts, dies, nothing, raises, returns


def test_a_phase_without_jobs_ends_at_once() -> None:
    ticks: list[int] = []
    drive(FakeExecutor(), FakePhase(), StopFlag(), lambda: ticks.append(1))
    assert ticks == []


def test_every_job_of_a_phase_runs_and_ends_once() -> None:
    executor, phase = FakeExecutor(), FakePhase("a/0", "a/1", "a/2")
    drive(executor, phase, StopFlag(), nothing)
    assert attempts(executor) == [("a/0", 1), ("a/1", 1), ("a/2", 1)]
    assert phase.ended == [("a/0", "", False), ("a/1", "", False), ("a/2", "", False)]


def test_no_more_jobs_run_at_once_than_there_are_slots() -> None:
    executor, phase = FakeExecutor(slots=2), FakePhase("a/0", "a/1", "a/2")
    started: list[int] = []
    drive(executor, phase, StopFlag(), lambda: started.append(len(executor.submitted)))
    assert started == [2, 3]


def test_a_message_reaches_the_phase_with_its_key() -> None:
    executor = FakeExecutor(lambda job: [Message(job.key, 1, "hello"), *returns(job)])
    phase = FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing)
    assert phase.heard == [("a/0", "hello")]


def test_a_phase_can_stop_the_job_it_hears() -> None:
    executor = FakeExecutor(lambda job: [Message(job.key, 1, "hello")])
    phase = FakePhase("a/0")
    phase.stop_when_heard = {"a/0"}
    drive(executor, phase, StopFlag(), nothing)
    assert executor.stopped == ["a/0"]
    assert phase.ended == [("a/0", "", False)]


def test_a_job_whose_process_died_begins_again_as_the_next_attempt() -> None:
    executor = FakeExecutor(lambda job: dies(job) if job.attempt == 1 else returns(job))
    phase = FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing)
    assert attempts(executor) == [("a/0", 1), ("a/0", 2)]
    assert phase.retried == [("a/0", 2, "its process died")]
    assert phase.ended == [("a/0", "", False)]


def test_a_job_that_dies_three_times_ends_with_its_cause() -> None:
    executor, phase = FakeExecutor(dies), FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing)
    assert MAX_ATTEMPTS == 3
    assert attempts(executor) == [("a/0", 1), ("a/0", 2), ("a/0", 3)]
    assert phase.ended == [("a/0", "its process died", False)]


def test_a_job_that_comes_with_a_later_attempt_has_three_more_in_this_run() -> None:
    executor, phase = FakeExecutor(dies), FakePhase()
    phase.waiting = [Job("a/0", 4, print, None)]
    drive(executor, phase, StopFlag(), nothing)
    assert attempts(executor) == [("a/0", 4), ("a/0", 5), ("a/0", 6)]


def test_deaths_are_counted_for_each_job_by_itself() -> None:
    executor = FakeExecutor(lambda job: dies(job) if job.attempt < 3 else returns(job), slots=2)
    phase = FakePhase("a/0", "a/1")
    drive(executor, phase, StopFlag(), nothing)
    assert sorted(phase.ended) == [("a/0", "", False), ("a/1", "", False)]


def test_a_dead_job_begins_again_before_new_jobs_begin() -> None:
    executor = FakeExecutor(
        lambda job: dies(job) if (job.key, job.attempt) == ("a/0", 1) else returns(job)
    )
    drive(executor, FakePhase("a/0", "a/1"), StopFlag(), nothing)
    assert attempts(executor) == [("a/0", 1), ("a/0", 2), ("a/1", 1)]


def test_a_job_that_raised_is_not_tried_again() -> None:
    executor, phase = FakeExecutor(raises), FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing)
    assert attempts(executor) == [("a/0", 1)]
    assert phase.ended == [("a/0", "ValueError: no", False)]


def test_messages_and_ends_of_an_older_attempt_are_dropped() -> None:
    late = [Message("a/0", 1, "late"), JobEnd("a/0", 1, "late")]
    executor = FakeExecutor(lambda job: dies(job) if job.attempt == 1 else [*late, *returns(job)])
    phase = FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing)
    assert phase.heard == []
    assert phase.ended == [("a/0", "", False)]


def test_messages_of_a_job_that_is_not_of_this_phase_are_dropped() -> None:
    executor = FakeExecutor(
        lambda job: [Message("other/0", 1, "?"), JobEnd("other/0", 1, ""), *returns(job)]
    )
    phase = FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing)
    assert (phase.heard, phase.ended) == ([], [("a/0", "", False)])


def test_an_error_of_the_phase_ends_the_drive() -> None:
    class Refusing(FakePhase):
        def end(self, key: str, cause: str, *, stopping: bool) -> None:
            raise HinetSearchError("enough")

    with pytest.raises(HinetSearchError, match="enough"):
        drive(FakeExecutor(), Refusing("a/0"), StopFlag(), nothing)


def runs(_key: str) -> bool:
    return True


@pytest.fixture
def monitor() -> HeartbeatMonitor:
    """A monitor of one job that has just begun, with a limit of 600 seconds."""
    silence_of_job = HeartbeatMonitor(600.0)
    silence_of_job.watch("a/0")
    return silence_of_job


def test_a_job_is_silent_for_too_long_when_so_much_was_listened(monitor: HeartbeatMonitor) -> None:
    monitor.count_polling(599.0, (), runs)
    assert monitor.cause("a/0", 0) == ""
    monitor.count_polling(1.0, (), runs)
    assert monitor.cause("a/0", 0) == "silent for 10 min"


def test_a_sign_of_life_begins_the_count_again(monitor: HeartbeatMonitor) -> None:
    monitor.count_polling(599.0, (), runs)
    monitor.count_polling(0.1, ("a/0",), runs)
    monitor.count_polling(599.0, (), runs)
    assert monitor.cause("a/0", 0) == ""


def test_a_job_that_waits_for_a_place_is_not_silent(monitor: HeartbeatMonitor) -> None:
    monitor.count_polling(10_000.0, (), lambda _: False)
    assert monitor.cause("a/0", 0) == ""


def test_a_job_may_take_a_multiple_of_the_longest_gap_that_any_job_had(
    monitor: HeartbeatMonitor,
) -> None:
    monitor.watch("a/1")
    monitor.count_polling(500.0, (), runs)
    monitor.count_polling(0.1, ("a/0", "a/1"), runs)
    monitor.forget("a/1")
    monitor.count_polling(GAPS * 500.0 - 1, (), runs)
    assert monitor.cause("a/0", 0) == ""
    monitor.count_polling(1.0, (), runs)
    assert monitor.cause("a/0", 0) == "silent for 33.3 min"


def test_an_attempt_after_a_death_may_be_silent_for_twice_as_long(
    monitor: HeartbeatMonitor,
) -> None:
    monitor.count_polling(1199.0, (), runs)
    assert monitor.cause("a/0", 1) == ""
    monitor.count_polling(1.0, (), runs)
    assert monitor.cause("a/0", 1) == "silent for 20 min"


def test_with_a_limit_of_zero_nothing_is_silent_for_too_long() -> None:
    monitor = HeartbeatMonitor(0.0)
    monitor.watch("a/0")
    monitor.count_polling(1e9, (), runs)
    assert monitor.cause("a/0", 0) == ""
