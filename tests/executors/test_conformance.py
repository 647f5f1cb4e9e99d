"""What every executor does with jobs: runs each once, returns its messages in order, and passes on a stop."""

import time
from collections.abc import Callable
from pathlib import Path

from hinet_search.executors import Executor, Job, JobEnd, Message
from tests.executors import jobs
from tests.executors.driving import bodies, ends, run, said, submit, wait_for


def test_a_job_runs_once(two_slots: Executor, tmp_path: Path) -> None:
    run(two_slots, jobs.note, str(tmp_path / "notes"))
    assert (tmp_path / "notes").read_text() == "ran\n"


def test_messages_arrive_in_the_order_they_were_sent_and_the_end_is_last(
    two_slots: Executor,
) -> None:
    heard = run(two_slots, jobs.count, 300)
    assert heard == [
        *(Message("arm/0", 1, number) for number in range(300)),
        JobEnd("arm/0", 1, ""),
    ]


def test_messages_and_end_carry_the_attempt_of_their_job(two_slots: Executor) -> None:
    two_slots.submit(Job("arm/0", 3, jobs.count, 1))
    assert wait_for(two_slots, ends) == [Message("arm/0", 3, 0), JobEnd("arm/0", 3, "")]


def test_a_slot_is_free_before_a_job_busy_during_it_and_free_after(
    two_slots: Executor, tmp_path: Path
) -> None:
    before = two_slots.free
    submit(two_slots, jobs.until_file, str(tmp_path / "go"))
    wait_for(two_slots, bodies)
    during = two_slots.free
    (tmp_path / "go").touch()
    wait_for(two_slots, ends)
    assert (before, during, two_slots.free) == (2, 1, 2)


def test_a_stop_reaches_its_job_and_no_other(two_slots: Executor) -> None:
    submit(two_slots, jobs.until_stopped, key="arm/1")
    submit(two_slots, jobs.until_stopped, key="arm/2")
    wait_for(two_slots, lambda heard: len(heard) == 2)
    two_slots.stop("arm/1")
    assert wait_for(two_slots, ends) == [Message("arm/1", 1, "heard"), JobEnd("arm/1", 1, "")]
    assert said(two_slots, 0.3) == []
    two_slots.stop("arm/2")
    wait_for(two_slots, ends)


def test_a_stop_that_comes_after_the_end_does_not_stop_the_next_job(
    engine: Callable[[int], Executor],
) -> None:
    executor = engine(1)
    submit(executor, jobs.count, 0, "arm/1")
    time.sleep(1.0)  # it has ended, and its executor has not noticed yet
    executor.stop("arm/1")
    wait_for(executor, ends)
    submit(executor, jobs.until_stopped, key="arm/2")
    wait_for(executor, lambda heard: bodies(heard, "arm/2") == ["running"])
    assert said(executor, 0.3) == []
    executor.close()


def test_a_stop_for_a_job_that_does_not_run_changes_nothing(two_slots: Executor) -> None:
    two_slots.stop("arm/77")
    assert run(two_slots, jobs.count, 1) == [Message("arm/0", 1, 0), JobEnd("arm/0", 1, "")]


def test_a_job_that_raises_sends_its_messages_then_error_function_and_line(
    two_slots: Executor,
) -> None:
    line = jobs.divide_by_zero.__code__.co_firstlineno + 3
    heard = run(two_slots, jobs.divide_by_zero)
    cause = f"ZeroDivisionError: division by zero (divide_by_zero in jobs.py:{line})"
    assert heard == [Message("arm/0", 1, "before"), JobEnd("arm/0", 1, cause, died=False)]


def test_a_job_that_raises_leaves_its_process_alive(engine: Callable[[int], Executor]) -> None:
    executor = engine(1)
    (first,) = bodies(run(executor, jobs.tell_process))
    run(executor, jobs.divide_by_zero)
    (second,) = bodies(run(executor, jobs.tell_process))
    executor.close()
    assert first[0] == second[0]


def test_an_end_of_file_met_by_a_job_is_the_jobs_own_error(two_slots: Executor) -> None:
    (end,) = run(two_slots, jobs.read_past_the_end)
    assert (end.cause.split(" (")[0], end.died) == ("EOFError: the file is truncated", False)


def test_a_job_without_memory_says_why_and_may_be_tried_again(two_slots: Executor) -> None:
    (end,) = run(two_slots, jobs.run_out_of_memory, "batch size 8 on cpu\nand more")
    assert end == JobEnd("arm/0", 1, "out of memory: batch size 8 on cpu", died=True)


def test_a_job_that_the_machine_keeps_from_its_work_ends_as_blocked(two_slots: Executor) -> None:
    assert run(two_slots, jobs.find_the_disk_full) == [
        JobEnd("arm/0", 1, "w: no room", blocked=True)
    ]
