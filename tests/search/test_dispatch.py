"""Dispatch keeps slots busy, tries dead jobs again, drops what is out of date, and stops on a signal."""

import signal
import time
from collections.abc import Callable

import pytest

from hinet_search.errors import EnvironmentFault, HinetSearchError, StudyConflict
from hinet_search.executors import Alive, Ended, Job, Message, Said
from hinet_search.patience import Notice
from hinet_search.search.dispatch import MAX_ATTEMPTS, StopFlag, drive
from hinet_search.search.silence import Silence

Script = Callable[[Job], list[Said]]


def ends(cause: str = "", **how: bool) -> Script:
    return lambda job: [Ended(job.key, job.attempt, cause, **how)]


returns, raises = ends(), ends("ValueError: no")
dies, blocked = ends("its process died", died=True), ends("no room", blocked=True)


class FakeExecutor:
    """Says of each job what its script says, one poll at a time; a stopped job ends at the next poll."""

    def __init__(self, script: Script = returns, slots: int = 1) -> None:
        self.script, self.slots = script, slots
        self.submitted: list[Job] = []
        self.stopped: list[str] = []
        self.killed: list[str] = []
        self._coming: dict[str, list[Said]] = {}

    @property
    def free(self) -> int:
        return self.slots - len(self._coming)

    def submit(self, job: Job) -> None:
        self.submitted.append(job)
        self._coming[job.key] = self.script(job)

    def stop(self, key: str) -> None:
        self.stopped.append(key)
        self._coming[key] = [Ended(key, self.submitted[-1].attempt, "")]

    def runs(self, key: str) -> bool:
        return True

    def kill(self, key: str) -> None:
        self.killed.append(key)
        self._coming[key] = [Ended(key, self.submitted[-1].attempt, "its process died (signal SIGKILL)", died=True)]

    def poll(self, timeout: float) -> list[Said]:
        heard = [one for said in self._coming.values() for one in said]
        self._coming = {
            key: [] for key, said in self._coming.items() if not any(isinstance(one, Ended) for one in said)
        }
        return heard


class FakePhase:
    """Hands out jobs and notes what it hears."""

    def __init__(self, *keys: str) -> None:
        self.waiting = [Job(key, 1, print, None) for key in keys]
        self.heard: list[tuple[str, object]] = []
        self.ended: list[tuple[str, str, bool]] = []
        self.retried: list[tuple[str, int, str]] = []
        self.stop_when_heard: set[str] = set()

    def next_job(self) -> Job | None:
        return self.waiting.pop(0) if self.waiting else None

    def hear(self, key: str, body: object, stop: Callable[[], None]) -> None:
        self.heard.append((key, body))
        if key in self.stop_when_heard:
            stop()

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        self.ended.append((key, cause, stopping))

    def retry(self, key: str, attempt: int, cause: str) -> None:
        self.retried.append((key, attempt, cause))


def nothing() -> None: ...


def attempts(executor: FakeExecutor) -> list[tuple[str, int]]:
    return [(job.key, job.attempt) for job in executor.submitted]


@pytest.fixture
def asked() -> StopFlag:
    """A flag that a signal has already raised."""
    flag = StopFlag()
    flag.signal_number = signal.SIGTERM
    return flag


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
    executor = FakeExecutor(lambda job: dies(job) if (job.key, job.attempt) == ("a/0", 1) else returns(job))
    drive(executor, FakePhase("a/0", "a/1"), StopFlag(), nothing)
    assert attempts(executor) == [("a/0", 1), ("a/0", 2), ("a/1", 1)]


def test_a_job_that_raised_is_not_tried_again() -> None:
    executor, phase = FakeExecutor(raises), FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing)
    assert attempts(executor) == [("a/0", 1)]
    assert phase.ended == [("a/0", "ValueError: no", False)]


def test_messages_and_ends_of_an_older_attempt_are_dropped() -> None:
    late = [Message("a/0", 1, "late"), Ended("a/0", 1, "late")]
    executor = FakeExecutor(lambda job: dies(job) if job.attempt == 1 else [*late, *returns(job)])
    phase = FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing)
    assert phase.heard == []
    assert phase.ended == [("a/0", "", False)]


def test_messages_of_a_job_that_is_not_of_this_phase_are_dropped() -> None:
    executor = FakeExecutor(lambda job: [Message("other/0", 1, "?"), Ended("other/0", 1, ""), *returns(job)])
    phase = FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing)
    assert (phase.heard, phase.ended) == ([], [("a/0", "", False)])


def test_no_job_starts_once_a_stop_was_asked(asked: StopFlag) -> None:
    executor, phase = FakeExecutor(), FakePhase("a/0")
    drive(executor, phase, asked, nothing)
    assert executor.submitted == []
    assert len(phase.waiting) == 1


def test_a_stop_is_told_once_to_each_running_job_and_their_ends_say_so() -> None:
    flag = StopFlag()
    executor, phase = FakeExecutor(lambda job: [], slots=2), FakePhase("a/0", "a/1", "a/2")

    def ask() -> None:
        flag.signal_number = signal.SIGINT

    drive(executor, phase, flag, ask)
    assert executor.stopped == ["a/0", "a/1"]
    assert phase.ended == [("a/0", "", True), ("a/1", "", True)]


def test_running_jobs_are_waited_for_after_a_stop_and_told_no_second_time() -> None:
    class Slow(FakeExecutor):
        polls = 0

        def stop(self, key: str) -> None:
            self.stopped.append(key)

        def poll(self, timeout: float) -> list[Said]:
            self.polls += 1
            return [Ended("a/0", 1, "")] if self.polls == 5 else []

    flag = StopFlag()
    executor, phase = Slow(lambda job: []), FakePhase("a/0")

    def ask() -> None:
        flag.signal_number = signal.SIGINT

    drive(executor, phase, flag, ask)
    assert (executor.polls, executor.stopped) == (5, ["a/0"])


def test_a_job_that_dies_while_stopping_is_not_tried_again() -> None:
    flag = StopFlag()

    class Dying(FakeExecutor):
        def poll(self, timeout: float) -> list[Said]:
            flag.signal_number = signal.SIGINT
            return super().poll(timeout)

    executor, phase = Dying(dies), FakePhase("a/0")
    drive(executor, phase, flag, nothing)
    assert (attempts(executor), phase.ended) == ([("a/0", 1)], [("a/0", "its process died", True)])


def test_a_job_that_waits_for_another_attempt_when_a_stop_comes_ends_as_stopped() -> None:
    flag = StopFlag()

    class StoppedMeanwhile(FakePhase):
        def retry(self, key: str, attempt: int, cause: str) -> None:
            flag.signal_number = signal.SIGINT

    executor, phase = FakeExecutor(dies), StoppedMeanwhile("a/0")
    drive(executor, phase, flag, nothing)
    assert attempts(executor) == [("a/0", 1)]
    assert phase.ended == [("a/0", "stopped before its next attempt", True)]


def test_nothing_that_was_heard_is_written_by_one_who_lost_the_study_meanwhile() -> None:
    executor, phase = FakeExecutor(lambda job: [Message(job.key, 1, "hello"), *returns(job)]), FakePhase("a/0")

    def lost() -> None:
        raise StudyConflict("another one took it over")

    with pytest.raises(StudyConflict):
        drive(executor, phase, StopFlag(), lost)
    assert (phase.heard, phase.ended) == ([], [])


def test_what_a_job_has_for_the_user_is_told_with_its_key_and_is_no_message_of_the_phase() -> None:
    executor = FakeExecutor(lambda job: [Message(job.key, 1, Notice("no room")), *returns(job)])
    phase, said = FakePhase("a/0"), []
    drive(executor, phase, StopFlag(), nothing, said.append)
    assert (said, phase.heard) == (["a/0: no room"], [])


def test_a_job_that_the_machine_keeps_from_its_work_stays_open_and_ends_the_drive() -> None:
    phase = FakePhase("a/0")
    with pytest.raises(EnvironmentFault, match="no room"):
        drive(FakeExecutor(blocked), phase, StopFlag(), nothing)
    assert phase.ended == []


def test_a_job_that_waited_for_the_machine_when_a_stop_came_ends_as_stopped() -> None:
    flag = StopFlag()

    def ask() -> None:
        flag.signal_number = signal.SIGINT

    phase = FakePhase("a/0")
    drive(FakeExecutor(blocked), phase, flag, ask)
    assert phase.ended == [("a/0", "no room", True)]


class Listening(FakeExecutor):
    """Takes a moment at every poll, in which nothing may come."""

    def poll(self, timeout: float) -> list[Said]:
        time.sleep(0.01)
        return super().poll(timeout)


def test_a_silent_job_is_killed_and_begins_again_with_that_cause() -> None:
    executor, phase = Listening(lambda job: [] if job.attempt == 1 else returns(job)), FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing, silence=Silence(0.06))
    assert executor.killed == ["a/0"]
    assert phase.retried == [("a/0", 2, "silent for 0.001 min")]
    assert phase.ended == [("a/0", "", False)]


def test_a_job_that_is_silent_three_times_ends_with_that_cause() -> None:
    executor, phase = Listening(lambda job: []), FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing, silence=Silence(0.06))
    assert phase.ended == [("a/0", "silent for 0.004 min", False)]


def test_a_job_that_gives_signs_of_life_is_not_killed_and_its_phase_does_not_hear_them() -> None:
    class Slow(Listening):
        polls = 0

        def poll(self, timeout: float) -> list[Said]:
            self.polls += 1
            heard = super().poll(timeout)
            return [Ended("a/0", 1, "")] if self.polls == 30 else [*heard, Alive("a/0", 1)]

    executor, phase = Slow(lambda job: []), FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing, silence=Silence(0.06))
    assert (executor.killed, phase.heard, phase.ended) == ([], [], [("a/0", "", False)])


def test_signs_of_life_of_an_older_attempt_are_none() -> None:
    class Late(Listening):
        def poll(self, timeout: float) -> list[Said]:
            return [*super().poll(timeout), Alive("a/0", 1)]

    executor, phase = Late(lambda job: dies(job) if job.attempt == 1 else []), FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing, silence=Silence(0.02))
    assert executor.killed == ["a/0", "a/0"]


def test_a_job_that_is_killed_when_it_has_just_ended_has_ended() -> None:
    class JustEnding(Listening):
        def kill(self, key: str) -> None:
            self._coming[key] = [Ended(key, 1, "")]

    executor, phase = JustEnding(lambda job: []), FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing, silence=Silence(0.06))
    assert phase.ended == [("a/0", "", False)]


def test_a_silent_job_that_was_asked_to_stop_is_killed_too_and_ends_as_stopped() -> None:
    class Deaf(Listening):
        def stop(self, key: str) -> None:
            self.stopped.append(key)

    flag = StopFlag()

    def ask() -> None:
        flag.signal_number = signal.SIGINT

    executor, phase = Deaf(lambda job: []), FakePhase("a/0")
    drive(executor, phase, flag, ask, silence=Silence(0.06))
    assert phase.ended == [("a/0", "silent for 0.001 min", True)]


def test_an_error_of_the_phase_ends_the_drive() -> None:
    class Refusing(FakePhase):
        def end(self, key: str, cause: str, *, stopping: bool) -> None:
            raise HinetSearchError("enough")

    with pytest.raises(HinetSearchError, match="enough"):
        drive(FakeExecutor(), Refusing("a/0"), StopFlag(), nothing)
