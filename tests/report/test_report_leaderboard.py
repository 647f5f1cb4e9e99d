"""Leaderboard: its lines and their order, ensembles, tuning and the seesaw."""

import re
from dataclasses import replace

import pytest

from hinet_search.report.card import NotApplicable
from hinet_search.report.drawing import numbers
from hinet_search.report.facts.standings import (
    LeaderboardEntry,
    loses_everywhere,
    losing_cells,
    standings,
)
from hinet_search.report.sections import leaderboard
from hinet_search.results.objectives import Objective
from hinet_search.results.records import FinalistRun
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
from tests.duels import arm_named, chosen_of, with_arm
from tests.report.arms import Shape
from tests.report.edits import each_arm, each_run, each_test_cell
from tests.report.nine_arms import ENSEMBLE, few_rows, running
from tests.report.studies import empty, study

NINE = few_rows()


def line_of(record: StudyRecord, arm: str) -> LeaderboardEntry:
    return next(line for line in standings(record) if line.arm.name == arm)


def measures(record: StudyRecord) -> str:
    """Return the folded table of all measures, with what stands below it."""
    return str(leaderboard.build(record).body).split("All measures and costs of every arm")[1]


def written(record: StudyRecord, name: str) -> str:
    """Return the text of an arm's line among all measures."""
    body = measures(record)
    row = re.search(rf'<tr[^>]*><th scope="row">{name}.*?</tr>', body)
    assert row is not None
    return re.sub(r"<[^>]+>", "", row[0].replace("</td>", "|").replace("</th>", "|"))


def test_the_best_on_validation_comes_first() -> None:
    means = [line.valid.objective.mean for line in standings(NINE)]
    assert means == sorted(means, reverse=True)


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


def test_tuning_adds_the_chosen_minus_the_default() -> None:
    default = next(each for each in arm_named(NINE, "ple").finalists if each.is_default)
    chosen = chosen_of(NINE, "ple")
    expected = (
        sum(run.valid_objective for run in chosen.runs) / 5
        - sum(run.valid_objective for run in default.runs) / 5
    )
    assert line_of(NINE, "ple").valid.tuning == pytest.approx(expected, abs=1e-12)


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
    assert best == pytest.approx(0.001, abs=1e-9)  # chosen finalists are .001 better than defaults


def test_ensembles_are_put_beside_tuning_in_one_sentence() -> None:
    body = leaderboard.build(NINE).body
    assert (
        "adds +.0039 to the mean of its seeds (mean over 9 arms), more than tuning adds to the default: +.0010"
        in body
    )


def test_without_ensembles_no_column_and_no_sentence_speaks_of_them() -> None:
    assert "ensemble" not in leaderboard.build(study(Shape())).body.lower()


def test_the_rival_of_equal_size_is_named_as_such() -> None:
    assert written(NINE, "Flat MoE").startswith("Flat MoE same size as HiNet|")
    assert "same size" not in written(NINE, "MMoE")


def test_the_worst_cell_is_the_lowest_mean_by_name() -> None:
    tested = line_of(NINE, "hinet").test
    assert tested is not None
    runs, cells = chosen_of(NINE, "hinet").runs, range(4)
    means = [sum((run.test_cells or ())[cell].auc or 0.0 for run in runs) / 5 for cell in cells]
    assert tested.worst == (pytest.approx(min(means)), ("tab 0", "long_view"))
    assert f"|{numbers.metric(min(means))} tab 0 · long_view|" in written(NINE, "HiNet")


def test_the_losing_cells_are_those_below_the_reference_the_deepest_first() -> None:
    means = [
        cell.difference.mean for cell in losing_cells(line_of(NINE, "trees")) if cell.difference
    ]
    assert len(means) == 3
    assert means == sorted(means)
    assert max(means) < 0


def test_an_arm_that_loses_everywhere_has_no_seesaw_and_is_marked_all() -> None:
    gains = line_of(NINE, "shared_bottom").reference
    assert gains is not None
    assert (
        gains.seesaw,
        loses_everywhere(gains),
        losing_cells(line_of(NINE, "shared_bottom")),
    ) == (0, True, ())
    assert "|all|" in written(NINE, "Shared Bottom")


def test_the_reference_is_not_compared_with_itself() -> None:
    assert line_of(NINE, "single").reference is None
    assert written(NINE, "Single").startswith("Single reference|")


def test_the_heading_names_who_leads_on_each_split() -> None:
    def better(run: FinalistRun) -> FinalistRun:
        return each_test_cell(run, lambda cell: replace(cell, auc=(cell.auc or 0.0) + 0.01))

    swapped = each_arm(NINE, lambda arm: each_run(arm, better), "ple")
    assert leaderboard.build(NINE).heading == "HiNet leads on validation and on test"
    assert leaderboard.build(swapped).heading == "HiNet leads on validation and PLE on test"


def test_no_number_of_test_is_shown_before_test_is_opened() -> None:
    body = leaderboard.build(running()).body
    assert ">Validation<" in body
    assert ">Test" not in body


def test_one_table_has_every_model_once_the_best_on_test_first() -> None:
    table = str(leaderboard.build(NINE).body).split("</table>")[0]
    values = [float(value) for value in re.findall(r"</th><td>(\.\d{4})", table)]
    assert len(values) == len(NINE.arms)
    assert values == sorted(values, reverse=True)


def test_the_lowest_on_test_comes_first_where_lower_is_better() -> None:
    table = str(leaderboard.build(study(Shape(objective="logloss"))).body).split("</table>")[0]
    values = [float(value) for value in re.findall(r"</th><td>(\.\d{4})", table)]
    assert len(values) == 7
    assert values == sorted(values)


def test_the_costs_of_an_arm_stand_among_all_measures_and_trees_have_no_size() -> None:
    cost = chosen_of(NINE, "ple").runs[0].cost
    size = f"{numbers.compact(cost.parameters)} {numbers.compact(cost.dense_parameters)} dense"
    assert f"|{size}|{numbers.compact(cost.flops_per_row)}|" in written(NINE, "PLE")
    assert "|–|–|" in written(NINE, "Trees")


def test_an_arm_without_finalists_is_named_below_the_table() -> None:
    assert (
        "Not in the table, without a finalist so far: HiNet." in leaderboard.build(running()).body
    )


def test_a_study_without_finalists_says_what_it_needs() -> None:
    with pytest.raises(NotApplicable, match="needs finalists"):
        leaderboard.build(empty())


def test_the_metric_of_the_verdict_on_test_is_in_the_leaderboard_alone() -> None:
    header = measures(NINE).split("</thead>")[0]
    assert "Test<br><small>macro AUC</small>" in leaderboard.build(NINE).body
    assert header.count(">macro AUC</th>") == 1
    assert header.count(">mean AUC</th>") == 1


def test_an_objective_that_is_its_own_headline_has_one_column_on_validation() -> None:
    header = measures(replace(NINE, objective="macro_auc")).split("</thead>")[0]
    assert header.count(">macro AUC</th>") == 1
    assert "mean AUC" not in header
    assert verdict(NINE).difference == verdict(replace(NINE, objective="macro_auc")).difference
