"""Coordinators in several processes on one database: they start on an empty one and never share a study."""

import multiprocessing
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from hinet_search.storage.engine import connect
from hinet_search.storage.listing import list_studies
from hinet_search.storage.load import load_record
from tests.search.pretended import Studio
from tests.shortcuts import preloaded

NUM = 4
SECONDS = 240


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """A context whose processes have already imported what a launch imports."""
    return preloaded(multiprocessing.get_context("forkserver"))


def test_those_that_begin_at_once_on_an_empty_database_all_end_their_study(
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
