"""Leaderboard: its lines and their order, ensembles, tuning and the seesaw."""

import re
from dataclasses import replace

import pytest

from hinet_search.report import numbers
from hinet_search.report.sections import leaderboard
from hinet_search.report.sections import verdict as verdict_card
from hinet_search.report.standings import LeaderboardEntry, standings
from hinet_search.results.data_record import GroupCount
from hinet_search.results.decision import decided, shown_better
from hinet_search.results.objectives import Objective
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
from hinet_search.results.within_groups import own_values
from tests.duels import arm_named, chosen_of, meeting, with_arm
from tests.report.arms import Shape
from tests.report.distilled import with_costs
from tests.report.nine_arms import ENSEMBLE, few_rows
from tests.report.studies import plain, study
from tests.results.test_within_groups import ranked
from tests.results.verdict_cases import at

NINE = few_rows()


def line_of(record: StudyRecord, arm: str) -> LeaderboardEntry:
    return next(line for line in standings(record) if line.arm.name == arm)


def measures(record: StudyRecord) -> str:
    """Return the folded table of all measures, with what stands below it."""
    return str(leaderboard.build(record).body).split("All measures and costs of every arm")[1]


def test_the_lowest_comes_first_where_lower_is_better() -> None:
    means = [line.valid.objective.mean for line in standings(study(Shape(objective="logloss")))]
    assert means == sorted(means)


def test_test_values_are_means_over_the_seeds_of_the_chosen_finalist() -> None:
    tested, runs = line_of(NINE, "hinet").test, chosen_of(NINE, "hinet").runs
    assert tested is not None
    assert tested.weighted is not None
    macro, weighted = (
        sum(metric(run.test_cells or ()) for run in runs) / 5
        for metric in (Objective("macro_auc"), Objective("weighted_auc"))
    )
    assert tested.weighted.mean == pytest.approx(weighted, abs=1e-12)
    assert f">HiNet <small>taken</small></th><td>{numbers.metric(macro)} <" in str(
        leaderboard.build(NINE).body
    )


def test_an_arm_that_kept_its_default_says_so_in_place_of_a_gain() -> None:
    arm = arm_named(NINE, "ple")
    finalists = tuple(replace(each, is_default=each.chosen) for each in arm.finalists)
    with_default = with_arm(NINE, replace(arm, finalists=finalists))
    assert line_of(with_default, "ple").valid.tuning == 0.0
    assert leaderboard.build(with_default).body.count("<td>kept</td>") == 1
    assert "<td>kept</td>" not in leaderboard.build(NINE).body


def test_an_ensemble_is_compared_with_the_mean_of_its_seeds() -> None:
    finalist = chosen_of(NINE, "mmoe")
    assert finalist.summary is not None
    alone = sum(Objective("mean_auc")(run.valid_cells) for run in finalist.runs) / 5
    together = line_of(NINE, "mmoe").valid.ensemble_gain
    assert together == pytest.approx(
        Objective("mean_auc")(finalist.summary.ensemble_valid_cells) - alone, abs=1e-12
    )
    assert Objective("mean_auc")(finalist.summary.ensemble_valid_cells) == pytest.approx(
        Objective("mean_auc")(finalist.runs[0].valid_cells) + ENSEMBLE
    )


def test_what_lowers_a_loss_is_added_with_a_plus() -> None:
    record = study(Shape(objective="logloss"))
    best = max(line.valid.tuning or 0.0 for line in standings(record))
    assert best == pytest.approx(0.001, abs=1e-9)  # chosen finalists are 0.001 better than defaults


def test_without_ensembles_no_column_and_no_sentence_speaks_of_them() -> None:
    assert "ensemble" not in leaderboard.build(study(Shape())).body.lower()


def test_the_lowest_on_test_comes_first_where_lower_is_better() -> None:
    table = str(leaderboard.build(study(Shape(objective="logloss"))).body).split("</table>")[0]
    values = [float(value) for value in re.findall(r"</th><td>(0\.\d{4})", table)]
    assert len(values) == 7
    assert values == sorted(values)


def test_an_objective_that_is_its_own_headline_has_one_column_on_validation() -> None:
    header = measures(replace(NINE, objective="macro_auc")).split("</thead>")[0]
    assert header.count(">macro AUC</th>") == 1
    assert "mean AUC" not in header
    assert verdict(NINE).difference == verdict(replace(NINE, objective="macro_auc")).difference


def test_the_auc_within_groups_has_the_interval_of_each_model_and_groups_are_counted() -> None:
    record = ranked(ple=(0.70, 0.60), hinet=(0.72, 0.58))
    counts = (GroupCount("click", 20_000, 12_345, 0.614),)
    record = replace(record, data=replace(record.data, ranked=counts))
    own = own_values(record, arm_named(record, "hinet"))
    assert own is not None
    low, high = map(numbers.metric, own[1].interval(0.05))
    page = plain(str(leaderboard.build(record).body))
    assert f"{numbers.metric(own[1].mean)} {low} to {high}" in page
    assert "click: 12,345 of 20,000 groups have both labels: they hold 61 % of the rows" in page


def test_gains_are_split_into_those_between_and_within_groups() -> None:
    record = ranked(ple=(0.70, 0.60), hinet=(0.72, 0.58))
    page = plain(str(verdict_card.build(record).body)).partition("Gains between and within groups")[
        2
    ]
    assert "PLE +0.0200 +0.0200 0.0000 ▼ −0.0200" in page
    assert "Between groups: the gain if every row had the mean score of its group." in page


def test_a_picture_has_both_orders_the_better_ones_up_and_to_the_right_with_their_intervals() -> (
    None
):
    record = ranked(ple=(0.70, 0.60), hinet=(0.72, 0.58))
    page = str(leaderboard.build(record).body)
    picture = page.split("AUC within groups and macro AUC on test")[1].partition("<h3>")[0]
    assert (
        "AUC within groups against macro AUC, the best by it first: HiNet 0.5800, PLE 0.6000"
    ) in picture
    dots = re.findall(r'class="dot arm[^"]*" style="left:([\d.]+)%;bottom:([\d.]+)%"', picture)
    (first_x, first_y), (second_x, second_y) = [tuple(map(float, dot)) for dot in dots[:2]]
    assert (first_x > second_x, first_y < second_y) == (True, True)  # HiNet, then PLE
    assert picture.count('class="span"') == 4


@pytest.mark.parametrize(("better", "drawn"), [(0.02, True), (0.0002, False)])
def test_the_front_rises_only_to_a_model_that_is_shown_to_be_better(
    better: float, drawn: bool
) -> None:
    record = with_costs(meeting(ple=at(0.7), hinet=at(0.7 + better)), ple=(1, 1.0), hinet=(1, 2.0))
    page = str(leaderboard.build(record).body)
    assert ('class="front"' in page) == drawn
    assert ("No model is shown to be better than another one on test." in page) != drawn
    assert page.count('class="span"') == 2  # the deviation over seeds


def test_the_front_rises_where_the_verdict_makes_a_claim() -> None:
    record = meeting(single=at(0.60), mmoe=at(0.62), ple=at(0.7188), hinet=at(0.72))
    offers = decided(record, verdict(record)).offers
    assert ("HiNet", "PLE") in shown_better(record, verdict(record), offers)
    assert ("HiNet", "PLE") not in shown_better(
        record, replace(verdict(record), contrasts=()), offers
    )
