"""Formats: Markdown as on the page, the page's own document, tables without formulas."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from hinet_search.common import plugins
from hinet_search.common.errors import EnvironmentFault
from hinet_search.report.checks import findings
from hinet_search.report.formats import write_report
from hinet_search.report.formats.md import plain
from hinet_search.report.json_document import json_text
from hinet_search.report.untrusted import plain_cell, without_formulas
from hinet_search.results import frames
from hinet_search.results.records import TrialRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
from tests.report.nine_arms import few_rows
from tests.report.studies import INJECTION, empty, hostile, small, study

FORMATS = "hinet_search.report.formats"
STUDIES = {"nine arms": few_rows(), "small": small(), "empty": empty(), "hostile": hostile()}


def files(kind: str, record: StudyRecord) -> dict[str, str]:
    return dict(plugins.load(FORMATS, kind).files(record))


def tables(record: StudyRecord) -> dict[str, list[dict[str, str]]]:
    return {
        ending: list(csv.DictReader(io.StringIO(text, newline="")))
        for ending, text in files("csv", record).items()
    }


def test_a_file_that_cannot_be_written_has_the_remedy_of_its_command(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFault) as caught:
        write_report(replace(empty(), name="a"), tmp_path / "file" / "x.html")
    assert "hinet-search report a --to FILE" in caught.value.remedy


@pytest.mark.parametrize("kind", plugins.names(FORMATS))
@pytest.mark.parametrize("record", STUDIES.values(), ids=STUDIES.keys())
def test_every_format_is_made_of_every_study_and_twice_the_same(
    kind: str, record: StudyRecord
) -> None:
    written = files(kind, record)
    assert all(ending.endswith(f".{kind}") and text for ending, text in written.items())
    assert written == files(kind, record)


@pytest.mark.parametrize(
    "record", [few_rows(), small(), empty()], ids=["nine arms", "small", "empty"]
)
def test_markdown_begins_with_the_verdict(record: StudyRecord) -> None:
    assert files("md", record)[".md"].startswith(f"## {verdict(record).sentence}\n")


def test_markdown_has_every_rival_every_cell_and_every_warning() -> None:
    record = few_rows()
    text, outcome = files("md", record)[".md"], verdict(record)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(outcome.contrasts) + 1 + len(outcome.cells)
    warnings = [finding.subject for _, finding in findings(record) if finding.warns]
    assert len(warnings) == 2
    assert [subject for subject in warnings if f"- **{plain(subject)}**" in text] == warnings
    assert f"- {len(findings(record)) - 2} checks passed." in text


def test_a_cell_of_markdown_has_its_mark_its_gain_and_its_interval() -> None:
    assert (
        "| tab 1 · click | 20,600 | 1,050 | ≈ +0.0029 | −0.0012 to +0.0069 |"
        in files("md", few_rows())[".md"]
    )


def test_every_row_of_a_markdown_table_has_as_many_columns_as_its_head() -> None:
    blocks = re.findall(r"(?:^\|.*\n)+", files("md", hostile())[".md"], re.MULTILINE)
    assert len(blocks) == 2
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", r"a\|b"),
        ("<b>&amp;", r"\<b\>\&amp;"),
        ("long_view *", r"long\_view \*"),
        ("[x](y)", r"\[x\](y)"),
        ("@ann see #12", "@<!-- -->ann see #<!-- -->12"),
        ("two\n## lines", "two #<!-- -->#<!-- --> lines"),
        ("`code`", "'code'"),
    ],
)
def test_a_name_in_markdown_is_neither_markup_nor_a_mention(text: str, escaped: str) -> None:
    assert plain(text) == escaped


def test_no_name_opens_an_element_in_markdown() -> None:
    assert not re.search(r"(?<!\\)<(?!!-- -->)", files("md", hostile())[".md"].rsplit("`", 2)[0])


def test_json_is_the_document_inside_the_page() -> None:
    text = files("json", small())[".json"]
    assert text == json_text(small()) + "\n"
    assert {key: json.loads(text)[key] for key in ("schema", "kind", "study")} == {
        "schema": 1,
        "kind": "report",
        "study": "shop",
    }


def test_the_documentation_names_every_key_and_column_of_the_document() -> None:
    page = (Path(__file__).parents[2] / "docs" / "report_data.md").read_text(encoding="utf-8")
    missing = [
        name
        for name in _keys(json.loads(files("json", few_rows())[".json"]))
        if f"`{name}`" not in page
    ]
    assert missing == []


def _keys(node: object) -> set[str]:
    """Return the keys defined by the format: no names of settings, arms or libraries."""
    if isinstance(node, list):
        return set().union(*map(_keys, node)) if node else set()
    if not isinstance(node, dict):
        return set()
    inner = {
        key: value
        for key, value in node.items()
        if key not in ("fixed", "importances", "versions", "columns", "rows")
    }
    columns = {name for name in node.get("columns", ()) if "." not in name}
    return set(node) | columns | set().union(*map(_keys, inner.values()))


def test_tables_have_a_row_for_each_trial_evaluation_and_cell_of_a_finalist() -> None:
    record, written = small(), tables(small())
    assert {ending: len(rows) for ending, rows in written.items()} == {
        ".trials.csv": len(frames.trials(record.arms)),
        ".evaluations.csv": len(frames.evaluations(record.arms)),
        ".finalists.csv": len(frames.finalists(record.arms)),
    }
    assert min(map(len, written.values())) >= 24


def test_a_value_in_a_table_is_the_one_of_the_record() -> None:
    record = small()
    rows = tables(record)[".trials.csv"]
    expected = [trial.value for arm in record.arms for trial in arm.trials]
    assert [float(row["value"]) if row["value"] else None for row in rows] == expected


def test_no_cell_of_a_table_is_a_formula() -> None:
    formula = TrialRecord(
        7, "failed", None, {"train.learning_rate": "=cmd|' /C calc'!A0"}, False, "@SUM(1)", (), None
    )
    record = study()
    first = replace(record.arms[0], name="+arm", trials=(*record.arms[0].trials, formula))
    cells = [
        cell
        for rows in tables(replace(record, arms=(first, *record.arms[1:]))).values()
        for row in rows
        for cell in row.values()
    ]
    assert "'@SUM(1)" in cells
    assert "'=cmd|' /C calc'!A0" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "@", "\t", "\r", "+"))]


def test_a_hostile_name_is_one_cell() -> None:
    assert {row["arm"] for row in tables(hostile())[".trials.csv"]} == {
        "single",
        INJECTION,
        "hinet",
    }


@pytest.mark.parametrize("text", ["=1+1", "+1-cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_gets_a_quote(text: str) -> None:
    assert plain_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-0.5", "+1", "-1e-3", "-inf", "0.7", "", "hinet", "a=b", "'=1"])
def test_numbers_and_words_are_left_alone(text: str) -> None:
    assert plain_cell(text) == text


def test_every_cell_is_looked_at_and_stays_one_cell() -> None:
    rows = [["=a", "b,c"], ['@"quoted"', "-1"], ["+line\nbreak", ""]]
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    cells = list(csv.reader(io.StringIO(without_formulas(written.getvalue()))))
    assert cells == [["'=a", "b,c"], ['\'@"quoted"', "-1"], ["'+line\nbreak", ""]]
