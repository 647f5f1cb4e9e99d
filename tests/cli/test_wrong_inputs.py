"""Wrong inputs: each gives its message with place and remedy, its exit code, and leaves nothing behind."""

from pathlib import Path

import polars as pl
import pytest

from tests.cli.conftest import Run, written
from tests.small import STUDY, write_study

TABLE = STUDY.replace(
    STUDY[STUDY.index("  source:") : STUDY.index("  scenario:")],
    "  source: {kind: table, path: rows.csv}\n",
).replace(
    "categorical: [user_id, item_id, user_attribute_0, item_attribute_0]", "categorical: [user_id]"
)


def rows(**changed: list[object]) -> pl.DataFrame:
    """A table of 300 rows that fits `TABLE` but for what is changed."""
    n = 300
    columns: dict[str, object] = {
        "scenario": ["home", "search", "push"] * (n // 3),
        "user_id": [i % 40 for i in range(n)],
        "item_id": [i % 17 for i in range(n)],
        "time": list(range(n)),
        "numeric_0": [float(i % 11) for i in range(n)],
        "numeric_1": [float(i % 5) for i in range(n)],
        "click": [(i // 3) % 2 for i in range(n)],
        "order": [(i // 6) % 2 for i in range(n)],
    }
    return pl.DataFrame({**columns, **changed})


STUDY_CASES = {
    "an unknown key": (
        STUDY.replace("trials: 3", "trails: 3"),
        2,
        "small.yaml:24:1: unknown key 'trails'; did you mean 'trials'?",
    ),
    "a label that is a feature": (
        STUDY.replace("numeric: [numeric_0, numeric_1]", "numeric: [numeric_0, click]"),
        2,
        "a feature must not be an outcome: click is the label of a task",
    ),
    "no such table": (TABLE, 3, "rows.csv"),
}


@pytest.mark.parametrize("case", STUDY_CASES)
def test_a_wrong_study_is_refused_and_leaves_nothing(run: Run, tmp_path: Path, case: str) -> None:
    text, code, message = STUDY_CASES[case]
    write_study(tmp_path, text)
    said = run("launch", "small.yaml")
    assert (said.code, said.out) == (code, "")
    assert message in said.err
    assert "Traceback" not in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]


DATA_CASES = {
    "a missing column": (
        rows().drop("numeric_1"),
        "small.yaml:13:5: data.features.numeric: column 'numeric_1' is not in the table",
    ),
}


@pytest.mark.parametrize("case", DATA_CASES)
def test_wrong_data_are_refused_with_code_3_and_leave_nothing(
    run: Run, tmp_path: Path, case: str
) -> None:
    table, message = DATA_CASES[case]
    scenarios = "scenario: {column: scenario, values: {home: Home, search: Search, push: Push}}"
    write_study(tmp_path, TABLE.replace("scenario: {column: scenario}", scenarios))
    table.write_csv(tmp_path / "rows.csv")
    said = run("launch", "small.yaml")
    assert said.code == 3, said.err
    assert message in said.err
    assert "Traceback" not in said.err
    assert written(tmp_path) == ["rows.csv", "small.yaml"]


def test_two_mistakes_are_reported_at_once(run: Run, tmp_path: Path) -> None:
    write_study(
        tmp_path, STUDY.replace("trials: 3", "trails: 3").replace("passes: 2", "passes: none")
    )
    said = run("check", "small.yaml")
    assert said.code == 2
    assert "error: 2 problems" in said.err


def test_a_report_that_cannot_be_written_ends_with_code_4(run: Run, tmp_path: Path) -> None:
    write_study(tmp_path)
    (tmp_path / "reports").write_text("a file where the folder should be")
    said = run("launch", "small.yaml", "--trials", "1", "--finalist-seeds", "1")
    assert said.code == 4
    assert "error: report reports/small.html cannot be written" in said.err
    assert "hinet-search report small --to FILE" in said.err


def test_a_time_between_checkpoints_that_is_no_number_is_refused_at_the_door(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINET_SEARCH_CHECKPOINT_SECONDS", "soon")
    write_study(tmp_path)
    said = run("launch", "small.yaml")
    assert said.code == 2
    assert (
        "HINET_SEARCH_CHECKPOINT_SECONDS must be a number of seconds >= 0, got 'soon'" in said.err
    )
    assert not list(tmp_path.rglob("*.sqlite3"))
