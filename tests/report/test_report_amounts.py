"""A report of a study with tasks of amounts says what they are, with their errors, in every form."""

import json
import re
from dataclasses import replace

import polars as pl
import pytest

from hinet_search.common import plugins
from hinet_search.report.checks import calibration as calibration_check
from hinet_search.report.checks import few_positives
from hinet_search.report.model_card import model_card
from hinet_search.report.page import render
from hinet_search.report.sections import calibration as calibration_card
from hinet_search.report.sections import cells as cells_card
from hinet_search.report.sections import leaderboard
from hinet_search.results.calibration_records import Calibration, Calibrator, CellCalibration
from hinet_search.results.records import FinalistRun
from hinet_search.results.study_record import FORMATS, StudyRecord
from tests.duels import without_users
from tests.report.amounts import MEANS, SHAPE, UNIT, with_amounts
from tests.report.edits import each_arm, each_run, each_summary
from tests.report.studies import study

BINARY = study(SHAPE)
RECORD = with_amounts(BINARY)
PLATT = Calibrator("platt", 0.5, (0.0,), (-1.0,))


def written(record: StudyRecord, kind: str) -> str:
    return "".join(plugins.load(FORMATS, kind).files(record).values())


def card_of(record: StudyRecord) -> str:
    return model_card(record, record.arms[-1].name, [0], [])


def test_the_card_of_cells_has_the_errors_of_every_arm_in_cells_of_amounts() -> None:
    body = cells_card.build(RECORD).body
    errors = body.split("Errors of amounts</h3>")[1].split("</table>")[0]
    cell = "<td>61.25<small>MAE 28.75</small><small>1.500 × actual</small></td>"
    assert errors.count(cell) == len(SHAPE.arms) * len(SHAPE.scenarios)
    assert re.findall(r"(\w+) · (\w+) <small>mean 36.75", errors) == [
        ("Home", "watch"),
        ("Push", "watch"),
    ]
    assert "Mean amount of training: watch 34.50." in body


def test_a_cell_of_amounts_has_its_share_above_0_and_its_mean() -> None:
    body = cells_card.build(RECORD).body
    assert "41.2 k rows, 0.32 % above 0, mean 36.75" in body
    assert "41.2 k rows, 2.10 k positive" in body


def test_markdown_has_the_errors_of_the_focus_and_its_rival() -> None:
    text = written(RECORD, "md")
    table = text.split("### Amounts on test")[1].split("###")[0]
    assert "| Cell | Mean, training | Mean, test | RMSE, " in table
    assert table.count("| 34.50 | 36.75 | 61.25 | 61.25 | 28.75 | 28.75 | 1.500 | 1.500 |") == 2
    assert "| Rows above 0 |" in text
    assert "| Positives |" not in text


def test_the_document_has_units_means_and_errors() -> None:
    document = json.loads(written(RECORD, "json"))
    assert document["amounts"] == {
        "units": {"watch": UNIT},
        "means": [None, list(MEANS), None, list(MEANS)],
    }
    finalist = next(each for each in document["arms"][0]["finalists"] if each["chosen"])
    assert finalist["test"][0]["rmse"] == [None, 61.25, None, 61.25]
    assert finalist["test"][0]["mae"] == [None, 28.75, None, 28.75]


def test_the_frame_of_finalists_has_errors_and_the_unit() -> None:
    of_watch = RECORD.finalists.filter(pl.col("task") == "watch")
    assert of_watch.select(pl.col("rmse", "mae", "unit").unique()).rows() == [(61.25, 28.75, UNIT)]
    of_click = RECORD.finalists.filter(pl.col("task") == "click")
    assert of_click["rmse"].null_count() == of_click["unit"].null_count() == len(of_click)


def test_a_study_without_amounts_has_no_column_and_no_key_of_them() -> None:
    assert not {"rmse", "mae", "unit"} & set(BINARY.finalists.columns)
    document = json.loads(written(BINARY, "json"))
    assert "amounts" not in document
    assert set(document["arms"][0]["finalists"][1]["test"][0]) == {"auc", "logloss"}


def test_the_model_card_says_what_is_predicted_and_how_far_off_amounts_are() -> None:
    card = card_of(RECORD)
    assert "predicts the probabilities of click and the expected amounts of watch" in card
    assert "(mean 34.50 in training, in the unit of its column) for a row of" in card
    amounts = card.split("### Amounts on test, seed")[1].split("###")[0]
    assert "| Cell | Rows | Above 0 | Mean | AUC | RMSE | MAE | Expected per actual |" in amounts
    assert amounts.count("| 36.75 | ") == amounts.count("| 61.25 | 28.75 | 1.500 |") == 2
    assert "click" not in amounts
    of_binary = card.split("### On test, seed")[1].split("###")[0]
    assert "watch" not in of_binary


def test_the_card_of_a_model_of_amounts_alone_has_no_table_of_probabilities() -> None:
    cells = tuple(cell for cell in RECORD.data.cells if cell.task == "watch")
    data = replace(RECORD.data, cells=cells, tasks=("watch",))

    def of_watch(run: FinalistRun) -> FinalistRun:
        return replace(
            run, valid_cells=run.valid_cells[1::2], test_cells=(run.test_cells or ())[1::2]
        )

    record = each_arm(without_users(RECORD), lambda arm: each_run(arm, of_watch))
    card = card_of(replace(record, data=data))
    assert "### On test" not in card
    assert "predicts the expected amounts of watch" in card


def test_few_positives_are_rows_above_0() -> None:
    finding = few_positives.check(RECORD)
    assert finding is not None
    assert finding.subject == "1 cell has fewer than 100 rows above 0 in test."
    many = tuple(replace(cell, positives=(9, 9, 100)) for cell in RECORD.data.cells)
    finding = few_positives.check(replace(RECORD, data=replace(RECORD.data, cells=many)))
    assert finding is not None
    assert finding.subject.startswith("Every cell has 100 rows above 0 or more in test")


def test_amounts_that_are_expected_too_high_are_not_calibrated() -> None:
    finding = calibration_check.check(RECORD)
    assert finding is not None
    assert finding.warns
    assert "Home · watch: 1.500 times the sum of labels predicted." in finding.details
    assert "probabilities or amounts" in finding.remedy


def test_an_ensemble_of_seeds_is_a_mean_of_predictions() -> None:
    cells = RECORD.arms[-1].finalists[1].runs[0].valid_cells
    ensemble = {"ensemble_valid_cells": cells, "ensemble_test_cells": cells}
    record = each_arm(RECORD, lambda arm: each_summary(arm, **ensemble))
    assert "Ensemble: mean prediction of all seeds" in leaderboard.build(record).body


def test_the_card_of_calibration_says_what_its_errors_are_of_amounts() -> None:
    calibration = Calibration(
        tuple(
            CellCalibration(cell.scenario, cell.task, PLATT, 0.5, 0.5, 0.1, 0.1)
            for cell in RECORD.data.cells
        )
    )
    record = each_arm(RECORD, lambda arm: each_summary(arm, calibration=calibration))
    card = calibration_card.build(record)
    assert card.lead.startswith("The probabilities and expected amounts of ")
    assert "half the Poisson deviance" in card.body
    binary = calibration_card.build(replace(record, data=BINARY.data))
    assert "amounts" not in binary.lead + binary.body


@pytest.mark.parametrize("objective", ["rmse[Home/watch]", "mae[Home/watch]"])
def test_an_objective_of_amounts_is_told_with_its_cell(objective: str) -> None:
    record = replace(RECORD, objective=objective, maximize=False)
    page = render(record)
    assert f"{objective[: objective.index('[')].upper()} in Home · watch" in page
    assert "no amounts in Home · click" in page
    assert "in Home · watch</td>" not in page
