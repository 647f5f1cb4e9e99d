"""Optuna's storage is a copy of our rows: written after them, and mended from them at the next launch."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from hinet_search.common.errors import StudyConflict
from hinet_search.storage.listing import optuna_numbers
from hinet_search.storage.optuna.write_trials import OptunaArm
from hinet_search.storage.rows import TrialRow, utc_now
from hinet_search.storage.store import StudyStore
from tests.storage.small_study import (
    DISTRIBUTIONS,
    evaluation,
    new_store,
    open_arm,
    optuna_study,
    run_trial,
    trial_row,
)

WIDER = {"train.learning_rate": FloatDistribution(1e-4, 1.0, log=True)}


@pytest.fixture
def store(either: str) -> Iterator[StudyStore]:
    made = new_store(either)
    yield made
    made.database.close()


class Killed(BaseException):
    """The process ends here."""


def ended(row: TrialRow, state: str, value: float | None = None, cause: str = "") -> TrialRow:
    return replace(row, state=state, value=value, finished=utc_now(), cause=cause)


def record(store: StudyStore, row: TrialRow, *values: float) -> None:
    """Write our rows alone, as a process does that is killed right afterwards."""
    store.record_trial("hinet", row)
    for step, value in enumerate(values, start=1):
        store.record_evaluation("hinet", row.number, 1, evaluation(step, value))


def copy_of(store: StudyStore) -> list[FrozenTrial]:
    return optuna_study(store, "hinet").trials


def shown(store: StudyStore) -> list[tuple[object, ...]]:
    """What Optuna's dashboard shows of every trial."""
    return [
        (trial.number, trial.state.name, trial.value, trial.intermediate_values)
        for trial in copy_of(store)
    ]


def test_the_copy_is_named_after_study_and_arm_and_has_the_objective_as_metric(
    store: StudyStore,
) -> None:
    open_arm(store, "hinet")
    study = optuna_study(store, "hinet")
    assert (study.study_name, study.direction.name, study.metric_names) == (
        "small/hinet",
        "MAXIMIZE",
        ["mean_auc"],
    )


def test_a_trial_is_shown_running_as_soon_as_it_is_drawn(store: StudyStore) -> None:
    row = trial_row(0)
    open_arm(store, "hinet").write(row, {})
    (trial,) = copy_of(store)
    assert (trial.state, trial.params, trial.distributions) == (
        TrialState.RUNNING,
        row.parameters,
        DISTRIBUTIONS,
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


def test_writes_that_are_repeated_change_nothing(store: StudyStore) -> None:
    copy, row = open_arm(store, "hinet"), trial_row(0)
    for _ in range(2):
        copy.write(row, {})
        copy.report(0, 1, 0.7, {"note": 1})
    done = ended(row, "complete", 0.7)
    trial_id = copy.running[0]
    copy.write(done, {1: 0.7})
    copy.running[0] = trial_id  # as where the answer to the first write was lost
    copy.write(done, {1: 0.7})
    assert shown(store) == [(0, "COMPLETE", 0.7, {1: 0.7})]


def test_a_begun_trial_whose_confirmation_was_lost_is_not_written_again(store: StudyStore) -> None:
    copy, row = open_arm(store, "hinet"), trial_row(0)
    copy.write(row, {})
    copy.running.clear()
    copy.write(row, {})
    assert shown(store) == [(0, "RUNNING", None, {})]


def test_a_launch_makes_the_trials_that_the_copy_lacks_under_their_numbers(
    store: StudyStore,
) -> None:
    run_trial(store, "hinet", TrialState.COMPLETE, 0.7)
    record(store, ended(trial_row(1), "complete", 0.8), 0.75, 0.8)
    record(store, trial_row(2), 0.5)
    copy = open_arm(store, "hinet")
    assert shown(store) == [
        (0, "COMPLETE", 0.7, {1: 0.7}),
        (1, "COMPLETE", 0.8, {1: 0.75, 2: 0.8}),
        (2, "RUNNING", None, {1: 0.5}),
    ]
    copy.write(ended(trial_row(2), "failed"), {1: 0.5})
    assert shown(store)[2] == (2, "FAIL", None, {1: 0.5})


def test_a_launch_reports_the_evaluations_that_the_copy_lacks(store: StudyStore) -> None:
    row, copy = trial_row(0), open_arm(store, "hinet")
    record(store, row, 0.5, 0.6)
    copy.write(row, {})
    copy.report(0, 1, 0.5, {})
    open_arm(store, "hinet")
    assert shown(store) == [(0, "RUNNING", None, {1: 0.5, 2: 0.6})]


def test_a_launch_ends_trials_that_the_copy_still_runs(store: StudyStore) -> None:
    row = trial_row(0)
    open_arm(store, "hinet").write(row, {})
    record(store, ended(row, "pruned"), 0.5)
    assert open_arm(store, "hinet").running == {}
    assert shown(store) == [(0, "PRUNED", 0.5, {1: 0.5})]


def test_a_launch_that_has_nothing_to_mend_writes_nothing(store: StudyStore) -> None:
    run_trial(store, "hinet", TrialState.COMPLETE, 0.7)
    before = [trial._trial_id for trial in copy_of(store)], optuna_numbers(store.database, "small")
    open_arm(store, "hinet")
    assert (
        [trial._trial_id for trial in copy_of(store)],
        optuna_numbers(store.database, "small"),
    ) == before


def wider(store: StudyStore) -> tuple[OptunaArm, list[FrozenTrial]]:
    return store.optuna_arm("hinet", WIDER, lambda passes: round(4 * passes))


def test_a_copy_is_made_again_when_a_range_is_wider_and_keeps_the_notes_of_pruners(
    store: StudyStore,
) -> None:
    run_trial(store, "hinet", TrialState.COMPLETE, 0.7)
    copy, row = open_arm(store, "hinet"), trial_row(1)
    record(store, row, 0.5)
    copy.write(row, {})
    copy.report(1, 1, 0.5, {"completed_rung_0": 0.5})
    _, trials = wider(store)
    assert [trial.distributions for trial in copy_of(store)] == [WIDER] * 2
    assert shown(store) == [(0, "COMPLETE", 0.7, {1: 0.7}), (1, "RUNNING", None, {1: 0.5})]
    assert copy_of(store)[1].system_attrs == trials[1].system_attrs == {"completed_rung_0": 0.5}


def after(count: int, whole: Callable[..., object]) -> Callable[..., object]:
    """A method of Optuna's storage whose process is killed after that many calls."""
    calls = iter(range(count))

    def method(*given: object) -> object:
        if next(calls, None) is None:
            raise Killed
        return whole(*given)

    return method


@pytest.mark.parametrize(
    ("method", "count"),
    [
        ("delete_study", 0),
        ("create_new_study", 0),
        ("create_new_trial", 0),
        ("create_new_trial", 1),
    ],
)
def test_a_copy_that_was_made_again_in_part_is_completed(
    method: str, count: int, store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in (0.7, 0.8):
        run_trial(store, "hinet", TrialState.COMPLETE, value)
    with monkeypatch.context() as patched:
        patched.setattr(RDBStorage, method, after(count, getattr(RDBStorage, method)))
        with suppress(Killed):
            wider(store)
        assert optuna_numbers(store.database, "small") == {}
    wider(store)
    assert shown(store) == [(0, "COMPLETE", 0.7, {1: 0.7}), (1, "COMPLETE", 0.8, {1: 0.8})]
    assert [trial.distributions for trial in copy_of(store)] == [WIDER] * 2


def test_a_copy_that_was_deleted_is_reported_and_not_made_again(store: StudyStore) -> None:
    run_trial(store, "hinet", TrialState.COMPLETE, 0.7)
    copy = open_arm(store, "hinet")
    copy.write(trial_row(1), {})
    optuna.delete_study(study_name="small/hinet", storage=store.database.storage)
    with pytest.raises(
        StudyConflict, match="'small/hinet' was deleted in optuna-dashboard or by Optuna"
    ):
        copy.report(1, 1, 0.5, {})
    with pytest.raises(StudyConflict, match="'small/hinet' was deleted") as caught:
        open_arm(store, "hinet")
    assert caught.value.remedy == "it cannot resume: give the study another name (key 'name')"


def test_a_number_that_another_program_took_is_noticed_and_mended(store: StudyStore) -> None:
    """A coordinator may lose the study between writing its row and the copy, and continue a minute later."""
    copy = open_arm(store, "hinet")
    copy.write(trial_row(0), {})
    record(store, trial_row(0))
    optuna_study(store, "hinet").add_trial(copy_of(store)[0])
    record(store, trial_row(1))
    assert not copy.write(trial_row(1), {})
    open_arm(store, "hinet")
    assert [trial.params for trial in copy_of(store)] == [
        trial_row(number).parameters for number in (0, 1)
    ]


def test_a_trial_that_optuna_made_twice_is_mended(
    store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the answer to a commit is lost, Optuna tries again."""
    copy, whole = open_arm(store, "hinet"), RDBStorage.create_new_trial
    record(store, trial_row(0))
    with monkeypatch.context() as patched:
        patched.setattr(
            RDBStorage, "create_new_trial", lambda *given: (whole(*given), whole(*given))[1]
        )
        assert not copy.write(trial_row(0), {})
    open_arm(store, "hinet")
    assert shown(store) == [(0, "RUNNING", None, {})]


def test_a_trial_ended_in_the_dashboard_ends_as_our_record_says_at_the_next_launch(
    store: StudyStore,
) -> None:
    copy, row = open_arm(store, "hinet"), trial_row(0)
    copy.write(row, {})
    optuna_study(store, "hinet").tell(0, state=TrialState.FAIL)
    copy.report(0, 1, 0.7, {})
    done = ended(row, "complete", 0.7)
    copy.write(done, {1: 0.7})
    record(store, done, 0.7)
    assert shown(store) == [(0, "FAIL", None, {})]
    open_arm(store, "hinet")
    assert shown(store) == [(0, "COMPLETE", 0.7, {1: 0.7})]


def test_arms_have_copies_of_their_own(store: StudyStore) -> None:
    run_trial(store, "hinet", TrialState.COMPLETE, 0.7)
    run_trial(store, "single", TrialState.FAIL)
    states = [optuna_study(store, arm).trials[0].state for arm in ("hinet", "single")]
    assert states == [TrialState.COMPLETE, TrialState.FAIL]
