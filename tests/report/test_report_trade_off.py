"""The card of a trade-off shows the front of all finalists, and how to export from it."""

import json
import re
from dataclasses import replace

import pytest

from hinet_search.report.json_document import json_text
from hinet_search.report.sections import NotApplicable
from hinet_search.report.sections.trade_off import build
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.trade_offs import finalists_of, objectives_of
from tests.report.studies import small
from tests.report.traded import traded

RECORD = traded()


def cells_of(table: str) -> list[list[str]]:
    """The texts of a table's cells by row."""
    rows = re.findall(r"<tr>(.*?)</tr>", table.split("<tbody>")[1], re.DOTALL)
    return [
        [re.sub("<.*?>", "", cell) for cell in re.findall(r"<t[dh].*?</t[dh]>", row)]
        for row in rows
    ]


def test_every_further_objective_has_a_picture_and_a_column() -> None:
    body = build(traded(("latency_ms", "worst_auc", "flops_per_row"))).body
    captions = re.findall(r'<span class="xt">(.*?)</span>', body)
    assert captions == [
        "milliseconds for 100 rows, log scale, better to the left",
        "worst AUC, better to the left",
        "FLOPs per row, log scale, better to the left",
    ]
    assert len(cells_of(body)[0]) == 1 + 4 + 2


def test_the_command_exports_the_cheapest_of_the_front() -> None:
    command = re.search(r"<pre.*?><code>(.*?)</code>", build(RECORD).body)
    assert command is not None
    assert command[1] == "hinet-search export studies/shop.yaml --at 1ms -o front-shop"
    by_cell = build(traded(("worst_auc",))).body
    assert "--at worst_auc=" in by_cell


def test_before_finalists_only_trials_are_drawn() -> None:
    arms = tuple(replace(arm, finalists=()) for arm in RECORD.arms)
    card = build(replace(RECORD, arms=arms, state="running"))
    assert card.heading == "The trade-off of mean AUC and milliseconds for 100 rows so far"
    assert card.body.count("dot small ring") == 9
    assert "<table" not in card.body
    assert "export" not in card.body


def test_while_the_study_runs_nothing_can_be_exported() -> None:
    assert "hinet-search export" not in build(replace(RECORD, state="running")).body


def test_a_study_with_one_objective_has_no_card_and_is_told_the_key() -> None:
    with pytest.raises(NotApplicable, match="`objectives:` in the study file"):
        build(small())


def test_before_a_trial_is_complete_there_is_nothing_to_show() -> None:
    arms = tuple(replace(arm, finalists=(), trials=()) for arm in RECORD.arms)
    with pytest.raises(NotApplicable, match="needs a complete trial"):
        build(replace(RECORD, arms=arms))


def front_of(record: StudyRecord) -> set[str]:
    return {each.key for each in finalists_of(record, objectives_of(record)) if each.is_on_front}


def test_a_further_objective_brings_more_onto_the_front_and_takes_none_off() -> None:
    assert front_of(RECORD) == {"hinet/1", "hinet/2", "ple/3", "ple/4"}
    assert front_of(traded(())) == {"hinet/1"}


def test_the_document_has_every_finalist_with_its_values() -> None:
    front = json.loads(json_text(RECORD))["front"]
    assert front["objectives"] == ["mean_auc", "latency_ms"]
    assert [
        (each["trial"], each["values"][1], each["on_front"]) for each in front["finalists"]
    ] == [(1, 9.0, True), (2, 4.0, True), (3, 3.0, True), (5, 3.5, False), (4, 1.0, True)]
    assert "front" not in json.loads(json_text(small()))
