"""The card of importance: what the best arm loses without the order of each input."""

from dataclasses import replace

import pytest

from hinet_search.report.sections import NotApplicable, importance
from hinet_search.results.study_record import StudyRecord
from tests.report.edits import each_arm, each_summary
from tests.report.nine_arms import nine_arms
from tests.report.studies import plain

LOSSES = {
    "rate": (0.040, 0.041, 0.042, 0.043, 0.044),
    "noise": (-0.001, 0.001, -0.002, 0.002, 0.0),
    "price": (0.010, 0.011, 0.012, 0.013, 0.014),
}


def measured(losses: dict[str, tuple[float, ...]], num_seeds: int = 5) -> StudyRecord:
    """HiNet has these losses by seed."""
    seeds = tuple(range(num_seeds))
    return each_arm(
        nine_arms(), lambda arm: each_summary(arm, importances=losses, seeds=seeds), "hinet"
    )


def test_inputs_are_in_order_of_their_losses_and_those_that_are_shown_in_the_heading() -> None:
    card = importance.build(measured(LOSSES))
    assert card.heading == "Shown to matter to HiNet: rate, price"
    assert "Shown of 2 of 3 inputs." in card.lead
    text = plain(card.body)
    assert text.index("rate") < text.index("price") < text.index("noise")
    assert "▲ +0.0420" in text


def test_under_five_seeds_nothing_is_shown() -> None:
    few = {name: losses[:2] for name, losses in LOSSES.items()}
    card = importance.build(measured(few, 2))
    assert card.heading == "No single input is shown to matter to HiNet"
    assert "○ +0.0405" in plain(card.body)


def test_inputs_beyond_fifteen_are_folded() -> None:
    many = {f"input {number}": (number / 1e3,) * 5 for number in range(20)}
    assert "5 more inputs" in importance.build(measured(many)).body


def test_without_losses_there_is_no_card() -> None:
    with pytest.raises(NotApplicable, match="needs the best arm on validation, scored on test"):
        importance.build(measured({}))


def test_of_several_arms_the_best_on_validation_is_shown() -> None:
    every = each_arm(
        nine_arms(),
        lambda arm: each_summary(arm, importances=LOSSES, seeds=(0, 1, 2, 3, 4)),
    )
    best = max(every.arms, key=lambda arm: _valid(replace(every, arms=(arm,))))
    assert best.name.replace("hinet", "HiNet") in importance.build(every).lead


def _valid(record: StudyRecord) -> float:
    (arm,) = record.arms
    runs = next(finalist.runs for finalist in arm.finalists if finalist.chosen)
    return sum(run.valid_objective for run in runs) / len(runs)
