"""A column of amounts is a task where it is named, and is said to be a candidate where it is not."""

from pathlib import Path

import polars as pl
import pytest

from hinet_search.common.errors import DataError
from hinet_search.data.guess.column_facts import facts_of
from hinet_search.data.guess.write_definition import write_draft
from hinet_search.data.prepare import prepare
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.yaml_file import read

NUM_ROWS = 900
AMOUNTS = {
    "fractions": [0.0, 0.5, 12.25] * 30,
    "whole numbers of many values": list(range(90)),
    "numbers that are never 0": [1, 2, 5] * 30,
}
NO_AMOUNTS = {
    "0 and 1": [0, 1] * 45,
    "few counts": [0, 1, 2] * 30,
    "a negative number": [-1.0, 0.5, 2.0] * 30,
    "a number that is not finite": [0.5, float("nan"), 2.0] * 30,
    "texts": ["1", "2", "3"] * 30,
    "one value": [7.5] * 90,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown() -> pl.DataFrame:
    """Rows with a click, and the seconds of play after it, in three places."""
    row = pl.int_range(NUM_ROWS, eager=True)
    frame = pl.DataFrame(
        {
            "place": (row % 3).replace_strict({0: "home", 1: "search", 2: "push"}),
            "user_id": row * 7 % 61,
            "genre": (row * 11 % 5).cast(pl.String),
            "is_click": (row * 7919 % 10 < 4).cast(pl.Int8),
        }
    )
    seconds = pl.when(pl.col("is_click") == 1).then(row * 37 % 500 / 2 + 0.5).otherwise(0.0)
    return frame.with_columns(play_seconds=seconds)


def drafted(frame: pl.DataFrame, *tasks: str) -> tuple[str, DataDefinition]:
    """The text of the definition of these rows, and the definition."""
    frame.write_parquet("rows.parquet")
    write_draft("rows.parquet", None, force=True, tasks=tasks)
    text = Path("data/rows.yaml").read_text(encoding="utf-8")
    return text, read(Path("data/rows.yaml")).parse(DataDefinition)


@pytest.mark.parametrize("name", AMOUNTS)
def test_numbers_of_at_least_0_are_amounts(name: str) -> None:
    assert facts_of(pl.DataFrame({"spent": AMOUNTS[name]}).lazy())[0].has_amounts


@pytest.mark.parametrize("name", NO_AMOUNTS)
def test_other_values_are_no_amounts(name: str) -> None:
    assert not facts_of(pl.DataFrame({"spent": NO_AMOUNTS[name]}).lazy())[0].has_amounts


def test_a_column_of_amounts_that_is_named_is_a_task_of_amounts(folder: Path) -> None:
    text, definition = drafted(shown(), "is_click", "play_seconds")
    assert "play_seconds: {column: play_seconds, kind: amount}   # amounts, 0 to 250" in text
    assert "click 120, play_seconds 120 above 0" in text
    assert not definition.never_features
    record = prepare(definition, folder / "studies", folder / "cache", lambda _: None).record
    assert list(record.units) == ["play_seconds"]


def test_a_column_of_amounts_that_is_not_named_is_an_outcome_that_can_be_a_task() -> None:
    text, definition = drafted(shown())
    assert list(definition.tasks) == ["click"]
    assert definition.never_features == ("play_seconds",)
    line = next(line for line in text.splitlines() if line.startswith("  - play_seconds"))
    assert line.endswith("; to predict it, make it a task (kind: amount)")


def test_amounts_that_are_never_0_are_a_task_of_every_scenario() -> None:
    _, definition = drafted(shown().with_columns(pl.col("play_seconds") + 1), "play_seconds")
    assert definition.scenario.values is not None
    assert set(definition.scenario.values.values()) == {"home", "search", "push"}
    assert definition.never_features == ("is_click",)


def test_rows_without_an_amount_are_to_be_checked() -> None:
    gap = pl.when(pl.int_range(pl.len()) > 20).then(pl.col("play_seconds"))
    text, definition = drafted(shown().with_columns(gap.alias("play_seconds")), "play_seconds")
    assert "check: amounts, 0 to 250, 2.3 % missing; 21 rows without a value are left out" in text
    assert definition.unlabelled == "drop"


def test_few_counts_that_are_named_stay_a_task_of_yes_and_no() -> None:
    counts = pl.int_range(pl.len()) % 4
    _, definition = drafted(shown().with_columns(orders=counts), "orders")
    assert definition.tasks["orders"].above == 0
    assert not definition.tasks["orders"].is_amount


def test_a_column_that_is_named_twice_is_one_task() -> None:
    _, definition = drafted(shown(), "play_seconds", "play_seconds")
    assert list(definition.tasks) == ["play_seconds"]


def test_a_task_without_a_column_is_refused_with_the_nearest() -> None:
    shown().write_parquet("rows.parquet")
    with pytest.raises(DataError, match=r"--task: no column 'play_second'; did you mean 'play_s"):
        write_draft("rows.parquet", None, force=True, tasks=["play_second"])
    assert not Path("data").exists()
