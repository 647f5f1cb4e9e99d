"""Model card: it describes the exported arm and seeds, without markup or paths in its texts."""

import re
from dataclasses import replace

import pytest

from hinet_search.report import numbers
from hinet_search.report.model_card import model_card
from hinet_search.report.untrusted import plain
from hinet_search.results.finalist_values import chosen
from hinet_search.results.records import FinalistRecord, FinalistRun
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
from tests.report.edits import each_arm, each_run, each_test_cell
from tests.report.nine_arms import few_rows
from tests.report.studies import INJECTION

RECORD = few_rows()


def finalist(record: StudyRecord, arm: str = "hinet") -> FinalistRecord:
    table = chosen(next(other for other in record.arms if other.name == arm))
    assert table is not None
    return table


def rows(card: str, heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading."""
    part = card.split(f"### {heading}")[1].split("###", maxsplit=1)[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_cells_are_those_of_the_exported_seed() -> None:
    run = finalist(RECORD).runs[1]
    card = model_card(RECORD, "hinet", [run.seed], [])
    table = rows(card, "On test, seed 2")
    assert run.test_cells is not None
    assert [row[3] for row in table] == [
        numbers.metric(cell.auc) if cell.auc else cell.reason for cell in run.test_cells
    ]


def test_several_seeds_have_the_cells_of_their_ensemble() -> None:
    seeds = [run.seed for run in finalist(RECORD).runs]
    card, summary = model_card(RECORD, "hinet", seeds, []), finalist(RECORD).summary
    assert summary is not None
    table = rows(card, f"On test, mean probability of {len(seeds)} seeds")
    assert [row[1] for row in table] == [f"{cell.rows:,}" for cell in summary.ensemble_test_cells]


def test_every_arm_is_in_it_and_its_own_comes_first() -> None:
    table = rows(
        model_card(RECORD, "ple", [finalist(RECORD, "ple").runs[0].seed], []),
        "Against the other arms",
    )
    assert table[0][0] == "PLE"
    assert len(table) == len(RECORD.arms)


def test_it_has_the_verdict_the_split_the_openings_and_the_notes() -> None:
    card = model_card(RECORD, "hinet", [finalist(RECORD).runs[0].seed], ["a note of the export"])
    for text in (
        verdict(RECORD).sentence,
        RECORD.data.split,
        f"used {RECORD.test_accesses} times",
        "a note of the export",
    ):
        assert plain(text) in card


@pytest.mark.parametrize(
    ("ratio", "sentence"),
    [(1.5, "is not calibrated in"), (1.0, "is calibrated in the"), (0.5, "is not calibrated in")],
)
def test_the_card_says_once_and_of_its_own_model_whether_it_is_calibrated(
    ratio: float, sentence: str
) -> None:
    def off(run: FinalistRun) -> FinalistRun:
        judged = {"calibration": ratio, "positives": 500, "chance": 0.0}
        if run.seed != seed:
            judged["calibration"] = 1 / ratio
        return each_test_cell(run, lambda cell: replace(cell, **judged))

    seed = finalist(RECORD).runs[0].seed
    record = each_arm(RECORD, lambda arm: each_run(arm, off), "hinet")
    card = model_card(record, "hinet", [seed], [])
    assert f"HiNet (seed 1) {sentence}" in card
    assert card.count("calibrated in") == 1


def test_no_text_of_it_is_markup() -> None:
    data = replace(RECORD.data, source=f"table {INJECTION}", split=INJECTION)
    card = model_card(
        replace(RECORD, name=INJECTION, data=data),
        "hinet",
        [finalist(RECORD).runs[0].seed],
        [INJECTION],
    )
    assert not re.search(r"(?<!\\)<(?!!--)", card)


def test_it_names_no_path_and_no_command() -> None:
    record = replace(
        RECORD,
        command="hinet-search launch /home/ann/shop.yaml",
        data=replace(RECORD.data, source="table /data/ann.csv"),
    )
    card = model_card(record, "hinet", [finalist(RECORD).runs[0].seed], [])
    assert "ann" not in re.sub(r"\b[a-z]*ann[a-z]+\b", "", card)
