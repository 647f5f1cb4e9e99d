"""Store: what the coordinator writes, and that writing it again changes nothing."""

from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState
from sqlalchemy import text

from hinet_search.common.errors import StudyConflict
from hinet_search.results.data_record import RowHashes
from hinet_search.results.records import FinalistSummary, Resampled
from hinet_search.results.study_record import PairedRun
from hinet_search.storage.engine import connect
from hinet_search.storage.load import load_record
from hinet_search.storage.store import StudyStore
from tests.storage.small_study import (
    HINET,
    cells,
    evaluation,
    finalist_run,
    new_store,
    run_trial,
    study_row,
    trial_row,
)


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return new_store(tmp_path / "h.db")


def test_a_study_comes_back_as_written(store: StudyStore) -> None:
    assert store.load_study() == study_row()


def test_a_study_that_was_never_made_is_none(store: StudyStore) -> None:
    assert replace(store, study="other").load_study() is None


def test_a_study_is_made_once(store: StudyStore) -> None:
    with pytest.raises(StudyConflict, match="study 'small' exists already in sqlite:"):
        store.create_study(study_row(), (HINET,))


def test_the_state_changes_and_the_seconds_stay_unless_given(store: StudyStore) -> None:
    store.set_state("running", seconds=3.5)
    store.set_state("stopped")
    study = store.load_study()
    assert study is not None
    assert (study.state, study.seconds) == ("stopped", 3.5)
    assert study.updated > study_row().updated


def test_a_trial_row_of_an_older_attempt_is_dropped(store: StudyStore) -> None:
    newer = trial_row(3, 2, cause="done")
    store.record_trial("hinet", newer)
    store.record_trial("hinet", replace(newer, attempt=1, cause="late"))
    assert store.trials("hinet") == (newer,)


def test_an_evaluation_written_twice_is_there_once(store: StudyStore) -> None:
    run_trial(store, "hinet", TrialState.COMPLETE, 0.7)
    for objective in (0.1, 0.2):
        store.record_evaluation("hinet", 0, 1, evaluation(1, objective))
    assert _evaluations(store) == (evaluation(1, 0.2),)


def test_an_evaluation_of_an_older_attempt_is_dropped(store: StudyStore) -> None:
    run_trial(store, "hinet", TrialState.COMPLETE, 0.7)
    store.record_evaluation("hinet", 0, 2, evaluation(1, 0.2))
    store.record_evaluation("hinet", 0, 1, evaluation(1, 0.1))
    assert _evaluations(store) == (evaluation(1, 0.2),)


def test_steps_that_the_newest_attempt_did_not_reach_are_no_part_of_the_trial(
    store: StudyStore,
) -> None:
    run_trial(store, "hinet", TrialState.COMPLETE, 0.7)
    for step in (1, 2, 3, 4):
        store.record_evaluation("hinet", 0, 1, evaluation(step))
    for step in (2, 3):
        store.record_evaluation("hinet", 0, 2, evaluation(step, 0.9))
    assert _evaluations(store) == (evaluation(1), evaluation(2, 0.9), evaluation(3, 0.9))


def test_a_finalist_written_again_keeps_what_was_decided_and_measured_since(
    store: StudyStore,
) -> None:
    store.record_finalist("hinet", 0, {"x": 1}, finalist_run(1), is_default=False)
    store.mark_chosen("hinet", 0)
    store.set_test_cells("hinet", 0, 1, cells(0.6))
    store.record_finalist("hinet", 0, {"x": 1}, finalist_run(1), is_default=False)
    (finalist,) = load_record(store.database, "small", trial_cells=True).arms[0].finalists
    assert finalist.chosen
    assert finalist.runs == (replace(finalist_run(1), test_cells=cells(0.6)),)


def test_one_finalist_of_an_arm_is_chosen_at_a_time(store: StudyStore) -> None:
    for arm, number in (("hinet", 0), ("hinet", 1), ("single", 0)):
        store.record_finalist(arm, number, {}, finalist_run(1), is_default=False)
    store.mark_chosen("single", 0)
    store.mark_chosen("hinet", 0)
    store.mark_chosen("hinet", 1)
    arms = load_record(store.database, "small", trial_cells=True).arms
    assert [[finalist.chosen for finalist in arm.finalists] for arm in arms] == [
        [False, True],
        [True],
    ]


def test_openings_of_a_test_split_are_counted_over_all_studies(store: StudyStore) -> None:
    store.record_test_access("abc", "hinet", 0, (1, 2))
    _other_study(store).record_test_access("abc", "hinet", 0, (1,))
    store.record_test_access("another", "hinet", 0, (1,))
    assert store.count_test_accesses("abc") == 2


def test_openings_are_counted_by_the_rows_that_are_tested_whatever_the_features(
    store: StudyStore,
) -> None:
    _further_study(store, "more features", "def", RowHashes("rows", "named"))
    _further_study(store, "without users", "ghi", RowHashes("rows", None))
    _further_study(store, "in another order", "jkl", RowHashes("sorted", "named"))
    _further_study(store, "other rows", "mno", RowHashes("others", "other names"))
    _further_study(store, "other rows without users", "pqr", RowHashes("yet others", None))
    counts = {
        fingerprint: store.count_test_accesses(fingerprint)
        for fingerprint in ("def", "ghi", "jkl", "mno", "pqr")
    }
    assert counts == {"def": 3, "ghi": 2, "jkl": 2, "mno": 1, "pqr": 1}


def test_test_accesses_of_a_version_without_the_rows_count_after_a_relaunch(
    store: StudyStore,
) -> None:
    store.record_test_access(study_row().data.fingerprint, "hinet", 0, (1,))
    _further_study(store, "more features", "def", RowHashes("rows", None))
    assert store.count_test_accesses("def") == 1
    known = replace(study_row().data, test_rows=RowHashes("rows", None))
    store.continue_study(replace(study_row(), data=known), ())
    assert store.count_test_accesses("def") == 2
    assert load_record(store.database, "more features").test_accesses == 2


def looks(store: StudyStore) -> int:
    return load_record(store.database, store.study).looks


def test_more_seeds_of_an_arm_and_another_finalist_are_further_looks(store: StudyStore) -> None:
    data = study_row().data.fingerprint
    assert looks(store) == 1
    for arm in ("hinet", "single"):
        store.record_test_access(data, arm, 0, (1, 2))
    assert looks(store) == 1, "a launch uses every arm once"
    store.record_test_access(data, "hinet", 0, (1, 2, 3))
    assert looks(store) == 2
    store.record_test_access(data, "hinet", 4, (1, 2, 3))
    assert looks(store) == 3


def test_looks_of_other_studies_count_if_they_were_before_the_last_one(store: StudyStore) -> None:
    data = study_row().data.fingerprint
    other = _other_study(store)
    for study, seed in ((store, 1), (other, 1), (store, 2)):
        study.record_test_access(data, "hinet", 0, (seed,))
    assert (looks(store), looks(other)) == (3, 2)


def _other_study(store: StudyStore) -> StudyStore:
    other = replace(store, study="other")
    other.create_study(study_row("other"), (HINET,))
    return other


def _further_study(store: StudyStore, name: str, fingerprint: str, test_rows: RowHashes) -> None:
    """A study on data of that fingerprint, scored on test once."""
    data = replace(study_row().data, fingerprint=fingerprint, test_rows=test_rows)
    other = replace(store, study=name)
    other.create_study(replace(study_row(name), data=data), (HINET,))
    other.record_test_access(fingerprint, "hinet", 0, (1,))


def test_an_opening_that_is_written_again_is_counted_once(store: StudyStore) -> None:
    for _ in range(2):  # as after a commit whose answer was lost
        store.record_test_access("abc", "hinet", 0, (1, 2))
    assert store.count_test_accesses("abc") == 1


def test_opened_seeds_are_those_of_one_finalist_on_one_split(store: StudyStore) -> None:
    for other in (("another", "hinet", 0), ("abc", "single", 0), ("abc", "hinet", 1)):
        store.record_test_access(*other, (7,))
    _other_study(store).record_test_access("abc", "hinet", 0, (8,))
    assert store.accessed_seeds("abc", "hinet", 0) == set()
    store.record_test_access("abc", "hinet", 0, (1, 2))
    store.record_test_access("abc", "hinet", 0, (3,))
    assert store.accessed_seeds("abc", "hinet", 0) == {1, 2, 3}


def test_openings_of_a_deleted_study_are_not_those_of_a_new_one_with_its_name(
    store: StudyStore,
) -> None:
    store.record_test_access("abc", "hinet", 0, (1,))
    with store.database.writing() as connection:
        connection.execute(text("DELETE FROM hs_study"))
    assert store.count_test_accesses("abc") == 1, "they outlive their study"
    store.create_study(replace(study_row(), started="2999-01-01T00:00:00+00:00"), (HINET,))
    assert store.accessed_seeds("abc", "hinet", 0) == set()
    assert store.count_test_accesses("abc") == 1


def test_trainings_that_measure_inputs_come_back_as_written(store: StudyStore) -> None:
    runs = (
        PairedRun("single", (), 2**40, 0.7),
        PairedRun("single", ("lists", "my place"), 1, 0.6),
        PairedRun("single", ("lists",), 1, 0.65),
    )
    for run in (*runs, runs[0]):
        store.record_paired_run(run)
    assert set(store.paired_runs()) == set(load_record(store.database, "small").paired_runs)
    assert sorted(store.paired_runs(), key=repr) == sorted(runs, key=repr)


def test_trainings_of_inputs_and_of_choices_are_dropped_apart(store: StudyStore) -> None:
    for arm in ("single", "hinet/12"):
        store.record_paired_run(PairedRun(arm, (), len(arm), 0.7))
    store.drop_other_runs("single")
    store.drop_other_runs("hinet/12")
    assert {run.arm for run in store.paired_runs()} == {"single", "hinet/12"}
    store.drop_other_runs("hinet/13")
    assert {run.arm for run in store.paired_runs()} == {"single"}


def test_deleting_a_study_deletes_its_rows(store: StudyStore) -> None:
    run_trial(store, "hinet", TrialState.COMPLETE, 0.7)
    store.record_paired_run(PairedRun("single", (), 1, 0.7))
    store.record_finalist("hinet", 0, {}, finalist_run(1), is_default=False)
    with store.database.writing() as connection:
        connection.execute(text("DELETE FROM hs_study"))
        for table in ("hs_arm", "hs_trial", "hs_evaluation", "hs_finalist", "hs_input_worth"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0


def test_a_store_on_a_reopened_database_continues(store: StudyStore, tmp_path: Path) -> None:
    run_trial(store, "hinet", TrialState.COMPLETE, 0.7)
    again = StudyStore(connect(str(tmp_path / "h.db"), create=True), "small")
    assert run_trial(again, "hinet", TrialState.COMPLETE, 0.8) == 1


def _evaluations(store: StudyStore) -> tuple[object, ...]:
    return load_record(store.database, "small", trial_cells=True).arms[0].trials[0].evaluations


SUMMARY = FinalistSummary(
    seeds=(1, 2),
    ensemble_valid_cells=cells(0.71),
    ensemble_test_cells=cells(0.72),
    resampled=Resampled("users", 17, headline=(0.7, 0.71), cells=((0.6, 0.61), ())),
)


@pytest.fixture
def with_finalist(store: StudyStore) -> StudyStore:
    for seed in (1, 2):
        store.record_finalist("hinet", 3, {"a": 1}, finalist_run(seed), is_default=False)
    return store


def summaries(store: StudyStore) -> list[FinalistSummary | None]:
    return [
        finalist.summary for finalist in load_record(store.database, store.study).arms[0].finalists
    ]


def test_a_finalist_has_the_summary_that_is_written_and_keeps_it(with_finalist: StudyStore) -> None:
    store = with_finalist
    assert summaries(store) == [None]
    store.record_finalist("hinet", 4, {"a": 2}, finalist_run(1), is_default=False)
    store.record_summary("hinet", 4, SUMMARY)
    assert summaries(store) == [None, SUMMARY]
    store.record_finalist("hinet", 4, {"a": 2}, finalist_run(1), is_default=False)
    assert summaries(store) == [None, SUMMARY]


def test_what_is_fixed_while_an_arm_runs_joins_what_was_fixed_before(store: StudyStore) -> None:
    store.record_fixed("hinet", {"model.dense_parameters": 4_321})
    assert store.fixed_of("hinet") == {**HINET.fixed, "model.dense_parameters": 4_321}
    assert store.fixed_of("single") == {}
