"""Optuna's storage has a copy of our rows: what it lacks is added, and one that differs is made again."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from hinet_search.common.errors import StudyConflict
from hinet_search.results.records import TrialRecord
from hinet_search.storage.optuna_copy import optuna_numbers
from hinet_search.storage.row_mapping import utc_now
from hinet_search.storage.store import StudyStore
from tests.storage.small_study import (
    COST,
    DISTRIBUTIONS,
    cells,
    copy_arm,
    evaluation,
    new_store,
    optuna_study,
    run_trial,
    trial_row,
)

WIDER = {"train.learning_rate": FloatDistribution(1e-4, 1.0, log=True)}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StudyStore]:
    made = new_store(tmp_path / "h.db")
    yield made
    made.database.close()


@pytest.fixture
def store_of_either(either: str) -> Iterator[StudyStore]:
    made = new_store(either)
    yield made
    made.database.close()


class Killed(BaseException):
    """The process ends here."""


def ended(row: TrialRecord, state: str, value: float | None = None) -> TrialRecord:
    return replace(row, state=state, value=value, finished=utc_now())


def record(store: StudyStore, row: TrialRecord, *values: float) -> None:
    store.record_trial("hinet", row)
    for step, value in enumerate(values, start=1):
        store.record_evaluation("hinet", row.number, 1, evaluation(step, value))


def two_complete_trials(store: StudyStore) -> None:
    for value in (0.7, 0.8):
        run_trial(store, "hinet", TrialState.COMPLETE, value)


def copy_of(store: StudyStore) -> list[FrozenTrial]:
    return optuna_study(store, "hinet").trials


def shown(store: StudyStore) -> list[tuple[object, ...]]:
    """What Optuna's dashboard shows of every trial."""
    return [
        (trial.number, trial.state.name, trial.value, trial.intermediate_values)
        for trial in copy_of(store)
    ]


COMPLETE = [(0, "COMPLETE", 0.7, {1: 0.7}), (1, "COMPLETE", 0.8, {1: 0.8})]


def test_an_arm_without_a_trial_has_no_copy(store: StudyStore) -> None:
    copy_arm(store, "hinet")
    assert optuna_numbers(store.database, "small") == {}


def test_the_copy_is_named_after_study_and_arm_and_has_the_objective_as_metric(
    store: StudyStore,
) -> None:
    run_trial(store, "hinet", TrialState.COMPLETE, 0.7)
    study = optuna_study(store, "hinet")
    assert (study.study_name, study.direction.name, study.metric_names) == (
        "small/hinet",
        "MAXIMIZE",
        ["mean_auc"],
    )
    assert optuna_numbers(store.database, "small") == {"hinet": 1}


def test_a_trial_that_runs_is_shown_with_its_values(store: StudyStore) -> None:
    row = trial_row(0)
    record(store, row, 0.5)
    copy_arm(store, "hinet")
    (trial,) = copy_of(store)
    assert (trial.state, trial.params, trial.distributions, trial.intermediate_values) == (
        TrialState.RUNNING,
        row.parameters,
        DISTRIBUTIONS,
        {1: 0.5},
    )
    assert trial.datetime_start is not None
    assert trial.datetime_start.astimezone() == datetime.fromisoformat(row.started)


def test_a_trial_ends_in_the_copy_as_it_ended(store: StudyStore) -> None:
    run_trial(store, "hinet", TrialState.COMPLETE, 0.7)
    run_trial(store, "hinet", TrialState.PRUNED, 0.6)
    run_trial(store, "hinet", TrialState.PRUNED, cause="duplicate of trial 1")
    run_trial(store, "hinet", TrialState.FAIL, cause="diverged")
    assert shown(store) == [
        (0, "COMPLETE", 0.7, {1: 0.7}),
        (1, "PRUNED", 0.6, {1: 0.6}),
        (2, "PRUNED", None, {}),
        (3, "FAIL", None, {}),
    ]


@pytest.mark.parametrize("is_copied_before_its_end", [True, False])
def test_an_ended_trial_has_its_costs_and_the_auc_by_cell_of_its_best_evaluation(
    store: StudyStore, *, is_copied_before_its_end: bool
) -> None:
    for step, auc in enumerate((0.71, 0.74, 0.72), start=1):
        store.record_trial("hinet", trial_row(0))
        seen = replace(evaluation(step, auc), cells=cells(auc))
        store.record_evaluation("hinet", 0, 1, seen)
    if is_copied_before_its_end:
        copy_arm(store, "hinet")
        assert copy_of(store)[0].user_attrs == {}
    store.record_trial("hinet", replace(ended(trial_row(0), "complete", 0.74), cost=COST))
    copy_arm(store, "hinet")
    assert copy_of(store)[0].user_attrs == {
        "parameters": 1000,
        "parameters without embeddings": 200,
        "FLOPs per row": 4000,
        "seconds": 1.5,
        "ms per 1,000 training rows": 10.0,
        "AUC by cell": {"home / click": 0.74},
    }


def test_trials_and_values_that_the_copy_lacks_are_added(store_of_either: StudyStore) -> None:
    store = store_of_either
    run_trial(store, "hinet", TrialState.COMPLETE, 0.7)
    record(store, trial_row(1), 0.75)
    copy_arm(store, "hinet")
    keys = [trial._trial_id for trial in copy_of(store)]
    record(store, ended(trial_row(1), "complete", 0.8), 0.75, 0.8)
    record(store, trial_row(2), 0.5)
    copy_arm(store, "hinet")
    assert shown(store) == [
        (0, "COMPLETE", 0.7, {1: 0.7}),
        (1, "COMPLETE", 0.8, {1: 0.75, 2: 0.8}),
        (2, "RUNNING", None, {1: 0.5}),
    ]
    assert [trial._trial_id for trial in copy_of(store)][:2] == keys, "it was not made again"


def test_a_later_attempt_replaces_the_values_of_a_running_trial(store: StudyStore) -> None:
    record(store, trial_row(0), 0.5)
    copy_arm(store, "hinet")
    record(store, trial_row(0), 0.6)
    copy_arm(store, "hinet")
    assert shown(store) == [(0, "RUNNING", None, {1: 0.6})]


def test_a_copy_that_lacks_nothing_is_left_as_it_is(
    store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_complete_trials(store)
    for method in ("delete_study", "create_new_trial", "set_trial_state_values"):
        monkeypatch.setattr(RDBStorage, method, pytest.fail)
    assert copy_arm(store, "hinet") == 2
    assert shown(store) == COMPLETE


def test_what_has_ended_in_the_copy_is_not_read_again(
    store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_complete_trials(store)
    record(store, trial_row(2), 0.5)
    first = copy_arm(store, "hinet", first=2)
    record(store, ended(trial_row(2), "complete", 0.6), 0.6)
    record(store, trial_row(3))
    with monkeypatch.context() as patched:
        patched.setattr(RDBStorage, "get_all_trials", pytest.fail)
        assert (first, copy_arm(store, "hinet", first)) == (2, 3)
    later = [(2, "COMPLETE", 0.6, {1: 0.6}), (3, "RUNNING", None, {})]
    assert shown(store) == [*COMPLETE, *later]


def copy_wider(store: StudyStore) -> None:
    store.copy_to_optuna("hinet", WIDER)


def test_a_copy_is_made_again_when_a_range_is_wider(store_of_either: StudyStore) -> None:
    store = store_of_either
    two_complete_trials(store)
    copy_wider(store)
    assert [trial.distributions for trial in copy_of(store)] == [WIDER] * 2
    assert shown(store) == COMPLETE


def after(count: int, whole: Callable[..., object]) -> Callable[..., object]:
    """A method of Optuna's storage whose process is killed after that many calls."""
    calls = iter(range(count))

    def method(*given: object, **named: object) -> object:
        if next(calls, None) is None:
            raise Killed
        return whole(*given, **named)

    return method


@pytest.mark.parametrize(
    ("method", "count"),
    [
        ("delete_study", 0),
        ("create_new_study", 0),
        ("set_study_system_attr", 0),
        ("create_new_trial", 0),
        ("create_new_trial", 1),
    ],
)
def test_a_copy_that_was_made_again_in_part_is_completed(
    method: str, count: int, store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_complete_trials(store)
    with monkeypatch.context() as patched:
        patched.setattr(RDBStorage, method, after(count, getattr(RDBStorage, method)))
        with suppress(Killed):
            copy_wider(store)
    copy_wider(store)
    assert shown(store) == COMPLETE
    assert [trial.distributions for trial in copy_of(store)] == [WIDER] * 2
    assert optuna_study(store, "hinet").metric_names == ["mean_auc"]


def delete(store: StudyStore) -> None:
    optuna.delete_study(study_name="small/hinet", storage=store.database.storage)


def turn_round(store: StudyStore) -> None:
    delete(store)
    optuna.create_study(
        study_name="small/hinet", storage=store.database.storage, direction="minimize"
    )


def add_a_twin(store: StudyStore) -> None:
    optuna_study(store, "hinet").add_trial(copy_of(store)[0])


def end_a_running_trial(store: StudyStore) -> None:
    record(store, trial_row(2))
    copy_arm(store, "hinet")
    optuna_study(store, "hinet").tell(2, state=TrialState.FAIL)


@pytest.mark.parametrize(
    ("change", "first"),
    [(delete, 0), (turn_round, 2), (add_a_twin, 0), (end_a_running_trial, 2)],
)
def test_a_copy_that_another_program_changed_is_made_again(
    change: Callable[[StudyStore], None], first: int, store: StudyStore
) -> None:
    two_complete_trials(store)
    change(store)
    record(store, ended(trial_row(2), "complete", 0.6), 0.6)
    assert copy_arm(store, "hinet", first) == 3
    assert shown(store) == [*COMPLETE, (2, "COMPLETE", 0.6, {1: 0.6})]
    assert optuna_study(store, "hinet").direction.name == "MAXIMIZE"


def test_a_copy_that_is_deleted_while_it_is_written_is_made_again(
    store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_complete_trials(store)
    record(store, trial_row(2), 0.5)
    whole = RDBStorage.create_new_trial

    def deleted_first(storage: RDBStorage, study_id: int, trial: FrozenTrial) -> int:
        monkeypatch.setattr(RDBStorage, "create_new_trial", whole)
        storage.delete_study(study_id)
        return whole(storage, study_id, trial)

    monkeypatch.setattr(RDBStorage, "create_new_trial", deleted_first)
    copy_arm(store, "hinet")
    assert shown(store) == [*COMPLETE, (2, "RUNNING", None, {1: 0.5})]


def test_who_lost_the_study_does_not_write_its_copy(store: StudyStore) -> None:
    two_complete_trials(store)
    record(store, trial_row(2))
    lost = replace(store, leased=True)  # which it is not
    with pytest.raises(StudyConflict, match="no longer holds study 'small'"):
        copy_arm(lost, "hinet")
    assert shown(store) == COMPLETE


def test_arms_have_copies_of_their_own(store: StudyStore) -> None:
    run_trial(store, "hinet", TrialState.COMPLETE, 0.7)
    run_trial(store, "single", TrialState.FAIL)
    states = [optuna_study(store, arm).trials[0].state for arm in ("hinet", "single")]
    assert states == [TrialState.COMPLETE, TrialState.FAIL]
