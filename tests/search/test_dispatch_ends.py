"""Dispatch stops on a signal, and kills jobs without a heartbeat."""

import signal
import time

import pytest

from hinet_search.common.errors import EnvironmentFault, StudyConflict
from hinet_search.common.retry import Notice
from hinet_search.executors import Heartbeat, JobEnd, JobEvent, Message
from hinet_search.search.dispatch import HeartbeatMonitor, StopFlag, drive
from tests.search.driven import FakeExecutor, FakePhase, attempts, blocked, dies, nothing, returns


class Asked(StopFlag):
    """A flag that `ask` raises as a signal does."""

    def ask(self) -> None:
        self.signal_number = signal.SIGINT


@pytest.fixture
def asked() -> StopFlag:
    """A flag that a signal has already raised."""
    flag = Asked()
    flag.ask()
    return flag


def test_no_job_starts_once_a_stop_was_asked(asked: StopFlag) -> None:
    executor, phase = FakeExecutor(), FakePhase("a/0")
    drive(executor, phase, asked, nothing)
    assert executor.submitted == []
    assert len(phase.waiting) == 1


def test_each_running_job_is_stopped_once_and_its_end_says_so() -> None:
    flag = Asked()
    executor, phase = FakeExecutor(lambda job: [], slots=2), FakePhase("a/0", "a/1", "a/2")

    drive(executor, phase, flag, flag.ask)
    assert executor.stopped == ["a/0", "a/1"]
    assert phase.ended == [("a/0", "", True), ("a/1", "", True)]


def test_running_jobs_are_awaited_after_a_stop_and_not_stopped_twice() -> None:
    class Slow(FakeExecutor):
        polls = 0

        def stop(self, key: str) -> None:
            self.stopped.append(key)

        def poll(self, timeout: float) -> list[JobEvent]:
            self.polls += 1
            return [JobEnd("a/0", 1, "")] if self.polls == 5 else []

    flag = Asked()
    executor, phase = Slow(lambda job: []), FakePhase("a/0")

    drive(executor, phase, flag, flag.ask)
    assert (executor.polls, executor.stopped) == (5, ["a/0"])


def test_a_job_that_dies_while_stopping_is_not_tried_again() -> None:
    flag = Asked()

    class Dying(FakeExecutor):
        def poll(self, timeout: float) -> list[JobEvent]:
            flag.ask()
            return super().poll(timeout)

    executor, phase = Dying(dies), FakePhase("a/0")
    drive(executor, phase, flag, nothing)
    assert (attempts(executor), phase.ended) == ([("a/0", 1)], [("a/0", "its process died", True)])


def test_a_job_that_waits_for_another_attempt_when_a_stop_comes_ends_as_stopped() -> None:
    flag = Asked()

    class StoppedMeanwhile(FakePhase):
        def retry(self, key: str, attempt: int, cause: str) -> None:
            flag.ask()

    executor, phase = FakeExecutor(dies), StoppedMeanwhile("a/0")
    drive(executor, phase, flag, nothing)
    assert attempts(executor) == [("a/0", 1)]
    assert phase.ended == [("a/0", "stopped before its next attempt", True)]


def test_a_coordinator_that_lost_its_lease_writes_no_message() -> None:
    executor, phase = (
        FakeExecutor(lambda job: [Message(job.key, 1, "hello"), *returns(job)]),
        FakePhase("a/0"),
    )

    def lost() -> None:
        raise StudyConflict("another one took it over")

    with pytest.raises(StudyConflict):
        drive(executor, phase, StopFlag(), lost)
    assert (phase.heard, phase.ended) == ([], [])


def test_a_jobs_notice_is_shown_with_its_key_and_is_no_message_of_the_phase() -> None:
    executor = FakeExecutor(lambda job: [Message(job.key, 1, Notice("no room")), *returns(job)])
    phase, said = FakePhase("a/0"), []
    drive(executor, phase, StopFlag(), nothing, said.append)
    assert (said, phase.heard) == (["a/0: no room"], [])


def test_a_job_that_the_machine_keeps_from_its_work_stays_open_and_ends_the_drive() -> None:
    phase = FakePhase("a/0")
    with pytest.raises(EnvironmentFault, match="no room"):
        drive(FakeExecutor(blocked), phase, StopFlag(), nothing)
    assert phase.ended == []


class Listening(FakeExecutor):
    """Waits for a moment at every poll, even if no message comes."""

    def poll(self, timeout: float) -> list[JobEvent]:
        time.sleep(0.01)
        return super().poll(timeout)


def test_a_silent_job_is_killed_and_begins_again_with_that_cause() -> None:
    executor, phase = (
        Listening(lambda job: [] if job.attempt == 1 else returns(job)),
        FakePhase("a/0"),
    )
    drive(executor, phase, StopFlag(), nothing, monitor=HeartbeatMonitor(0.06))
    assert executor.killed == ["a/0"]
    assert phase.retried == [("a/0", 2, "silent for 0.001 min")]
    assert phase.ended == [("a/0", "", False)]


def test_a_job_that_is_silent_three_times_ends_with_that_cause() -> None:
    executor, phase = Listening(lambda job: []), FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing, monitor=HeartbeatMonitor(0.06))
    assert phase.ended == [("a/0", "silent for 0.004 min", False)]


def test_a_job_with_heartbeats_is_not_killed_and_its_phase_does_not_see_them() -> None:
    class Slow(Listening):
        polls = 0

        def poll(self, timeout: float) -> list[JobEvent]:
            self.polls += 1
            heard = super().poll(timeout)
            return [JobEnd("a/0", 1, "")] if self.polls == 30 else [*heard, Heartbeat("a/0", 1)]

    executor, phase = Slow(lambda job: []), FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing, monitor=HeartbeatMonitor(0.06))
    assert (executor.killed, phase.heard, phase.ended) == ([], [], [("a/0", "", False)])


def test_signs_of_life_of_an_older_attempt_are_none() -> None:
    class Late(Listening):
        def poll(self, timeout: float) -> list[JobEvent]:
            return [*super().poll(timeout), Heartbeat("a/0", 1)]

    executor, phase = Late(lambda job: dies(job) if job.attempt == 1 else []), FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing, monitor=HeartbeatMonitor(0.02))
    assert executor.killed == ["a/0", "a/0"]


def test_a_job_that_is_killed_when_it_has_just_ended_has_ended() -> None:
    class JustEnding(Listening):
        def kill(self, key: str) -> None:
            self._coming[key] = [JobEnd(key, 1, "")]

    executor, phase = JustEnding(lambda job: []), FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing, monitor=HeartbeatMonitor(0.06))
    assert phase.ended == [("a/0", "", False)]


def test_a_silent_job_that_was_asked_to_stop_is_killed_too_and_ends_as_stopped() -> None:
    class Deaf(Listening):
        def stop(self, key: str) -> None:
            self.stopped.append(key)

    flag = Asked()

    executor, phase = Deaf(lambda job: []), FakePhase("a/0")
    drive(executor, phase, flag, flag.ask, monitor=HeartbeatMonitor(0.06))
    assert phase.ended == [("a/0", "silent for 0.001 min", True)]
