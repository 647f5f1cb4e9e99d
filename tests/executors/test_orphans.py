"""No slot outlives its coordinator, however the coordinator ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hinet_search.common import plugins
from tests.executors.engines import EXECUTORS
from tests.executors.processes import is_alive
from tests.waiting import seconds_until

COORDINATOR = """
import time
from pathlib import Path
from hinet_search.common import plugins
from hinet_search.executors import Job
from tests.executors import jobs

if __name__ == "__main__":
    engine = plugins.load({executors!r}, {engine!r})
    executor = engine.start(1, Path({home!r}), engine.Options())
    executor.submit(Job("arm/0", 1, jobs.{job}, {payload!r}))
    while not (heard := executor.poll(0.1)):
        pass
    print(heard[0].body, flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=plugins.names(EXECUTORS))
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def start(
    started: list[subprocess.Popen[str]], engine: str, home: Path, job: str, payload: object
) -> tuple[int, int]:
    """Start a coordinator whose slot runs a job, in a new session; return the process numbers of both."""
    code = COORDINATOR.format(
        executors=EXECUTORS, engine=engine, home=str(home), job=job, payload=payload
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    started.append(process)
    assert process.stdout is not None
    return process.pid, int(process.stdout.readline())


def seconds_until_dead(process: int) -> float:
    return seconds_until(lambda: not is_alive(process), at_most=10.0)


def test_a_slot_ends_within_5_seconds_of_its_coordinator_being_killed(
    started: list[subprocess.Popen[str]], engine: str, tmp_path: Path
) -> None:
    coordinator, slot = start(started, engine, tmp_path, "go_on_after_every_error", None)
    assert is_alive(slot)
    os.kill(coordinator, signal.SIGKILL)
    started[0].wait()
    assert seconds_until_dead(slot) < 5


def test_a_paused_slot_ends_within_5_seconds_of_its_coordinator_being_killed(
    started: list[subprocess.Popen[str]], engine: str, tmp_path: Path
) -> None:
    coordinator, slot = start(started, engine, tmp_path, "sleep_deafly", 600.0)
    os.kill(slot, signal.SIGSTOP)
    os.kill(coordinator, signal.SIGKILL)
    started[0].wait()
    assert seconds_until_dead(slot) < 5


def test_ctrl_c_for_the_whole_terminal_ends_a_slot_without_a_traceback_of_its_own(
    started: list[subprocess.Popen[str]], engine: str, tmp_path: Path
) -> None:
    coordinator, slot = start(started, engine, tmp_path, "sleep_deafly", 600.0)
    os.killpg(coordinator, signal.SIGINT)
    _, said = started[0].communicate()
    assert seconds_until_dead(slot) < 5
    assert said.count("Traceback") == 1, said  # the coordinator's here, which listens to no signal
