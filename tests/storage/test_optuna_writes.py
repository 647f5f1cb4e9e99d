"""Trials that we write into Optuna's tables are those that Optuna would have written."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import Table, select

from hinet_search.storage import optuna_tables as tables
from hinet_search.storage.optuna_writes import write_report, write_trial
from hinet_search.storage.rows import TrialRow
from hinet_search.storage.store import StudyStore
from tests.storage.small_study import evaluation, new_store

NAME = "small/hinet"
DRAWN = {
    "rate": (1e-3, FloatDistribution(1e-4, 1e-2, log=True)),
    "share": (0.25, FloatDistribution(0.0, 1.0, step=0.25)),
    "depth": (3, IntDistribution(1, 9)),
    "top": (None, CategoricalDistribution([None, 1, True, "all"])),
}


def trial(state: TrialState, value: float | None, reported: Mapping[int, float], **notes: object) -> FrozenTrial:
    return create_trial(
        state=state,
        value=value,
        params={name: drawn for name, (drawn, _) in DRAWN.items()},
        distributions={name: distribution for name, (_, distribution) in DRAWN.items()},
        intermediate_values=dict(reported),
        system_attrs=notes,
    )


TRIALS = {
    "complete": trial(TrialState.COMPLETE, 0.7, {1: 0.6, 2: 0.7}),
    "infinite": trial(TrialState.COMPLETE, -math.inf, {1: math.inf, 2: -math.inf, 3: math.nan}),
    "pruned": trial(TrialState.PRUNED, 0.6, {1: 0.6}, completed_rung_0=0.6),
    "failed": trial(TrialState.FAIL, None, {}),
    "running": trial(TrialState.RUNNING, None, {1: 0.5}, **{"tpe:relative_params:0": '{"rate": 0.001}'}),
}


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    made = new_store(tmp_path / "h.db")
    made.optuna_study("hinet", maximize=True)
    return made


@pytest.mark.parametrize("kind", TRIALS)
def test_the_tables_hold_what_optuna_would_have_written(kind: str, store: StudyStore, tmp_path: Path) -> None:
    other = new_store(tmp_path / "other.db")
    other.optuna_study("hinet", maximize=True).add_trial(TRIALS[kind])
    write(store, numbered(TRIALS[kind], 0))
    for table in (
        tables.trials,
        tables.values,
        tables.intermediate_values,
        tables.parameters,
        tables.system_attributes,
    ):
        assert rows(store, table) == rows(other, table)


def test_a_trial_that_is_written_at_every_step_and_twice_is_there_once(store: StudyStore) -> None:
    memory = store.optuna_copy("hinet", maximize=True)
    asked = memory.ask({name: distribution for name, (_, distribution) in DRAWN.items()})
    for _ in range(2):
        write(store, memory.trials[0])
    for step in (1, 2):
        asked.report(step / 10, step)
        for _ in range(2):
            with store.database.writing() as connection:
                write_report(connection, NAME, memory.trials[0], step)
    memory.tell(asked, 0.2)
    for _ in range(2):
        write(store, memory.trials[0])
    assert same(stored(store), memory.trials)


def test_what_is_there_of_a_trial_is_completed(store: StudyStore) -> None:
    """Older versions wrote parameters one by one, and let the default wait for its turn."""
    of_optuna = store.optuna_study("hinet", maximize=True)
    of_optuna.ask().suggest_float("rate", 1e-4, 1e-2, log=True)
    of_optuna.enqueue_trial({})
    for number in (0, 1):
        write(store, numbered(TRIALS["complete"], number))
    assert [(one.number, one.state, one.params) for one in stored(store)] == [
        (number, TrialState.COMPLETE, TRIALS["complete"].params) for number in (0, 1)
    ]


def test_a_trial_goes_to_the_study_of_its_own_arm(store: StudyStore) -> None:
    store.optuna_study("single", maximize=True).add_trial(TRIALS["pruned"])
    write(store, numbered(TRIALS["complete"], 0))
    states = {arm: store.optuna_study(arm, maximize=True).trials[0].state for arm in ("hinet", "single")}
    assert states == {"hinet": TrialState.COMPLETE, "single": TrialState.PRUNED}


def test_an_older_attempt_does_not_undo_what_a_newer_one_wrote(store: StudyStore) -> None:
    """A coordinator that was paused and has lost its study wakes up."""
    newer = TrialRow(0, attempt=2, config_hash="h", is_default=True)
    store.record_trial("hinet", newer, numbered(TRIALS["complete"], 0))
    store.record_evaluation("hinet", 0, 2, evaluation(1, 0.6))
    late = numbered(TRIALS["running"], 0)
    store.record_trial("hinet", replace(newer, attempt=1), late)
    store.record_evaluation("hinet", 0, 1, evaluation(1, 0.5), late)
    (found,) = stored(store)
    assert (found.state, found.value, found.intermediate_values[1]) == (TrialState.COMPLETE, 0.7, 0.6)


def numbered(trial: FrozenTrial, number: int) -> FrozenTrial:
    """The trial as a study in memory would have numbered it."""
    study = optuna.create_study()
    study.add_trials([trial] * (number + 1))
    return study.trials[number]


def write(store: StudyStore, trial: FrozenTrial) -> None:
    with store.database.writing() as connection:
        write_trial(connection, NAME, trial)


def stored(store: StudyStore) -> list[FrozenTrial]:
    return store.optuna_study("hinet", maximize=True).trials


def same(found: list[FrozenTrial], expected: list[FrozenTrial]) -> bool:
    """Equal but for Optuna's own keys, which differ from one database to the next."""
    for one, other in zip(found, expected, strict=True):
        one._trial_id = other._trial_id
    return found == expected


def rows(store: StudyStore, table: Table) -> list[tuple[object, ...]]:
    with store.database.reading() as connection:
        return [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
