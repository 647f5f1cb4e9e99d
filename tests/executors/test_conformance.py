"""What every executor does: run any job once, bring its messages home in order, and survive its death."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hinet_search import plugins
from hinet_search.executors import SIGN_SECONDS, Alive, Ended, Executor, Job, Message, Said
from tests.executors import jobs
from tests.executors.engines import EXCHANGING, EXECUTORS, exchanging, surroundings
from tests.executors.processes import children_of, descendants_of, is_alive

PATIENCE_SECONDS = 60.0
FOREVER_SECONDS = 600.0


@pytest.fixture(scope="module", params=[*plugins.names(EXECUTORS), EXCHANGING])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[int], Executor]]:
    """Starts an executor with that many slots."""
    if request.param == EXCHANGING:
        with exchanging(tmp_path_factory.mktemp("exchanging")) as start:
            yield start
        return
    module, home = plugins.load(EXECUTORS, request.param), tmp_path_factory.mktemp("home")
    with surroundings(request.param) as options:
        yield lambda slots: module.start(slots, home, module.Options(**options), "a-study")


@pytest.fixture(scope="module")
def two_slots(engine: Callable[[int], Executor]) -> Iterator[Executor]:
    """Shared by all tests here: each leaves it with free slots, whatever its jobs did."""
    executor = engine(2)
    yield executor
    executor.close()


def submit(executor: Executor, function: Callable[..., None], payload: Any = None, key: str = "arm/0") -> None:
    executor.submit(Job(key, 1, function, payload))


def wait_for(executor: Executor, done: Callable[[list[Said]], bool]) -> list[Said]:
    """Everything heard until `done`, but for signs of life."""
    heard: list[Said] = []
    limit = time.monotonic() + PATIENCE_SECONDS
    while not done(heard):
        assert time.monotonic() < limit, f"heard only {heard}"
        heard += said(executor, 0.1)
    return heard


def said(executor: Executor, seconds: float) -> list[Said]:
    """What comes in this time, but for signs of life: how many there are depends on how busy the machine is."""
    return [one for one in executor.poll(seconds) if not isinstance(one, Alive)]


def ends(heard: list[Said]) -> list[Ended]:
    return [one for one in heard if isinstance(one, Ended)]


def bodies(heard: list[Said], key: str = "arm/0") -> list[Any]:
    return [one.body for one in heard if isinstance(one, Message) and one.key == key]


def run(executor: Executor, function: Callable[..., None], payload: Any = None, key: str = "arm/0") -> list[Any]:
    """Everything heard of one job, its end last."""
    submit(executor, function, payload, key)
    return wait_for(executor, ends)


def test_a_job_runs_once(two_slots: Executor, tmp_path: Path) -> None:
    run(two_slots, jobs.note, str(tmp_path / "notes"))
    assert (tmp_path / "notes").read_text() == "ran\n"


def test_messages_arrive_in_the_order_they_were_sent_and_the_end_is_last(two_slots: Executor) -> None:
    heard = run(two_slots, jobs.count, 300)
    assert heard == [*(Message("arm/0", 1, number) for number in range(300)), Ended("arm/0", 1, "")]


def test_messages_and_end_carry_the_attempt_of_their_job(two_slots: Executor) -> None:
    two_slots.submit(Job("arm/0", 3, jobs.count, 1))
    assert wait_for(two_slots, ends) == [Message("arm/0", 3, 0), Ended("arm/0", 3, "")]


def test_a_slot_is_free_before_a_job_busy_during_it_and_free_after(two_slots: Executor, tmp_path: Path) -> None:
    before = two_slots.free
    submit(two_slots, jobs.until_file, str(tmp_path / "go"))
    wait_for(two_slots, bodies)
    during = two_slots.free
    (tmp_path / "go").touch()
    wait_for(two_slots, ends)
    assert (before, during, two_slots.free) == (2, 1, 2)


def test_a_stop_is_heard_by_its_job_and_no_other(two_slots: Executor) -> None:
    submit(two_slots, jobs.until_stopped, key="arm/1")
    submit(two_slots, jobs.until_stopped, key="arm/2")
    wait_for(two_slots, lambda heard: len(heard) == 2)
    two_slots.stop("arm/1")
    assert wait_for(two_slots, ends) == [Message("arm/1", 1, "heard"), Ended("arm/1", 1, "")]
    assert said(two_slots, 0.3) == []
    two_slots.stop("arm/2")
    wait_for(two_slots, ends)


def test_a_stop_that_comes_after_the_end_does_not_stop_the_next_job(engine: Callable[[int], Executor]) -> None:
    executor = engine(1)
    submit(executor, jobs.count, 0, "arm/1")
    time.sleep(1.0)  # it has ended, and nobody has heard of it yet
    executor.stop("arm/1")
    wait_for(executor, ends)
    submit(executor, jobs.until_stopped, key="arm/2")
    wait_for(executor, lambda heard: bodies(heard, "arm/2") == ["running"])
    assert said(executor, 0.3) == []
    executor.close()


def test_a_stop_for_a_job_that_nobody_runs_changes_nothing(two_slots: Executor) -> None:
    two_slots.stop("arm/77")
    assert run(two_slots, jobs.count, 1) == [Message("arm/0", 1, 0), Ended("arm/0", 1, "")]


def test_a_job_that_raises_tells_its_messages_then_error_function_and_line(two_slots: Executor) -> None:
    line = jobs.divide_by_zero.__code__.co_firstlineno + 3
    heard = run(two_slots, jobs.divide_by_zero)
    cause = f"ZeroDivisionError: division by zero (divide_by_zero in jobs.py:{line})"
    assert heard == [Message("arm/0", 1, "before"), Ended("arm/0", 1, cause, died=False)]


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


def test_a_job_without_memory_may_be_tried_again(two_slots: Executor) -> None:
    assert run(two_slots, jobs.run_out_of_memory) == [Ended("arm/0", 1, "out of memory", died=True)]


def test_a_job_that_the_machine_keeps_from_its_work_ends_as_blocked(two_slots: Executor) -> None:
    assert run(two_slots, jobs.find_the_disk_full) == [Ended("arm/0", 1, "w: no room", blocked=True)]


def test_a_killed_job_ends_with_its_signal_after_the_messages_it_sent(two_slots: Executor) -> None:
    heard = run(two_slots, jobs.kill_itself)
    assert heard == [
        Message("arm/0", 1, "before"),
        Ended("arm/0", 1, "its process died (signal SIGKILL)", died=True),
    ]


def test_of_a_message_whose_job_dies_meanwhile_all_arrives_or_nothing(two_slots: Executor) -> None:
    submit(two_slots, jobs.die_in_the_middle_of_a_message, 50_000_000)
    time.sleep(1.0)  # a slot whose messages wait until they are polled cannot send this one whole
    *message, end = wait_for(two_slots, ends)
    assert end == Ended("arm/0", 1, "its process died (signal SIGKILL)", died=True)
    assert message in ([], [Message("arm/0", 1, bytes(50_000_000))])


@pytest.mark.parametrize("code", [0, 3])
def test_a_job_that_exits_its_process_ends_as_dead(two_slots: Executor, code: int) -> None:
    heard = run(two_slots, jobs.exit_with, code)
    assert heard == [Ended("arm/0", 1, f"its process died (exit code {code})", died=True)]


def test_a_slot_whose_process_died_is_replaced(two_slots: Executor) -> None:
    run(two_slots, jobs.kill_itself, key="arm/1")
    submit(two_slots, jobs.until_stopped, key="arm/2")
    submit(two_slots, jobs.until_stopped, key="arm/3")
    heard = wait_for(two_slots, lambda heard: len(heard) == 2)
    assert {one.key for one in heard} == {"arm/2", "arm/3"}
    two_slots.stop("arm/2")
    two_slots.stop("arm/3")
    wait_for(two_slots, lambda heard: len(ends(heard)) == 2)


def test_a_job_that_only_asks_whether_to_stop_gives_a_sign_of_life_now_and_then(
    engine: Callable[[int], Executor],
) -> None:
    executor = engine(1)
    submit(executor, jobs.until_stopped)
    wait_for(executor, bodies)
    began = time.monotonic()
    assert first_said(executor) == Alive("arm/0", 1)
    assert time.monotonic() - began >= SIGN_SECONDS - 1  # it began to run a little earlier
    executor.close()


def test_work_that_says_that_it_goes_on_is_heard_of(engine: Callable[[int], Executor]) -> None:
    executor = engine(1)
    submit(executor, jobs.work_on)
    assert first_said(executor) == Alive("arm/0", 1)
    executor.close()


def first_said(executor: Executor) -> Said:
    """The first that comes of all, a sign of life too."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while not (heard := executor.poll(0.1)):
        assert time.monotonic() < limit
    return heard[0]


def test_a_job_that_hangs_says_nothing(two_slots: Executor) -> None:
    submit(two_slots, jobs.sleep_deafly, FOREVER_SECONDS)
    wait_for(two_slots, bodies)
    assert two_slots.poll(SIGN_SECONDS + 1) == []
    two_slots.kill("arm/0")
    wait_for(two_slots, ends)


@pytest.mark.parametrize("pause", [False, True], ids=["asleep", "paused"])
def test_a_job_that_is_killed_has_died_and_another_slot_takes_the_next(two_slots: Executor, *, pause: bool) -> None:
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
    assert run(two_slots, jobs.count, 0, "arm/1") == [Ended("arm/1", 1, "")]
    assert not is_alive(process)
    two_slots.stop("arm/2")
    wait_for(two_slots, ends)


def test_a_job_that_is_paused_in_the_middle_of_a_message_keeps_nobody_else_waiting(two_slots: Executor) -> None:
    submit(two_slots, jobs.pause_in_the_middle_of_a_message, 50_000_000, "arm/1")
    time.sleep(1.0)
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
    while is_alive(process):
        time.sleep(0.01)
    (end,) = run(executor, jobs.count, 0, "arm/1")
    if end.died:
        (end,) = run(executor, jobs.count, 0, "arm/1")
    assert end == Ended("arm/1", 1, "")
    executor.close()


def test_a_quick_job_ends_while_a_slow_one_runs(two_slots: Executor, tmp_path: Path) -> None:
    submit(two_slots, jobs.until_file, str(tmp_path / "go"), "arm/slow")
    submit(two_slots, jobs.count, 0, "arm/quick")
    assert [end.key for end in ends(wait_for(two_slots, ends))] == ["arm/quick"]
    (tmp_path / "go").touch()
    wait_for(two_slots, ends)


def test_200_light_jobs_end_once_each(two_slots: Executor) -> None:
    waiting = [f"arm/{number}" for number in range(200)]
    heard: list[Said] = []
    limit = time.monotonic() + PATIENCE_SECONDS
    while len(ends(heard)) < 200 and time.monotonic() < limit:
        while two_slots.free and waiting:
            submit(two_slots, jobs.count, 1, waiting.pop())
        heard += two_slots.poll(0.1)
    assert sorted(end.key for end in ends(heard)) == sorted(f"arm/{number}" for number in range(200))
    assert [end for end in ends(heard) if end.cause] == []


def test_polling_idle_slots_takes_the_time_it_may_and_hears_nothing(two_slots: Executor) -> None:
    began = time.monotonic()
    assert two_slots.poll(0.2) == []
    assert time.monotonic() - began >= 0.19


def test_a_job_does_not_see_ctrl_c(two_slots: Executor) -> None:
    assert run(two_slots, jobs.interrupt_itself) == [Message("arm/0", 1, "lives"), Ended("arm/0", 1, "")]


def test_a_slot_that_is_still_starting_does_not_see_ctrl_c(engine: Callable[[int], Executor]) -> None:
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


def test_close_leaves_no_process_even_of_a_job_that_hears_nothing(engine: Callable[[int], Executor]) -> None:
    before = children_of(os.getpid())
    executor = engine(2)
    submit(executor, jobs.sleep_deafly, FOREVER_SECONDS, "arm/1")
    submit(executor, jobs.sleep_deafly, FOREVER_SECONDS, "arm/2")
    heard = wait_for(executor, lambda heard: len(heard) == 2)
    began = time.monotonic()
    executor.close()
    assert time.monotonic() - began < 6.0
    assert [process for process in (*bodies(heard, "arm/1"), *bodies(heard, "arm/2")) if is_alive(process)] == []
    assert children_of(os.getpid()) <= before


def test_close_does_not_wait_for_a_job_that_takes_every_error_for_its_own(engine: Callable[[int], Executor]) -> None:
    executor = engine(1)
    submit(executor, jobs.go_on_after_every_error)
    wait_for(executor, bodies)
    began = time.monotonic()
    executor.close()
    assert time.monotonic() - began < 3.0
