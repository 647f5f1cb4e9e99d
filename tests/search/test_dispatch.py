"""Dispatch keeps slots busy, tries dead jobs again, and drops what is out of date."""

import pytest

from hinet_search.common.errors import HinetSearchError
from hinet_search.executors import Job, JobEnd, JobEvent, Message
from hinet_search.search.dispatch import GAPS, MAX_ATTEMPTS, HeartbeatMonitor, StopFlag, drive
from tests.search.driven import (
    FakeExecutor,
    FakePhase,
    Script,
    attempts,
    dies,
    nothing,
    raises,
    returns,
)


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


def hello(job: Job) -> list[JobEvent]:
    return [Message(job.key, job.attempt, "hello")]


def dies_until(attempt: int) -> Script:
    return lambda job: dies(job) if job.attempt < attempt else returns(job)


@pytest.mark.parametrize(
    ("script", "attempts_made", "cause"),
    [
        pytest.param(dies_until(2), [1, 2], "", id="a job whose process died begins again"),
        pytest.param(dies, [1, 2, 3], "its process died", id="it ends after three deaths"),
        pytest.param(raises, [1], "ValueError: no", id="one that raised is not tried again"),
    ],
)
def test_a_job_is_tried_again_while_its_process_dies(
    script: Script, attempts_made: list[int], cause: str
) -> None:
    executor, phase = FakeExecutor(script), FakePhase("a/0")
    drive(executor, phase, StopFlag(), nothing)
    assert attempts_made[-1] <= MAX_ATTEMPTS == 3
    assert attempts(executor) == [("a/0", attempt) for attempt in attempts_made]
    assert phase.retried == [("a/0", attempt, "its process died") for attempt in attempts_made[1:]]
    assert phase.ended == [("a/0", cause, False)]


def test_a_message_reaches_the_phase_which_can_stop_the_job() -> None:
    executor, phase = FakeExecutor(hello), FakePhase("a/0")
    phase.stop_when_heard = {"a/0"}
    drive(executor, phase, StopFlag(), nothing)
    assert phase.heard == [("a/0", "hello")]
    assert executor.stopped == ["a/0"]
    assert phase.ended == [("a/0", "", False)]


def test_a_job_that_comes_with_a_later_attempt_has_three_more_in_this_run() -> None:
    executor, phase = FakeExecutor(dies), FakePhase()
    phase.waiting = [Job("a/0", 4, print, None)]
    drive(executor, phase, StopFlag(), nothing)
    assert attempts(executor) == [("a/0", 4), ("a/0", 5), ("a/0", 6)]


def test_deaths_are_counted_for_each_job_by_itself() -> None:
    executor, phase = FakeExecutor(dies_until(3), slots=2), FakePhase("a/0", "a/1")
    drive(executor, phase, StopFlag(), nothing)
    assert sorted(phase.ended) == [("a/0", "", False), ("a/1", "", False)]


def test_a_dead_job_begins_again_before_new_jobs_begin() -> None:
    executor = FakeExecutor(lambda job: dies_until(2)(job) if job.key == "a/0" else returns(job))
    drive(executor, FakePhase("a/0", "a/1"), StopFlag(), nothing)
    assert attempts(executor) == [("a/0", 1), ("a/0", 2), ("a/1", 1)]


@pytest.mark.parametrize(
    ("key", "begins"), [("a/0", dies_until(2)), ("other/0", returns)], ids=["older", "other"]
)
def test_messages_and_ends_of_an_older_attempt_are_dropped(key: str, begins: Script) -> None:
    """And so are those of a job of another phase."""
    late = [Message(key, 1, "late"), JobEnd(key, 1, "late")]
    executor = FakeExecutor(
        lambda job: [*(late if job.attempt > 1 or key != "a/0" else []), *begins(job)]
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


GAP = (500.0, "a/0")  # seconds of silence, after which it sends something


@pytest.mark.parametrize(
    ("counts", "attempts_died", "cause"),
    [
        pytest.param([(599.0, "")], 0, "", id="less than the limit"),
        pytest.param([(599.0, ""), (1.0, "")], 0, "silent for 10 min", id="the limit"),
        pytest.param([(599.0, "a/0"), (599.0, "")], 0, "", id="the count begins again"),
        pytest.param([GAP, (GAPS * 500.0 - 1, "")], 0, "", id="a multiple of the longest gap"),
        pytest.param([GAP, (GAPS * 500.0, "")], 0, "silent for 33.3 min", id="more than that"),
        pytest.param([(1199.0, "")], 1, "", id="twice as long after a death"),
        pytest.param([(1200.0, "")], 1, "silent for 20 min", id="more than twice as long"),
    ],
)
def test_a_job_is_silent_for_too_long_when_so_much_was_listened(
    counts: list[tuple[float, str]], attempts_died: int, cause: str
) -> None:
    monitor = HeartbeatMonitor(600.0)
    monitor.watch("a/0")
    for seconds, sender in counts:
        monitor.count_polling(seconds, (), runs)
        if sender:
            monitor.count_polling(0.1, (sender,), runs)
    assert monitor.cause("a/0", attempts_died) == cause


def test_a_gap_of_another_job_counts_too() -> None:
    monitor = HeartbeatMonitor(600.0)
    for key in ("a/0", "a/1"):
        monitor.watch(key)
    monitor.count_polling(500.0, (), runs)
    monitor.count_polling(0.1, ("a/1",), runs)
    monitor.forget("a/1")
    monitor.count_polling(GAPS * 500.0 - 501.0, (), runs)
    assert monitor.cause("a/0", 0) == ""


@pytest.mark.parametrize(("limit", "on_a_slot"), [(600.0, False), (0.0, True)])
def test_a_job_that_waits_for_a_place_or_has_no_limit_is_not_silent(
    limit: float, *, on_a_slot: bool
) -> None:
    monitor = HeartbeatMonitor(limit)
    monitor.watch("a/0")
    monitor.count_polling(1e9, (), lambda _: on_a_slot)
    assert monitor.cause("a/0", 0) == ""
