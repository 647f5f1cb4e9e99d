"""Draws that were interrupted, refused, or locked out: the next launch treats them as this one would have."""

from dataclasses import replace

import pytest
from optuna.trial import TrialState

from hinet_search.common.errors import StudyConflict
from hinet_search.search.arm_search import ArmSearch
from hinet_search.storage.engine import Database
from hinet_search.storage.store import StudyStore
from tests.search import studies
from tests.search.arms import Begin, complete, record, run_to_the_end


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


def test_only_interrupted_trials_are_handed_out_when_no_new_ones_are_wanted(begin: Begin) -> None:
    search = begin()
    search.leave(search.ask().number)
    search = begin()
    assert search.ask(new=False).number == 0
    assert search.ask(new=False) is None
    assert search.ask().number == 1


def test_a_coordinator_that_lost_its_study_writes_no_row(
    begin: Begin, opened: list[Database]
) -> None:
    search = begin()
    asked = search.ask()
    before = record(opened)
    search._store = replace(search._store, leased=True)  # which it is not
    for write in (
        search.ask,
        lambda: search.on_evaluation(asked.number, studies.evaluation(1, 0.5)),
        lambda: search.finish(asked.number, TrialState.COMPLETE, 0.5, studies.COST, ""),
    ):
        with pytest.raises(StudyConflict, match="no longer holds study 'tiny'"):
            write()
    assert record(opened) == before
