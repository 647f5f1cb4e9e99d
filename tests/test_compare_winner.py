"""Winner: the arm to take follows from the verdict, and without one from validation."""

from dataclasses import replace

import pytest

from hinet_search.compare import is_opened, to_take, verdict
from hinet_search.records import StudyRecord
from tests.duels import NOISE, chosen_of, duel, meeting, with_chosen
from tests.report.studies import Shape, empty, study

AHEAD = meeting(star=[0.76 + n for n in NOISE], ple=[0.75 + n for n in NOISE], hinet=[0.70 + n for n in NOISE])


@pytest.mark.parametrize(
    ("record", "name", "why"),
    [
        (duel([0.75 + n for n in NOISE], [0.70 + n for n in NOISE]), "hinet", "better than every other arm on test"),
        (duel([0.70 + n for n in NOISE], [0.75 + n for n in NOISE]), "ple", "better than hinet on test"),
        (duel([0.70 + n for n in NOISE], [0.70 + n for n in NOISE]), "ple", "not told apart on test it computes least"),
        (duel([0.75, 0.751], [0.7, 0.701]), "hinet", "the best on validation"),
    ],
    ids=["won", "lost", "alike", "few seeds"],
)
def test_the_arm_to_take_follows_from_the_verdict(record: StudyRecord, name: str, why: str) -> None:
    arm, told = to_take(record, verdict(record))
    assert arm is not None
    assert (arm.name, told.endswith(why)) == (name, True), told


def test_an_arm_without_flops_computes_neither_more_nor_less() -> None:
    record = duel([0.70 + n for n in NOISE], [0.70 + n for n in NOISE])
    runs = tuple(replace(run, cost=replace(run.cost, flops_per_row=0)) for run in chosen_of(record, "ple").runs)
    arm, why = to_take(with_chosen(record, "ple", runs=runs), verdict(record))
    assert arm is not None
    assert (arm.name, why) == ("hinet", "not told apart from others on test")


def test_of_several_arms_ahead_the_best_on_validation_is_taken() -> None:
    arm, why = to_take(AHEAD, verdict(AHEAD))
    assert arm is not None
    assert (arm.name in {"star", "ple"}, why) == (True, "better than hinet on test")


@pytest.mark.parametrize("record", [empty(), study(Shape(finalists=False))], ids=["running", "done without finalists"])
def test_nothing_is_taken_while_no_finalist_is_opened(record: StudyRecord) -> None:
    assert to_take(record, verdict(record))[0] is None
    assert not any(map(is_opened, record.arms))
