"""A task that a scenario does not have is told, and has no number in any form of a report."""

import json
from dataclasses import replace

import pytest

from hinet_search.report.model_card import model_card
from hinet_search.report.record_facts import absent_in_words
from hinet_search.report.sections import cells as section
from hinet_search.results.cells import absent_cells
from hinet_search.results.records import FinalistRecord, FinalistRun
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
from tests.report.arms import Shape
from tests.report.edits import each_arm, each_finalist
from tests.report.studies import study
from tests.report.test_report_amounts import written

SHAPE = Shape(arms=("single", "ple", "hinet"), scenarios=("Home", "Push"), tasks=("click", "order"))
ABSENT = ("Push", "order")  # the last cell
SENTENCE = "Push does not have task order."


def run_without(run: FinalistRun) -> FinalistRun:
    gates = tuple(gate for gate in run.insight.gates if gate.where != "/".join(ABSENT))
    insight = replace(run.insight, gates=gates)
    test_cells = run.test_cells and run.test_cells[:-1]
    return replace(run, valid_cells=run.valid_cells[:-1], test_cells=test_cells, insight=insight)


def without(finalist: FinalistRecord) -> FinalistRecord:
    summary = finalist.summary
    if summary is not None:
        resampled = replace(summary.resampled, cells=summary.resampled.cells[:-1])
        summary = replace(summary, resampled=resampled)
    return replace(finalist, runs=tuple(map(run_without, finalist.runs)), summary=summary)


@pytest.fixture(scope="module")
def record() -> StudyRecord:
    """A study in which Push has no orders."""
    full = study(SHAPE)
    full = each_arm(full, lambda arm: each_finalist(arm, without))
    return replace(full, data=replace(full.data, cells=full.data.cells[:-1]))


def test_the_absent_cells_are_those_that_the_data_do_not_count(record: StudyRecord) -> None:
    assert absent_cells(record.data) == (ABSENT,)
    assert absent_cells(study(SHAPE).data) == ()
    assert absent_in_words(()) == ""
    assert absent_in_words([ABSENT]) == SENTENCE


def test_a_comparison_is_of_the_cells_that_exist(record: StudyRecord) -> None:
    names = [(cell.scenario, cell.task) for cell in verdict(record).cells]
    assert names == [("Home", "click"), ("Home", "order"), ("Push", "click")]


def test_the_card_of_cells_says_which_task_a_scenario_does_not_have(record: StudyRecord) -> None:
    card = section.build(record)
    assert SENTENCE in card.lead
    assert "Push · order" not in card.body
    assert "Push · click" in card.body


def test_markdown_says_it_and_has_no_row_for_it(record: StudyRecord) -> None:
    text = written(record, "md")
    assert SENTENCE in text
    assert "Push · order" not in text


def test_the_document_names_the_absent_cell_and_has_no_value_for_it(record: StudyRecord) -> None:
    document = json.loads(written(record, "json"))
    assert document["absent_cells"] == [["Push", "order"]]
    finalist = next(each for each in document["arms"][0]["finalists"] if each["chosen"])
    assert len(document["cells"]) == len(finalist["test"][0]["auc"]) == 3
    assert "absent_cells" not in json.loads(written(study(SHAPE), "json"))


def test_the_model_card_says_it(record: StudyRecord) -> None:
    card = model_card(record, record.arms[0].name, [0], [])
    assert f"{SENTENCE} Rows without a task get no probability of it." in card
    assert "Push · order" not in card
