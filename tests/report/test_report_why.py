"""The cards of the part Why, attention and ablations."""

import re
from dataclasses import replace

import pytest

from hinet_search.report import scatter
from hinet_search.report.figures import Axis
from hinet_search.report.sections import (
    ablations,
    failures,
    insight,
)
from hinet_search.results.records import FinalistRun, GateUsage, TrialRecord
from hinet_search.results.study_record import StudyRecord
from tests.duels import NOISE, meeting
from tests.report.arms import Shape
from tests.report.edits import each_arm, each_run
from tests.report.planted import PLANTED
from tests.report.studies import plain, study


def of_hinet(record: StudyRecord, **insight: object) -> StudyRecord:
    """Return the record with the diagnostics of HiNet's finalists replaced."""

    def changed(run: FinalistRun) -> FinalistRun:
        return replace(run, insight=replace(run.insight, **insight))  # type: ignore[arg-type]  # types are the caller's

    return each_arm(record, lambda arm: each_run(arm, changed), "hinet")


def variants() -> StudyRecord:
    """HiNet and two variants, each without another part."""
    record = meeting(
        hinet=[0.72 + n for n in NOISE],
        no_san=[0.71 + n for n in NOISE],
        no_gates=[0.72 + n for n in NOISE],
    )
    fixed = {
        "hinet": {},
        "no_san": {"model.san.enabled": False},
        "no_gates": {"model.cgc.gate": "uniform"},
    }
    arms = tuple(
        replace(arm, model="hinet", fixed={"train.epochs": 4, **fixed[arm.name]})
        for arm in record.arms
    )
    return replace(record, arms=arms, reference="hinet")


def test_every_weight_of_attention_has_its_spread_over_seeds_below_it() -> None:
    body = insight.build(PLANTED["attention"]).body
    assert '<td style="--a:0.22">0.40<small>±0.55</small></td>' in body


def test_a_look_that_another_seed_does_not_share_is_no_heading() -> None:
    assert insight.build(PLANTED["attention"]).heading == "Scenario attention and gate weights"
    steady = of_hinet(
        study(Shape(scenarios=("a", "b", "c", "d"))), attention=((0, 0.9, 0.1, 0),) * 4
    )
    assert insight.build(steady).heading == "d attends mostly to b"


@pytest.mark.parametrize(
    ("scenarios", "weight", "mostly"),
    [("abc", 0.74, False), ("abc", 0.76, True), ("abcdef", 0.49, False), ("abcdef", 0.51, True)],
)
def test_mostly_attends_means_most_of_the_weight_and_far_more_than_an_even_share(
    scenarios: str, weight: float, *, mostly: bool
) -> None:
    others = len(scenarios) - 1
    even = tuple(
        tuple((i != j) / others for j in range(len(scenarios))) for i in range(len(scenarios))
    )
    first = (0.0, weight, *[(1 - weight) / (others - 1)] * (others - 1))
    record = of_hinet(study(Shape(scenarios=tuple(scenarios))), attention=(first, *even[1:]))
    assert (insight.build(record).heading == "a attends mostly to b") == mostly


def test_the_largest_weight_of_a_gate_is_that_of_each_seeds_own_favourite() -> None:
    def with_gate(run: FinalistRun) -> FinalistRun:
        weights = ((0.9, 0.1), (0.3, 0.7))[run.seed]
        gate = GateUsage("Home/click", ("specific 1", "specific 2"), weights)
        return replace(run, insight=replace(run.insight, gates=(gate,)))

    record = study(Shape(arms=("single", "hinet"), seeds=2))
    body = insight.build(each_arm(record, lambda arm: each_run(arm, with_gate), "hinet")).body
    assert "Gates of click gate specific 1 specific 2 Largest Home 0.60 0.40 0.80" in plain(body)


def test_ablations_are_the_arms_of_one_model_with_what_is_changed_in_them() -> None:
    card = ablations.build(variants())
    rows = re.findall(
        r'<th scope="row">(\w+) <small>([^<]+)</small></th><td class="gain (\w+)">', card.body
    )
    assert rows == [
        ("no_san", "model.san.enabled = false", "win"),
        ("no_gates", "model.cgc.gate = uniform", "tie"),
    ]


def test_failures_that_differ_in_numbers_alone_stand_in_one_line() -> None:
    record = study(Shape(arms=("hinet",)))
    causes = (
        "loss 123.4 at step 5",
        "loss 99.1 at step 7",
        "too large: 3 times",
        "too large: 4 times",
    )
    trials = tuple(
        TrialRecord(number, "failed", None, {}, False, cause, (), None)
        for number, cause in enumerate(causes)
    )
    body = failures.build(replace(record, arms=(replace(record.arms[0], trials=trials),))).body
    assert "loss 123.4 at step 5</td><td>2</td><td>0, 1</td>" in body
    assert "too large: 3 times</td><td>2</td><td>2, 3</td>" in body


def test_a_name_stands_where_it_neither_leaves_the_plot_nor_meets_another() -> None:
    points = [
        scatter.ScatterPoint("left", False, 0.0, 1.0, "left"),
        scatter.ScatterPoint("right", False, 4.0, 2.0, "right"),
        scatter.ScatterPoint("met", False, 1.0, 3.0, "met"),
        scatter.ScatterPoint("meets", False, 1.2, 3.0, "meets"),
    ]
    axes = scatter.ScatterAxes(Axis(0.0, 4.0), Axis(0.0, 4.0))
    sides = [side for _, side in scatter.names_of(points, axes)]
    assert sides == ["right", "left", "left", "right"]


def test_the_front_holds_what_no_smaller_arm_reaches() -> None:
    points = [
        scatter.ScatterPoint("a", False, 1.0, 0.70, "a"),
        scatter.ScatterPoint("b", False, 2.0, 0.69, "b"),
        scatter.ScatterPoint("c", True, 3.0, 0.72, "c"),
    ]
    axis = Axis(0.0, 4.0)
    assert scatter.front(points, axis, lambda left, right: left.value > right.value) == [
        (1.0, 0.70),
        (3.0, 0.70),
        (3.0, 0.72),
        (4.0, 0.72),
    ]
