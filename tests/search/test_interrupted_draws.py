"""Draws that were interrupted, refused, or locked out: the next launch treats them as this one would have."""

from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError

from hinet_search.common.errors import EnvironmentFault, StudyConflict
from hinet_search.results.objectives import Objective
from hinet_search.results.trade_offs import Objectives
from hinet_search.search.arm_search import ArmSearch
from hinet_search.storage import store
from hinet_search.storage.engine import Database
from hinet_search.storage.store import StudyStore
from tests.search import studies
from tests.search.arms import Begin, complete, record, run_to_the_end
from tests.storage.small_study import optuna_study


class PowerCut(Exception):
    """The process ended here."""


def cut_off(search: ArmSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for a trial, and end before any of it is written."""

    def no_power(*_: object, **__: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patched:
        patched.setattr(StudyStore, "record_trial", no_power)
        with pytest.raises(PowerCut):
            search.ask()


def test_a_draw_that_was_cut_off_is_drawn_again_as_it_was(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = begin()
    complete(search, search.ask())
    cut_off(search, monkeypatch)
    drawn = search._memory._study.trials[1].params
    again = begin().ask()
    assert (again.number, again.attempt, again.drawn) == (1, 1, drawn)


def test_a_refused_draw_that_was_cut_off_is_refused_again(
    begin: Begin, opened: list[Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(begin(refusal="too large"), monkeypatch)
    assert begin(refusal="too large").ask() is None
    assert {trial.state for trial in record(opened).trials} == {"pruned"}


def test_an_interrupted_trial_resumes_though_a_twin_of_it_was_refused(
    begin: Begin, opened: list[Database]
) -> None:
    search = begin(studies.TWO, trials=5)
    running = [search.ask(), search.ask()]
    assert search.ask() is None  # every other draw is a twin of a running one
    for asked in running:
        search.leave(asked.number)
    numbers = [asked.number for asked in run_to_the_end(begin(studies.TWO, trials=5))]
    assert numbers == [asked.number for asked in running]


def test_a_trial_that_an_older_version_only_numbered_is_drawn_as_planned(
    begin: Begin, tmp_path: Path
) -> None:
    search = begin()
    complete(search, search.ask())
    uninterrupted = search.ask()
    search.leave(uninterrupted.number)

    other = tmp_path / "other"
    other.mkdir()
    database, elsewhere = studies.store(other)

    def arm_search() -> ArmSearch:
        return ArmSearch(
            studies.arm(other),
            studies.spec(),
            Objectives(Objective("mean_auc")),
            elsewhere,
            studies.Admission(),
        )

    older = arm_search()
    complete(older, older.ask())
    optuna_study(elsewhere, "hinet").ask()
    again = arm_search().ask()
    trials = optuna_study(elsewhere, "hinet").trials
    database.close()
    assert (again.number, dict(again.drawn)) == (1, dict(uninterrupted.drawn))
    assert [trial.params for trial in trials] == [
        older._memory._study.trials[0].params,
        dict(uninterrupted.drawn),
    ]


def test_a_default_that_an_older_version_left_waiting_is_trial_0(
    begin: Begin, opened: list[Database]
) -> None:
    default = {"train.learning_rate": 1e-3}
    optuna_study(begin()._store, "hinet").enqueue_trial(default)
    run_to_the_end(begin(trials=2))
    assert [(trial.number, trial.state) for trial in record(opened).trials] == [
        (0, "complete"),
        (1, "complete"),
    ]
    assert record(opened).trials[0].parameters == default


def test_only_interrupted_trials_are_handed_out_when_no_new_ones_are_wanted(begin: Begin) -> None:
    search = begin()
    search.leave(search.ask().number)
    search = begin()
    assert search.ask(new=False).number == 0
    assert search.ask(new=False) is None
    assert search.ask().number == 1


def test_a_locked_database_is_reported_as_such_while_a_draw_is_written(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = begin()

    def locked(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("database is locked"))

    monkeypatch.setattr(store, "upsert", locked)
    with pytest.raises(EnvironmentFault, match="database is locked"):
        search.ask()


def test_a_coordinator_that_lost_its_study_writes_neither_our_rows_nor_the_copy(
    begin: Begin, opened: list[Database]
) -> None:
    search = begin()
    asked = search.ask()
    before = record(opened), optuna_study(search._store, "hinet").trials
    search._store = replace(search._store, leased=True)  # which it is not
    for write in (
        search.ask,
        lambda: search.on_evaluation(asked.number, studies.evaluation(1, 0.5)),
        lambda: search.finish(asked.number, TrialState.COMPLETE, 0.5, studies.COST, ""),
    ):
        with pytest.raises(StudyConflict, match="no longer holds study 'tiny'"):
            write()
    assert (record(opened), optuna_study(search._store, "hinet").trials) == before


def test_a_number_that_another_program_took_is_mended_while_the_study_runs(
    begin: Begin, opened: list[Database]
) -> None:
    search = begin(trials=3)
    complete(search, search.ask())
    optuna_study(search._store, "hinet").ask()
    run_to_the_end(search)
    copy = optuna_study(search._store, "hinet").trials
    assert [(trial.number, trial.params, trial.value) for trial in copy] == [
        (trial.number, trial.parameters, trial.value) for trial in record(opened).trials
    ]
