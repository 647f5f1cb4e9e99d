"""What every executor does with its slots: replaces dead ones, kills silent ones, and leaves none behind."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hinet_search.executors import HEARTBEAT_SECONDS, Executor, Heartbeat, JobEnd, JobEvent, Message
from tests.executors import jobs
from tests.executors.driving import (
    FOREVER_SECONDS,
    PATIENCE_SECONDS,
    bodies,
    ends,
    run,
    submit,
    wait_for,
)
from tests.executors.processes import children_of, descendants_of, is_alive, is_paused
from tests.waiting import wait_until

OFTEN = 0.5  # seconds


def test_a_killed_job_ends_with_its_signal_after_the_messages_it_sent(two_slots: Executor) -> None:
    heard = run(two_slots, jobs.kill_itself)
    assert heard == [
        Message("arm/0", 1, "before"),
        JobEnd("arm/0", 1, "its process died (signal SIGKILL)", died=True),
    ]


def test_of_a_message_whose_job_dies_meanwhile_all_arrives_or_nothing(two_slots: Executor) -> None:
    submit(two_slots, jobs.die_in_the_middle_of_a_message, 50_000_000)
    time.sleep(1.0)  # a slot whose messages wait until they are polled cannot send this one whole
    *message, end = wait_for(two_slots, ends)
    assert end == JobEnd("arm/0", 1, "its process died (signal SIGKILL)", died=True)
    assert message in ([], [Message("arm/0", 1, bytes(50_000_000))])


@pytest.mark.parametrize("code", [0, 3])
def test_a_job_that_exits_its_process_ends_as_dead(two_slots: Executor, code: int) -> None:
    heard = run(two_slots, jobs.exit_with, code)
    assert heard == [JobEnd("arm/0", 1, f"its process died (exit code {code})", died=True)]


def test_a_slot_whose_process_died_is_replaced(two_slots: Executor) -> None:
    run(two_slots, jobs.kill_itself, key="arm/1")
    submit(two_slots, jobs.until_stopped, key="arm/2")
    submit(two_slots, jobs.until_stopped, key="arm/3")
    heard = wait_for(two_slots, lambda heard: len(heard) == 2)
    assert {message.key for message in heard} == {"arm/2", "arm/3"}
    two_slots.stop("arm/2")
    two_slots.stop("arm/3")
    wait_for(two_slots, lambda heard: len(ends(heard)) == 2)


@pytest.fixture(scope="module")
def signing(engine: Callable[[int], Executor]) -> Iterator[Executor]:
    """A slot whose jobs send heartbeats often."""
    executor = engine(1)
    run(executor, jobs.give_signs_every, OFTEN)
    yield executor
    executor.close()


def test_a_job_that_only_asks_whether_to_stop_gives_a_sign_of_life_now_and_then(
    signing: Executor,
) -> None:
    submit(signing, jobs.tell_time_until_stopped)
    (began,) = bodies(wait_for(signing, bodies))
    assert first_said(signing) == Heartbeat("arm/0", 1)
    assert time.monotonic() - began >= OFTEN
    signing.stop("arm/0")
    wait_for(signing, ends)


def test_signs_of_life_are_seconds_apart_as_shipped() -> None:
    assert 1.0 < HEARTBEAT_SECONDS < 10.0


def test_work_that_sends_heartbeats_is_known_to_run(signing: Executor) -> None:
    submit(signing, jobs.work_on, 2 * OFTEN)
    assert first_said(signing) == Heartbeat("arm/0", 1)
    wait_for(signing, ends)


def first_said(executor: Executor) -> JobEvent:
    """Return the first event, which may be a heartbeat."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while not (heard := executor.poll(0.1)):
        assert time.monotonic() < limit
    return heard[0]


def test_a_job_that_hangs_says_nothing(signing: Executor) -> None:
    submit(signing, jobs.sleep_deafly, 3 * OFTEN)
    wait_for(signing, bodies)
    assert first_said(signing) == JobEnd("arm/0", 1, "")


@pytest.mark.parametrize("pause", [False, True], ids=["asleep", "paused"])
def test_a_job_that_is_killed_has_died_and_another_slot_takes_the_next(
    two_slots: Executor, *, pause: bool
) -> None:
    submit(two_slots, jobs.sleep_deafly, FOREVER_SECONDS, "arm/1")
    submit(two_slots, jobs.until_stopped, key="arm/2")
    heard = wait_for(two_slots, lambda heard: len(heard) == 2)
    (process,) = bodies(heard, "arm/1")
    if pause:
        os.kill(process, signal.SIGSTOP)
    assert (two_slots.runs("arm/1"), two_slots.runs("arm/3")) == (True, False)
    two_slots.kill("arm/1")
    (end,) = ends(wait_for(two_slots, ends))
    assert (end.key, end.attempt, end.died) == ("arm/1", 1, True)
    assert run(two_slots, jobs.count, 0, "arm/1") == [JobEnd("arm/1", 1, "")]
    assert not is_alive(process)
    two_slots.stop("arm/2")
    wait_for(two_slots, ends)


def test_a_job_that_is_paused_within_a_message_delays_no_other(two_slots: Executor) -> None:
    submit(two_slots, jobs.pause_in_the_middle_of_a_message, 50_000_000, "arm/1")
    wait_until(lambda: any(is_paused(process) for process in descendants_of(os.getpid())))
    submit(two_slots, jobs.count, 0, "arm/2")
    assert [end.key for end in ends(wait_for(two_slots, ends))] == ["arm/2"]
    two_slots.kill("arm/1")
    assert [end.key for end in ends(wait_for(two_slots, ends))] == ["arm/1"]


def test_slots_outlive_the_thread_that_started_them(engine: Callable[[int], Executor]) -> None:
    made: list[Executor] = []
    starter = threading.Thread(target=lambda: made.append(engine(1)))
    starter.start()
    starter.join()
    (executor,) = made
    ((first, *_),) = bodies(run(executor, jobs.tell_process))
    ((second, *_),) = bodies(run(executor, jobs.tell_process))
    executor.close()
    assert first == second


def test_a_slot_that_dies_between_two_jobs_costs_the_second_one_attempt_at_most(
    engine: Callable[[int], Executor],
) -> None:
    executor = engine(1)
    ((process, *_),) = bodies(run(executor, jobs.tell_process))
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: not is_alive(process))
    (end,) = run(executor, jobs.count, 0, "arm/1")
    if end.died:
        (end,) = run(executor, jobs.count, 0, "arm/1")
    assert end == JobEnd("arm/1", 1, "")
    executor.close()


def test_a_quick_job_ends_while_a_slow_one_runs(two_slots: Executor, tmp_path: Path) -> None:
    submit(two_slots, jobs.until_file, str(tmp_path / "go"), "arm/slow")
    submit(two_slots, jobs.count, 0, "arm/quick")
    assert [end.key for end in ends(wait_for(two_slots, ends))] == ["arm/quick"]
    (tmp_path / "go").touch()
    wait_for(two_slots, ends)


def test_polling_idle_slots_takes_the_time_it_may_and_hears_nothing(two_slots: Executor) -> None:
    began = time.monotonic()
    assert two_slots.poll(0.2) == []
    assert time.monotonic() - began >= 0.19


def test_a_job_does_not_see_ctrl_c(two_slots: Executor) -> None:
    assert run(two_slots, jobs.interrupt_itself) == [
        Message("arm/0", 1, "lives"),
        JobEnd("arm/0", 1, ""),
    ]


def test_a_slot_that_is_still_starting_does_not_see_ctrl_c(
    engine: Callable[[int], Executor],
) -> None:
    before = descendants_of(os.getpid())
    executor = engine(1)
    started = descendants_of(os.getpid()) - before
    for process in started:
        os.kill(process, signal.SIGINT)
    ((process, *_),) = bodies(run(executor, jobs.tell_process))
    executor.close()
    assert process in started


def test_a_slot_computes_with_one_thread_and_knows_its_number(two_slots: Executor) -> None:
    ((_, environment, _),) = bodies(run(two_slots, jobs.tell_process))
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["HINET_SEARCH_SLOT"] in {"0", "1"}


def test_a_slot_loads_no_library_that_its_job_does_not(two_slots: Executor) -> None:
    ((_, _, modules),) = bodies(run(two_slots, jobs.tell_process))
    assert not {"torch", "optuna", "polars", "pydantic", "numpy"} & set(modules)


def test_starting_slots_leaves_the_environment_as_it_was(engine: Callable[[int], Executor]) -> None:
    before = dict(os.environ)
    engine(1).close()
    assert dict(os.environ) == before


def test_close_leaves_no_process_of_a_job_that_never_asks_whether_to_stop(
    engine: Callable[[int], Executor],
) -> None:
    before = children_of(os.getpid())
    executor = engine(2)
    submit(executor, jobs.sleep_deafly, FOREVER_SECONDS, "arm/1")
    submit(executor, jobs.sleep_deafly, FOREVER_SECONDS, "arm/2")
    heard = wait_for(executor, lambda heard: len(heard) == 2)
    executor.close()
    assert [
        process
        for process in (*bodies(heard, "arm/1"), *bodies(heard, "arm/2"))
        if is_alive(process)
    ] == []
    assert children_of(os.getpid()) <= before


def test_close_does_not_wait_for_a_job_that_takes_every_error_for_its_own(
    engine: Callable[[int], Executor],
) -> None:
    executor = engine(1)
    submit(executor, jobs.go_on_after_every_error)
    wait_for(executor, bodies)
    began = time.monotonic()
    executor.close()
    assert time.monotonic() - began < PATIENCE_SECONDS / 2
