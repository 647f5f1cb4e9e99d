"""Draws that were cut off, refused, or locked out: the next launch makes of them what this one would have."""

from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from hinet_search.errors import EnvironmentFault
from hinet_search.objective import Objective
from hinet_search.search.arm_search import ArmSearch
from hinet_search.storage.engine import Database
from tests.search import studies
from tests.search.arms import Begin, complete, record, run_to_the_end


class PowerCut(Exception):
    """The process ended here."""


def cut_off_when_told(search: ArmSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask until a draw is refused, and end between its row and what Optuna is told."""

    def no_power(*_: object, **__: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patched:
        patched.setattr(search._study, "tell", no_power)
        with pytest.raises(PowerCut):
            run_to_the_end(search)


def test_a_refused_draw_that_was_cut_off_is_not_trained_by_the_next_launch(
    begin: Begin, opened: list[Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    search = begin(studies.TWO, trials=5)
    complete(search, search.ask())
    complete(search, search.ask())
    cut_off_when_told(search, monkeypatch)
    assert run_to_the_end(begin(studies.TWO, trials=5)) == []
    assert sum(trial.counts for trial in record(opened).trials) == 2


def test_a_draw_that_is_too_large_stays_untrained_when_it_was_cut_off(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off_when_told(begin(refusal="too large"), monkeypatch)
    assert begin(refusal="too large").ask() is None


def test_an_interrupted_trial_goes_on_though_a_twin_of_it_was_refused(begin: Begin, opened: list[Database]) -> None:
    search = begin(studies.TWO, trials=5)
    running = [search.ask(), search.ask()]
    assert search.ask() is None  # every other draw is a twin of a running one
    for asked in running:
        search.leave(asked.number)
    numbers = [asked.number for asked in run_to_the_end(begin(studies.TWO, trials=5))]
    assert numbers == [asked.number for asked in running]


def test_an_interrupted_draw_is_completed_as_it_would_have_been(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = begin()
    complete(search, search.ask())
    uninterrupted = search.ask()
    search.leave(uninterrupted.number)

    other = tmp_path / "other"
    other.mkdir()
    database, store = studies.store(other)

    def arm_search() -> ArmSearch:
        return ArmSearch(studies.arm(other), studies.spec(), Objective("mean_auc"), store, studies.Admission())

    cut = arm_search()
    complete(cut, cut.ask())
    cut._draw()  # asked for, and nothing drawn of it yet
    again = arm_search().ask()
    database.close()
    assert (again.number, dict(again.drawn)) == (1, dict(uninterrupted.drawn))


def test_only_interrupted_trials_are_handed_out_when_no_new_ones_are_wanted(begin: Begin) -> None:
    search = begin()
    search.leave(search.ask().number)
    search = begin()
    assert search.ask(new=False).number == 0
    assert search.ask(new=False) is None
    assert search.ask().number == 1


def test_a_locked_database_is_told_as_such_while_a_trial_is_drawn(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = begin()

    def locked(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("database is locked"))

    monkeypatch.setattr(type(search.arm.space), "suggest", locked)
    with pytest.raises(EnvironmentFault, match="database is locked"):
        search.ask()
