"""Draws that were cut off, refused, or locked out: the next launch makes of them what this one would have."""

from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from hinet_search.errors import EnvironmentFault
from hinet_search.objective import Objective
from hinet_search.search.arm_search import ArmSearch
from hinet_search.storage import store
from hinet_search.storage.engine import Database
from hinet_search.storage.store import StudyStore
from tests.search import studies
from tests.search.arms import Begin, complete, record, run_to_the_end


class PowerCut(Exception):
    """The process ended here."""


def cut_off(search: ArmSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask, and end before anything of it is written."""

    def no_power(*_: object, **__: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patched:
        patched.setattr(StudyStore, "record_trial", no_power)
        with pytest.raises(PowerCut):
            search.ask()


def test_a_draw_that_was_cut_off_is_drawn_again_as_it_was(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    search = begin()
    complete(search, search.ask())
    cut_off(search, monkeypatch)
    drawn = search._study.trials[1].params
    again = begin().ask()
    assert (again.number, again.attempt, again.drawn) == (1, 1, drawn)


def test_a_refused_draw_that_was_cut_off_is_refused_again(
    begin: Begin, opened: list[Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(begin(refusal="too large"), monkeypatch)
    assert begin(refusal="too large").ask() is None
    assert {trial.state for trial in record(opened).trials} == {"pruned"}


def test_an_interrupted_trial_goes_on_though_a_twin_of_it_was_refused(begin: Begin, opened: list[Database]) -> None:
    search = begin(studies.TWO, trials=5)
    running = [search.ask(), search.ask()]
    assert search.ask() is None  # every other draw is a twin of a running one
    for asked in running:
        search.leave(asked.number)
    numbers = [asked.number for asked in run_to_the_end(begin(studies.TWO, trials=5))]
    assert numbers == [asked.number for asked in running]


def test_a_trial_of_which_an_older_version_wrote_nothing_but_its_number_is_drawn_as_it_would_have_been(
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
        return ArmSearch(studies.arm(other), studies.spec(), Objective("mean_auc"), elsewhere, studies.Admission())

    older = arm_search()
    complete(older, older.ask())
    elsewhere.optuna_study("hinet", maximize=True).ask()
    again = arm_search().ask()
    trials = elsewhere.optuna_study("hinet", maximize=True).trials
    database.close()
    assert (again.number, dict(again.drawn)) == (1, dict(uninterrupted.drawn))
    assert [trial.params for trial in trials] == [older._study.trials[0].params, dict(uninterrupted.drawn)]


def test_a_default_that_an_older_version_left_waiting_is_trial_0(begin: Begin, opened: list[Database]) -> None:
    default = {"train.learning_rate": 1e-3}
    begin()._store.optuna_study("hinet", maximize=True).enqueue_trial(default)
    run_to_the_end(begin(trials=2))
    assert [(one.number, one.state) for one in record(opened).trials] == [(0, "complete"), (1, "complete")]
    assert record(opened).trials[0].parameters == default


def test_only_interrupted_trials_are_handed_out_when_no_new_ones_are_wanted(begin: Begin) -> None:
    search = begin()
    search.leave(search.ask().number)
    search = begin()
    assert search.ask(new=False).number == 0
    assert search.ask(new=False) is None
    assert search.ask().number == 1


def test_a_locked_database_is_told_as_such_while_a_draw_is_written(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = begin()

    def locked(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("database is locked"))

    monkeypatch.setattr(store, "write_trial", locked)
    with pytest.raises(EnvironmentFault, match="database is locked"):
        search.ask()
