"""Load and list: a stored study as reports and the command line see it."""

import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from hinet_search.common.errors import ConfigurationError
from hinet_search.results.records import FinalistRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.storage.engine import Database, connect
from hinet_search.storage.listing import list_studies
from hinet_search.storage.load import load_record
from hinet_search.storage.row_mapping import StudySummary
from hinet_search.storage.store import StudyStore
from tests.storage.small_study import (
    COST,
    HINET,
    SINGLE,
    cells,
    evaluation,
    finalist_run,
    new_store,
    run_trial,
    small_study,
    study_row,
    trial_row,
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return small_study(tmp_path_factory.mktemp("storage") / "h.db")


@pytest.fixture(scope="module")
def record(database: Database) -> StudyRecord:
    return load_record(database, "small", trial_cells=True)


def test_cells_of_trials_are_read_only_when_they_are_asked_for(
    database: Database, record: StudyRecord
) -> None:
    lean = load_record(database, "small")
    for arm, whole in zip(lean.arms, record.arms, strict=True):
        for trial, with_cells in zip(arm.trials, whole.trials, strict=True):
            expected = [replace(each, cells=()) for each in with_cells.evaluations]
            assert trial == replace(with_cells, evaluations=tuple(expected))
        assert replace(arm, trials=()) == replace(whole, trials=())
    assert replace(lean, arms=()) == replace(record, arms=())


@pytest.mark.parametrize(("others", "with_cells"), [(("latency_ms",), False), (("ece",), True)])
def test_cells_are_also_read_for_objectives_that_are_metrics(
    tmp_path: Path, others: tuple[str, ...], with_cells: bool
) -> None:
    with closing(connect(str(tmp_path / "h.db"), create=True)) as database:
        store = StudyStore(database, "small")
        store.create_study(replace(study_row(), other_objectives=others), (HINET,))
        store.record_trial("hinet", trial_row(0))
        store.record_evaluation("hinet", 0, 1, evaluation(1))
        stored = load_record(database, "small")
        assert stored.other_objectives == others
        assert bool(stored.arms[0].trials[0].evaluations[0].cells) is with_cells
        assert store.evaluations("hinet", cells=True) == {0: [evaluation(1)]}


def test_a_record_has_the_studys_own_fields(record: StudyRecord) -> None:
    row = study_row()
    names = "name description objective maximize sampler pruner seed slots budget data study_yaml"
    for name in (*names.split(), "command", "versions", "started", "reference"):
        assert getattr(record, name) == getattr(row, name)
    assert (record.state, record.seconds, record.test_accesses) == ("done", 12.5, 1)


def test_arms_come_in_the_order_they_were_written(tmp_path: Path) -> None:
    store = StudyStore(connect(str(tmp_path / "h.db"), create=True), "small")
    store.create_study(study_row(), (SINGLE, HINET))
    arms = load_record(store.database, "small").arms
    assert [(arm.name, arm.trials) for arm in arms] == [("single", ()), ("hinet", ())]


def test_an_arm_has_its_space_and_importances(record: StudyRecord) -> None:
    arm = record.arms[0]
    assert (arm.model, arm.ranges, arm.fixed) == (HINET.model, HINET.ranges, HINET.fixed)
    assert arm.importances == {"train.learning_rate": 1.0}


def test_trials_have_their_states_and_causes_and_only_a_duplicate_does_not_count(
    record: StudyRecord,
) -> None:
    hinet, single = record.arms
    trials = [(each.number, each.state, each.value, each.cause) for each in hinet.trials]
    assert trials == [
        (0, "complete", 0.70, ""),
        (1, "complete", 0.75, ""),
        (2, "pruned", None, ""),
        (3, "pruned", None, "duplicate of trial 1"),
        (4, "failed", None, "diverged"),
    ]
    assert [trial.number for trial in hinet.trials if not trial.counts] == [3]
    assert [trial.number for trial in hinet.trials if trial.is_default] == [0]
    assert [trial.value for trial in single.trials] == [0.72]


def test_a_trial_has_its_parameters_evaluations_and_cost(record: StudyRecord) -> None:
    trial = record.arms[0].trials[1]
    assert list(trial.parameters) == ["train.learning_rate"]
    assert (trial.evaluations, trial.cost, trial.is_default) == (
        (evaluation(1, 0.75),),
        COST,
        False,
    )


def test_times_are_utc(record: StudyRecord) -> None:
    for moment in (
        record.arms[0].trials[0].started,
        record.arms[0].trials[0].finished,
        record.updated,
    ):
        assert moment.endswith("+00:00")
        assert abs(datetime.fromisoformat(moment) - datetime.now(UTC)) < timedelta(minutes=5)


def test_times_are_utc_wherever_the_study_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    database = small_study(tmp_path / "h.db")
    try:
        test_times_are_utc(load_record(database, "small"))
    finally:
        database.close()
        monkeypatch.undo()
        time.tzset()


def test_finalists_come_with_their_runs_by_seed(record: StudyRecord) -> None:
    opened = tuple(replace(finalist_run(seed), test_cells=cells(0.69)) for seed in (1, 2))
    closed = (finalist_run(1), finalist_run(2))
    assert record.arms[0].finalists == (
        FinalistRecord(
            0, is_default=True, chosen=False, parameters={"train.learning_rate": 2e-3}, runs=closed
        ),
        FinalistRecord(
            1, is_default=False, chosen=True, parameters={"train.learning_rate": 1e-3}, runs=opened
        ),
    )


def test_a_running_trial_is_in_the_record(tmp_path: Path) -> None:
    store = new_store(tmp_path / "h.db")
    store.record_trial("hinet", trial_row(0, attempt=2))
    (trial,) = load_record(store.database, "small", trial_cells=True).arms[0].trials
    assert (trial.state, trial.value, trial.finished, trial.attempt) == ("running", None, "", 2)


def test_a_record_and_a_list_are_read_without_optuna(tmp_path: Path) -> None:
    database = small_study(tmp_path / "h.db")
    before = load_record(database, "small"), list_studies(database)
    for study in database.storage.get_all_studies():
        optuna.delete_study(study_name=study.study_name, storage=database.storage)
    assert (load_record(database, "small"), list_studies(database)) == before


def test_an_unknown_study_names_the_nearest_known_one(database: Database) -> None:
    with pytest.raises(
        ConfigurationError, match=r"study 'smal' is not in .* which has small; did you mean 'small'"
    ):
        load_record(database, "smal")


def test_a_list_counts_trained_trials_and_finds_the_best(
    database: Database, record: StudyRecord
) -> None:
    assert list_studies(database) == (
        StudySummary(
            "small",
            "done",
            "mean_auc",
            5,
            10,
            best_value=0.75,
            best_arm="hinet",
            updated=record.updated,
        ),
    )


def test_a_list_finds_the_lowest_value_when_the_objective_is_a_loss(tmp_path: Path) -> None:
    store = StudyStore(connect(str(tmp_path / "h.db"), create=True), "small")
    store.create_study(study_row(maximize=False), (HINET, SINGLE))
    for arm, value in (("hinet", 0.4), ("single", 0.3), ("single", 0.5)):
        run_trial(store, arm, TrialState.COMPLETE, value)
    (summary,) = list_studies(store.database)
    assert (summary.best_value, summary.best_arm, summary.done) == (0.3, "single", 3)


def test_a_list_has_every_study_by_name_even_without_trials(tmp_path: Path) -> None:
    new_store(tmp_path / "h.db", "b")
    run_trial(new_store(tmp_path / "h.db", "a"), "single", TrialState.PRUNED, 0.9)
    studies = [
        (s.name, s.done, s.best_value, s.best_arm)
        for s in list_studies(connect(str(tmp_path / "h.db")))
    ]
    assert studies == [("a", 1, None, None), ("b", 0, None, None)]
