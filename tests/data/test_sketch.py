"""A table that nobody has described gets a definition and a study that can be checked as they are."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from hinet_search.data.cuts import cut_points
from hinet_search.data.prepare import prepare
from hinet_search.data.sketch import write_sketch
from hinet_search.errors import ConfigurationError, DataError
from hinet_search.study import load_study
from tests.data.odd_tables import write_odd_table


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_written_study_can_be_loaded_and_its_data_encoded(folder: Path) -> None:
    sketch = write_sketch(write_odd_table(Path()), None, force=False)
    assert sketch.files == (Path("data/odd_rows.yaml"), Path("studies/odd_rows.yaml"))
    study = load_study("studies/odd_rows.yaml")
    assert study.name == "odd_rows-quick"
    record = prepare(study.spec.data, study.folder, folder / "cache", lambda _: None).record
    assert record.scenarios == ("home page", "Suche", "推送")
    assert record.tasks == ("clicked", "order_count")
    assert record.warnings == ("8 rows of other scenarios are left out",)


def test_every_guess_that_is_unsure_is_marked_with_its_line(folder: Path) -> None:
    sketch = write_sketch(write_odd_table(Path()), None, force=False)
    assert load_study("studies/odd_rows.yaml").doubts == sketch.doubts
    lines = Path("data/odd_rows.yaml").read_text().splitlines()
    marked = [number for number, line in enumerate(lines, start=1) if "# check: " in line]
    assert [int(doubt.split(":")[1]) for doubt in sketch.doubts] == marked
    assert len(marked) == 3


def test_the_definition_says_rows_and_reasons_and_what_was_left_out(folder: Path) -> None:
    write_sketch(write_odd_table(Path()), "shop", force=False)
    text = Path("data/shop.yaml").read_text()
    assert '"home page": "home page"   # 3,' in text
    assert "# Kiosk: Kiosk   left out, too few of a class: 8 rows" in text
    assert "#   version: the same value in every row" in text


def test_files_that_are_there_are_written_over_only_when_asked_to(folder: Path) -> None:
    table = write_odd_table(Path())
    write_sketch(table, "shop", force=False)
    Path("data/shop.yaml").write_text("mine\n")
    with pytest.raises(ConfigurationError) as caught:
        write_sketch(table, "shop", force=False)
    assert caught.value.problems == ("data/shop.yaml is there already", "studies/shop.yaml is there already")
    assert Path("data/shop.yaml").read_text() == "mine\n"
    write_sketch(table, "shop", force=True)
    assert Path("data/shop.yaml").read_text() != "mine\n"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            pl.DataFrame({"price": [1.0, 2.5]}),
            "rows.parquet: a column of few values (a scenario) is needed and none was found among price",
        ),
        (pl.DataFrame({"scene": ["a", "b"] * 10, "price": [1.0, 2.5] * 10}), "a column of 0 and 1 (a label) is needed"),
    ],
)
def test_a_table_without_scenario_or_label_is_refused_and_nothing_written(
    folder: Path, table: pl.DataFrame, message: str
) -> None:
    table.write_parquet("rows.parquet")
    with pytest.raises(DataError) as caught:
        write_sketch(Path("rows.parquet"), None, force=False)
    assert message in caught.value.problems[0]
    assert [path.name for path in folder.iterdir()] == ["rows.parquet"]


def test_a_table_that_is_not_there_is_told() -> None:
    with pytest.raises(DataError, match=r"nowhere\.parquet"):
        write_sketch(Path("nowhere.parquet"), None, force=False)


def test_a_csv_is_looked_at_too(folder: Path) -> None:
    rows = 600
    pl.DataFrame(
        {"tab": [1, 2, 3] * 200, "click": [i % 2 for i in range(rows)], "price": [i / 7 for i in range(rows)]}
    ).write_csv("rows.csv")
    write_sketch(Path("rows.csv"), None, force=False)
    definition = load_study("rows").spec.data
    assert definition.scenario.values == {1: "1", 2: "2", 3: "3"}
    assert definition.split.by == "random"


def days(count: int, rows_a_day: int = 10) -> list[date]:
    return [date(2026, 5, 1) + timedelta(days=day) for day in range(count) for _ in range(rows_a_day)]


@pytest.mark.parametrize(
    ("moments", "cuts"),
    [
        (days(20), ("2026-05-15", "2026-05-18")),
        (days(3), None),
        (days(2), None),
        (
            [datetime(2026, 5, 1, 0, minute, tzinfo=UTC) for minute in range(20)],
            ("2026-05-01T00:14:00", "2026-05-01T00:17:00"),
        ),
        (list(range(1000, 1020)), ("1014", "1017")),
    ],
)
def test_a_split_by_time_cuts_near_70_and_85_percent(moments: list[object], cuts: tuple[str, str] | None) -> None:
    assert cut_points(pl.DataFrame({"at": moments}).lazy(), "at") == cuts
