"""Which variables of this process's environment its child processes get."""

import os
from collections.abc import Iterator

import pytest

from hinet_search.common import crash_points
from hinet_search.executors import Executor
from hinet_search.executors.processes.environment import (
    SETTINGS,
    SLOTS_OF_GPU,
    environment,
    for_children,
    restored_environment,
)
from hinet_search.executors.processes.slots import ProcessExecutor
from hinet_search.training import checkpoint
from tests.executors import jobs
from tests.executors.driving import bodies, run


@pytest.fixture
def slot(monkeypatch: pytest.MonkeyPatch) -> Iterator[Executor]:
    """A slot of a coordinator that has secrets."""
    monkeypatch.setenv("HINET_SEARCH_CHECKPOINT_SECONDS", "3")
    monkeypatch.setenv("HINET_SEARCH_TOKEN", "secret of the dashboard")
    monkeypatch.setenv("HINET_SEARCH_STORAGE", "postgresql://user:secret@host/studies")
    slots = ProcessExecutor([0])
    yield slots
    slots.close()


def test_a_slot_gets_the_settings_it_reads_and_no_other_of_ours(slot: Executor) -> None:
    ((_, told, _),) = bodies(run(slot, jobs.tell_process))
    assert {name: value for name, value in told.items() if name.startswith("HINET_SEARCH_")} == {
        "HINET_SEARCH_CHECKPOINT_SECONDS": "3",
        "HINET_SEARCH_SLOT": "0",
    }
    assert "secret" not in str(told)


def test_a_slot_and_what_it_starts_pass_over_the_current_folder(slot: Executor) -> None:
    ((_, told, _),) = bodies(run(slot, jobs.tell_process))
    assert told["PYTHONSAFEPATH"] == "1"


def test_the_settings_of_a_slot_are_those_that_the_package_reads_there() -> None:
    assert set(SETTINGS) == {checkpoint.VARIABLE, SLOTS_OF_GPU, crash_points.VARIABLE}


@pytest.mark.parametrize("changing", [environment, restored_environment])
def test_the_environment_here_is_as_before_afterwards(
    changing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINET_SEARCH_TOKEN", "secret of the dashboard")
    before = dict(os.environ)
    with changing(for_children()):
        assert os.environ["PYTHONSAFEPATH"] == "1"
        assert "HINET_SEARCH_TOKEN" not in os.environ
    assert dict(os.environ) == before
