"""Coordinators in several processes on one database: they start on an empty one and never share a study."""

import multiprocessing
import os
import sys
from contextlib import closing
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pytest

from hinet_search.cli import main
from hinet_search.storage.engine import connect
from hinet_search.storage.lease import this_process
from hinet_search.storage.listing import list_studies
from hinet_search.storage.load import load_record
from hinet_search.storage.store import StudyStore
from tests.search.pretended import Studio
from tests.shortcuts import preloaded
from tests.small import write_study

NUM = 8
SECONDS = 240


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """A context whose processes have already imported what a launch imports."""
    return preloaded(multiprocessing.get_context("forkserver"))


def test_eight_that_begin_at_once_on_an_empty_database_all_end_their_study(
    either: str, tmp_path: Path, processes: ForkServerContext
) -> None:
    barrier = processes.Barrier(NUM)
    names = [f"study{number}" for number in range(NUM)]
    started = [
        started_in(processes, run_to_the_end, barrier, either, tmp_path / name, name)
        for name in names
    ]
    assert [code_of(process) for process in started] == [0] * NUM
    database = connect(either)
    assert [
        (study.name, study.state, study.done, study.budget) for study in list_studies(database)
    ] == [(name, "done", 4, 4) for name in names]
    for name in names:
        (arm,) = load_record(database, name).arms
        assert [(trial.number, trial.state) for trial in arm.trials] == [
            (number, "complete") for number in range(4)
        ]
        assert sum(finalist.chosen for finalist in arm.finalists) == 1
    database.close()


def test_one_that_comes_to_a_held_study_leaves_with_code_5_and_says_who_holds_it(
    either: str, tmp_path: Path, processes: ForkServerContext
) -> None:
    begun, go = processes.Event(), processes.Event()
    holder = started_in(processes, hold, begun, go, either)
    assert begun.wait(SECONDS)
    second = started_in(processes, launch_by_command, either, tmp_path / "second")
    assert code_of(second) == 5
    said = (tmp_path / "second" / "said").read_text().splitlines()
    (error,) = [number for number, line in enumerate(said) if line.startswith("error: ")]
    held = (
        f"error: study 'small' is run by process {holder.pid} on {this_process().host} (heartbeat "
    )
    assert said[error].startswith(held)
    assert said[error + 1] == f"wait until it ends or stop it: kill {holder.pid}"
    go.set()
    assert code_of(holder) == 0
    with closing(connect(either)) as database:
        assert list_studies(database) == ()


def started_in(context: ForkServerContext, target: object, *arguments: object) -> BaseProcess:
    process = context.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def code_of(process: BaseProcess) -> int | None:
    process.join(SECONDS)
    return process.exitcode


def run_to_the_end(barrier: Barrier, url: str, folder: Path, name: str) -> None:
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        barrier.wait(SECONDS)
        Studio(folder, patch).launch(more=f"name: {name}\n", storage=url)


def hold(begun: Event, go: Event, url: str) -> None:
    with closing(connect(url, create=True)) as database:
        store = StudyStore(database, "small")
        store.acquire_lease()
        begun.set()
        go.wait(SECONDS)
        store.release_lease()


def launch_by_command(url: str, folder: Path) -> None:
    """Launch by the command; its output goes to a file."""
    folder.mkdir()
    os.chdir(folder)
    write_study(folder)
    sys.argv = ["hinet-search", "launch", "small.yaml", "--storage", url]
    with (folder / "said").open("w") as sys.stderr:
        main()
