"""Draft: a table gets a definition and a study that can be checked as they are."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from hinet_search import api
from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.data.guess import write_definition
from hinet_search.data.guess.guess_table import cut_points
from hinet_search.data.guess.training_settings import training_settings
from hinet_search.data.guess.write_definition import write_draft
from hinet_search.data.prepare import prepare
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.load_study import load_study
from tests.data.odd_tables import write_odd_table


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_written_study_can_be_loaded_and_its_data_encoded(folder: Path) -> None:
    written = write_draft(write_odd_table(Path()), None, force=False)
    assert written.files == (Path("data/odd_rows.yaml"), Path("studies/odd_rows.yaml"))
    study = load_study("studies/odd_rows.yaml")
    assert study.name == "odd_rows-quick"
    assert study.spec.pruner.kind == "none"
    record = prepare(study.spec.data, study.folder, folder / "cache", lambda _: None).record
    assert record.scenarios == ("home page", "Suche", "推送")
    assert record.tasks == ("clicked", "order_count")
    assert record.warnings == ("8 rows of other scenarios are left out",)


def test_a_search_starts_where_rows_and_statistics_of_the_table_say(folder: Path) -> None:
    write_draft(write_odd_table(Path()), None, force=False)
    study = load_study("studies/odd_rows.yaml", "full")
    assert study.spec.data.features.statistics is not None
    settings = training_settings(round(0.7 * 6_000), has_statistics=True, has_numbers=True)
    space = next(arm.space for arm in study.arms if arm.name == "mmoe")
    default = space.values(space.default())
    started = {name: change["default"] for name, change in settings.parameters.items()}
    assert {name: default[name] for name in started} == started
    assert study.spec.epochs == settings.epochs
    assert {name: space.fixed[name] for name in settings.fixed} == settings.fixed


def test_a_quick_study_of_a_single_epoch_starts_elsewhere_than_the_full_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hinet_search.data.guess.training_settings.QUICK_ROWS", 1)
    write_draft(write_odd_table(Path()), None, force=False)
    starts = {}
    for size in ("quick", "full"):
        arms = {arm.name: arm for arm in load_study("studies/odd_rows.yaml", size).arms}
        rate = arms["mmoe"].space.default()["train.learning_rate"]
        starts[size] = (rate, arms["trees"].space.default()["model.max_rounds"])
    assert starts == {"quick": (0.003, 1000), "full": (0.001, 500)}


def test_the_study_of_a_table_of_many_rows_has_defaults_within_its_limits(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hinet_search.data.guess.training_settings.MANY_ROWS", 1)
    table = pl.read_parquet(write_odd_table(Path()))
    fields = {f"kind {k}": (pl.int_range(pl.len()) % (40 + k)).cast(pl.String) for k in range(12)}
    table.with_columns(**fields).write_parquet("wide.parquet")
    write_draft(Path("wide.parquet"), None, force=False)
    ready = api.ready("studies/wide.yaml", LaunchOptions(output=folder))
    hinet = next(arm for arm in ready.study.arms if arm.name == "hinet")
    assert hinet.space.default()["model.embedding_dim"] == 32


def test_every_guess_that_is_unsure_is_marked_with_its_line(folder: Path) -> None:
    written = write_draft(write_odd_table(Path()), None, force=False)
    assert load_study("studies/odd_rows.yaml").guesses_to_check == written.guesses_to_check
    lines = Path("data/odd_rows.yaml").read_text().splitlines()
    marked = [number for number, line in enumerate(lines, start=1) if "# check: " in line]
    assert [int(doubt.split(":")[1]) for doubt in written.guesses_to_check] == marked
    assert len(marked) == 3
    for doubt, number in zip(written.guesses_to_check, marked, strict=True):
        about = lines[number - 1].partition("   # check: ")[0].strip().removeprefix("- ")
        assert doubt.split(": ", 1)[1].startswith(f"{about}: ")


def test_the_definition_says_rows_and_reasons_and_what_was_left_out(folder: Path) -> None:
    write_draft(write_odd_table(Path()), "shop", force=False)
    text = Path("data/shop.yaml").read_text()
    assert '"home page": "home page"   # 3,' in text
    assert "# Kiosk: Kiosk   left out, too few of a class: 8 rows" in text
    assert "#   version: the same value in every row" in text


def test_files_that_are_there_are_written_over_only_when_asked_to(folder: Path) -> None:
    table = write_odd_table(Path())
    write_draft(table, "shop", force=False)
    Path("data/shop.yaml").write_text("mine\n")
    with pytest.raises(ConfigurationError) as caught:
        write_draft(table, "shop", force=False)
    assert caught.value.problems == (
        "data/shop.yaml is there already",
        "studies/shop.yaml is there already",
    )
    assert Path("data/shop.yaml").read_text() == "mine\n"
    write_draft(table, "shop", force=True)
    assert Path("data/shop.yaml").read_text() != "mine\n"


SHOP = pl.DataFrame(
    {"tab": ["a", "b"] * 200, "is_click": [0, 1, 1, 0] * 100, "price": [i / 7 for i in range(400)]}
)


def test_the_written_study_has_a_name_that_fits_its_sizes(folder: Path) -> None:
    SHOP.write_parquet(f"{'a' * 80}.parquet")
    written = write_draft(Path(f"{'a' * 80}.parquet"), None, force=False)
    assert load_study(str(written.files[1]), "quick").name == f"{'a' * 58}-quick"
    with pytest.raises(ConfigurationError, match="--name: a study's name must be 1 to 64"):
        write_draft(Path("any.parquet"), "a" * 60, force=False)


def test_a_table_of_the_data_folder_is_found_by_the_study(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "shared").mkdir()
    SHOP.write_parquet("shared/rows.parquet")
    monkeypatch.setenv("HINET_SEARCH_DATA", str(folder / "shared"))
    write_draft(Path("rows.parquet"), None, force=False)
    study = load_study("rows")
    assert prepare(
        study.spec.data, study.folder, folder / "cache", lambda _: None
    ).record.tasks == ("click",)


def test_a_path_that_is_no_text_is_refused_before_anything_is_written(folder: Path) -> None:
    path = Path(os.fsdecode(b"rows\xff.parquet"))
    path.touch()
    with pytest.raises(ConfigurationError, match="TABLE must be a path in UTF-8"):
        write_draft(path, None, force=False)
    assert [path.suffix for path in folder.iterdir()] == [".parquet"]


def test_a_table_of_too_many_columns_is_refused_before_anything_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_definition, "MAX_BYTES", 100)
    SHOP.write_parquet("rows.parquet")
    with pytest.raises(
        DataError, match=r"a definition must be at most 100 bytes, got \d+ for 3 columns"
    ):
        write_draft(Path("rows.parquet"), None, force=False)
    assert [path.name for path in folder.iterdir()] == ["rows.parquet"]


def test_a_csv_is_looked_at_too(folder: Path) -> None:
    rows = 600
    pl.DataFrame(
        {
            "tab": [1, 2, 3] * 200,
            "click": [i % 2 for i in range(rows)],
            "price": [i / 7 for i in range(rows)],
        }
    ).write_csv("rows.csv")
    write_draft(Path("rows.csv"), None, force=False)
    definition = load_study("rows").spec.data
    assert definition.scenario.values == {1: "1", 2: "2", 3: "3"}
    assert definition.split.by == "random"


def days(count: int, rows_a_day: int = 10) -> list[date]:
    return [
        date(2026, 5, 1) + timedelta(days=day) for day in range(count) for _ in range(rows_a_day)
    ]


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
def test_a_split_by_time_cuts_near_70_and_85_percent(
    moments: list[object], cuts: tuple[str, str] | None
) -> None:
    assert cut_points(pl.DataFrame({"at": moments}).lazy(), "at") == cuts


def odd_parts() -> list[pl.DataFrame]:
    table = pl.read_parquet(write_odd_table(Path()))
    return [table.head(3000), table.tail(-3000)]


def test_a_folder_of_partitions_is_looked_at_like_a_table(folder: Path) -> None:
    for number, part in enumerate(odd_parts(), start=18):
        (folder / "shown" / f"week={number}").mkdir(parents=True)
        part.write_parquet(folder / "shown" / f"week={number}" / "part-0.parquet")
    written = write_draft(Path("shown"), None, force=False)
    assert written.files == (Path("data/shown.yaml"), Path("studies/shown.yaml"))
    text = Path("data/shown.yaml").read_text()
    assert 'source: {kind: table, path: "../shown"}' in text
    assert "    - week   # 2 values\n" in text
    study = load_study("studies/shown.yaml")
    record = prepare(study.spec.data, study.folder, folder / "cache", lambda _: None).record
    assert sum(record.rows) == 5992


def test_a_label_that_is_missing_in_a_scenario_is_a_task_of_the_others(folder: Path) -> None:
    places = ["home", "push", "cart"]
    frame = pl.DataFrame(
        {
            "page": [places[row % 3] for row in range(1800)],
            "user": [row % 70 for row in range(1800)],
            "city": [f"c{row % 11}" for row in range(1800)],
            "is_click": [row // 3 % 2 for row in range(1800)],
            "is_order": [None if row % 3 == 1 else row // 3 % 5 // 4 for row in range(1800)],
        }
    )
    frame.write_parquet("rows.parquet")
    written = write_draft(Path("rows.parquet"), None, force=False)
    text = written.files[0].read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if "scenarios:" in line]
    assert line == (
        "  order: {column: is_order, scenarios: [cart, home]}   "
        "# check: 0 and 1, 20 % of rows; push without any value are taken not to have it"
    )
    assert "push: push   # 600 rows; click 300, no order" in text
    study = load_study("studies/rows.yaml")
    record = prepare(study.spec.data, study.folder, folder / "cache", lambda _: None).record
    assert [(cell.scenario, cell.task) for cell in record.cells if cell.task == "order"] == [
        ("cart", "order"),
        ("home", "order"),
    ]


@pytest.mark.usefixtures("folder")
def test_labels_without_a_value_in_some_rows_say_how_many_count_as_no() -> None:
    frame = pl.DataFrame(
        {
            "page": [("home", "push")[row % 2] for row in range(600)],
            "city": [f"c{row % 11}" for row in range(600)],
            "is_order": [(1, 0, None)[row // 2 % 3] for row in range(600)],
        }
    )
    frame.write_parquet("rows.parquet")
    written = write_draft(Path("rows.parquet"), None, force=False)
    text = written.files[0].read_text(encoding="utf-8")
    assert "# check: 0 and 1, 33 % of rows; 200 rows without a value count as no" in text
