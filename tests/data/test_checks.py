"""Checks: a wrong table is refused with place, rule, value and remedy before any writing."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tables import definition, prepared, problems_of, shop

from hinet_search.data.cell_counts import auc
from hinet_search.data.checks import available_memory
from hinet_search.data.fingerprint import FileHasher

SPLIT_AT = [420, 510]  # first row of valid and of test in the shop table
CAST = "cast it to a date, or write it as numbers"
SAY_WHICH = "say with 'equals', 'above' or 'at_least' which values are a 1"


def problems(frame: pl.DataFrame, folder: Path, **changes: Any) -> list[str]:
    """Problems of the error that the table gives; nothing may have been written."""
    found = problems_of(frame, folder, **changes)
    assert not (folder / "cache").exists()
    return list(found)


def with_values(column: str, rows: list[int], value: object) -> pl.DataFrame:
    """The shop table with one value in some rows of a column."""
    frame = shop()
    index = pl.Series(np.arange(len(frame))).is_in(rows)
    return frame.with_columns(
        pl.when(index).then(pl.lit(value)).otherwise(pl.col(column)).alias(column)
    )


def test_missing_columns_are_reported_at_once_with_the_nearest_names(tmp_path: Path) -> None:
    features = {"categorical": ["usr"], "numeric": ["prices", "zzz"]}
    assert problems(shop(), tmp_path, features=features) == [
        "data.features.categorical: column 'usr' is not in the table; did you mean 'user'?",
        "data.features.numeric: column 'prices' is not in the table; did you mean 'price'?",
        "data.features.numeric: column 'zzz' is not in the table",
    ]


IN_ORDER = {"by": "time", "valid_from": SPLIT_AT[0], "test_from": SPLIT_AT[1]}
ONLY_AGE = {"tasks": {"dear": {"column": "price", "above": 100}}, "features": {"numeric": ["age"]}}
SHOWN = pl.datetime(2026, 5, 1) + pl.duration(minutes=pl.col("minute"))
REFUSED: dict[str, tuple[pl.DataFrame, dict[str, Any], str]] = {
    "an empty split by column": (
        shop().with_columns(pl.col("part").str.replace("valid", "val")),
        {},
        "split: valid must have rows, got none; column 'part' holds test, train, val",
    ),
    "an empty split by number": (
        shop(),
        {"split": {"by": "time", "valid_from": 500, "test_from": 600}},
        "split: test must have rows, got none; column 'minute' runs from 0 to 599",
    ),
    "an empty split by date": (
        shop().with_columns(SHOWN.alias("shown")),
        {
            "time": "shown",
            "split": {"by": "time", "valid_from": "2026-05-01T09:00", "test_from": "2026-05-03"},
        },
        (
            "split: test must have rows, got none; column 'shown' runs from 2026-05-01 00:00:00 to "
            "2026-05-01 09:59:00"
        ),
    ),
    "an empty random split": (
        shop(),
        {"split": {"by": "random", "valid": 1e-9}},
        "split: valid must have rows, got none",
    ),
    "a column of dates as a number": (
        shop().with_columns(day=pl.lit(date(2026, 5, 1))),
        {"features": {"numeric": ["day"]}},
        "features.numeric: column 'day' must hold numbers, got Date; list it under categorical",
    ),
    "a list as a category": (
        shop().with_columns(pl.concat_list("user", "age").alias("tags")),
        {"features": {"categorical": ["tags"]}},
        "features.categorical: column 'tags' must hold one value a row, got List(Int64)",
    ),
    "a text label without the value that is a 1": (
        shop(),
        {"tasks": {"click": {"column": "place"}}},
        (
            "tasks.click: column 'place' must hold numbers, got String; say with 'equals' which "
            "value is a 1"
        ),
    ),
    "a time that is missing": (
        with_values("minute", [5, 6], None),
        {"split": IN_ORDER},
        "split: column 'minute' must have a value in every row, got 2 without",
    ),
    "a threshold for a missing value": (
        with_values("price", [1, 2], None),
        ONLY_AGE,
        (
            "tasks.dear: column 'price' must have a finite value in every row, got 2 without; "
            "'data.unlabelled: drop' leaves them out"
        ),
    ),
    "a threshold for a value that is no number": (
        with_values("price", [1, 2], float("nan")),
        ONLY_AGE,
        "tasks.dear: column 'price' must have a finite value in every row, got 2 without",
    ),
    "a scenario that does not occur": (
        shop(),
        {"scenario": {"column": "place", "values": {"home": "Home", "pusch": "Push"}}},
        (
            "scenario.values: 'pusch' occurs in no row of column 'place', which holds home, push; "
            "did you mean 'push'?"
        ),
    ),
    "a scenario that does not occur among many": (
        shop().with_columns((pl.col("minute") % 11).alias("page")),
        {"scenario": {"column": "page", "values": {"zz": "Z", 1: "One"}}},
        (
            "scenario.values: 'zz' occurs in no row of column 'page', which holds "
            "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1 more"
        ),
    ),
    "scenarios none of which occurs": (
        shop(),
        {"scenario": {"column": "place", "values": {1: "Home"}}},
        "scenario.values: none occurs in column 'place', which holds home, push",
    ),
    "very many scenarios": (
        shop(num_rows=2000),
        {"scenario": {"column": "minute"}},
        (
            "scenario: must have at most 1,000 scenarios, got 2,000; list those that count under "
            "'values'"
        ),
    ),
    "a task with one class in a whole split": (
        with_values("click", list(range(420, 510)), 1),
        {},
        "split: task click must have both classes in valid, got 1 in all 90 rows",
    ),
}


@pytest.mark.parametrize(("frame", "changes", "problem"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_table_is_refused_with_place_and_rule(
    frame: pl.DataFrame, changes: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    assert problems(frame, tmp_path, **changes) == [f"data.{problem}"]


@pytest.mark.parametrize(
    ("column", "cut", "problem"),
    [
        (
            "minute",
            "2022-05-03",
            "data.split.valid_from: must be a number as column 'minute' is, got 2022-05-03",
        ),
        (
            "item",
            5,
            f"data.time: column 'item' must hold numbers, dates or datetimes, got String; {CAST}",
        ),
        ("day", 5, "data.split.valid_from: must be a date as column 'day' is, got 5"),
        (
            "day",
            "2022-05-03T00:00+00:00",
            "data.split: column 'day' has no time zone, so the cut points must have no offset",
        ),
    ],
)
def test_cut_points_must_fit_the_time_column(
    column: str, cut: int | str, problem: str, tmp_path: Path
) -> None:
    later = cut + 1 if isinstance(cut, int) else cut.replace("2022", "2023")
    frame = shop().with_columns(pl.lit("2022-05-01").str.to_datetime().alias("day"))
    split = {"by": "time", "valid_from": cut, "test_from": later}
    assert problems(frame, tmp_path, time=column, split=split) == [problem]


def test_all_splits_by_a_column_of_nulls_are_empty(tmp_path: Path) -> None:
    frame = shop().with_columns(pl.lit(None, dtype=pl.String).alias("part"))
    assert problems(frame, tmp_path) == [
        f"data.split: {split} must have rows, got none; column 'part' holds no value"
        for split in ("train", "valid", "test")
    ]


def test_numbers_that_are_not_finite_are_counted_and_the_first_rows_named(tmp_path: Path) -> None:
    frame = with_values("price", [7, 3, 450], float("inf"))
    frame = frame.with_columns(
        pl.when(pl.col("minute") == 9).then(float("nan")).otherwise("price").alias("price")
    )
    got = "NaN or infinity in 4 rows (first in row 3, 7, 9, 450)"
    assert problems(frame, tmp_path) == [
        (
            f"data.features.numeric: column 'price' must be finite, got {got}; set not_finite: impute or drop"
        )
    ]


def test_not_finite_rows_are_dropped_on_request_and_counted(tmp_path: Path) -> None:
    dataset = prepared(with_values("price", [7, 450], float("nan")), tmp_path, not_finite="drop")
    assert dataset.record.rows == (419, 89, 90)
    assert "2 rows with NaN or infinity are dropped" in dataset.record.warnings


def test_not_finite_numbers_are_imputed_on_request(tmp_path: Path) -> None:
    dataset = prepared(with_values("price", [7], float("nan")), tmp_path, not_finite="impute")
    assert dataset.full_schema.numeric == ("price", "age", "price_missing")
    assert dataset.train.numeric_RN[7].tolist()[::2] == [0.0, 1.0]


def test_labels_outside_zero_and_one_are_shown_with_their_counts(tmp_path: Path) -> None:
    frame = with_values("click", [1, 2, 3], 2)
    frame = frame.with_columns(
        pl.when(pl.col("minute") == 9).then(None).otherwise("buy").alias("buy")
    )
    assert problems(frame, tmp_path) == [
        (
            f"data.tasks.click: column 'click' must hold 0 and 1 only, got 2 (3 rows); {SAY_WHICH}, "
            "or write 'kind: amount' if they are amounts"
        ),
        f"data.tasks.buy: column 'buy' must hold 0 and 1 only, got null (1 row); {SAY_WHICH}",
    ]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"column": "age", "above": 40}, pl.col("age") > 40),
        ({"column": "age", "at_least": 40}, pl.col("age") >= 40),
        ({"column": "third", "equals": 2}, pl.col("third") == 2),
        ({"column": "item", "equals": "a"}, pl.col("item") == "a"),
    ],
)
def test_a_rule_says_which_labels_are_one(
    rule: dict[str, Any], expected: pl.Expr, tmp_path: Path
) -> None:
    changes = {
        "tasks": {"task": rule},
        "features": {"numeric": ["price"]},
        "scenario": {"column": "one"},
    }
    frame = shop().with_columns(pl.lit(1).alias("one"), (pl.col("minute") % 3).alias("third"))
    dataset = prepared(frame, tmp_path, **changes)
    labels = np.concatenate(
        [dataset.train.labels_RT, dataset.valid.labels_RT, dataset.test.labels_RT]
    )
    assert labels[:, 0].tolist() == frame.select(expected.cast(pl.UInt8)).to_series().to_list()


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_missing_values_that_equals_takes_for_a_zero_are_counted(
    missing: float | None, tmp_path: Path
) -> None:
    frame = with_values("price", [1, 2, 3], missing).with_columns(pl.col("price") // 100 * 100)
    changes = {
        "tasks": {"usual": {"column": "price", "equals": 100}},
        "features": {"numeric": ["age"]},
    }
    dataset = prepared(frame, tmp_path, **changes)
    assert dataset.record.warnings == (
        "3 rows have no 'price' and count as not '100' (task usual)",
    )
    assert dataset.train.labels_RT[1:4].sum() == 0


def without_buys_of_push(part: str) -> tuple[pl.DataFrame, int]:
    """The shop without buys in a cell of a part, and the number of its rows."""
    in_cell = (pl.col("place") == "push") & (pl.col("part") == part)
    bought = pl.when(in_cell).then(0).otherwise("buy").cast(pl.Int8)
    return shop().with_columns(buy=bought), shop().filter(in_cell).height


def test_a_training_cell_with_one_class_is_an_error_that_names_the_cell(tmp_path: Path) -> None:
    frame, rows = without_buys_of_push("train")
    assert problems(frame, tmp_path) == [
        f"cell push/buy: train must have both classes for an AUC, got 0 in all {rows} rows"
    ]


def test_a_single_test_cell_with_one_class_is_a_warning(tmp_path: Path) -> None:
    frame, rows = without_buys_of_push("test")
    warning = f"cell push/buy: test must have both classes for an AUC, got 0 in all {rows} rows"
    assert warning in prepared(frame, tmp_path).record.warnings


def test_a_scenario_without_training_rows_is_an_error(tmp_path: Path) -> None:
    frame = shop().filter((pl.col("place") == "home") | (pl.col("part") != "train"))
    tasks = {"click": {"column": "click"}}
    assert problems(frame, tmp_path, tasks=tasks) == [
        "cell push/click: train must have both classes for an AUC, got no row"
    ]


def test_many_problems_are_cut_to_twenty_and_counted(tmp_path: Path) -> None:
    messages = problems(shop(), tmp_path, features={"numeric": [f"zzz{n}" for n in range(25)]})
    assert len(messages) == 21
    assert messages[-1] == "and 5 more problems"


def test_more_than_five_percent_unseen_on_validation_is_a_warning(tmp_path: Path) -> None:
    frame = with_values("item", list(range(420, 429)), "new")
    assert prepared(frame, tmp_path).record.warnings == (
        (
            "item: 10.0% of valid rows have a value without an id (unseen or rare in train); they share id 0"
        ),
    )


def test_rows_outside_the_three_splits_are_left_out_and_counted(tmp_path: Path) -> None:
    dataset = prepared(with_values("part", [0, 1], "holdout"), tmp_path)
    assert dataset.record.rows == (418, 90, 90)
    assert dataset.record.warnings == ("2 rows are in no split and are left out",)


def test_the_available_memory_is_a_plausible_number_of_bytes() -> None:
    assert 2**26 < available_memory() < 2**50


def test_auc_counts_ties_half() -> None:
    assert auc(np.array([1.0, 1.0, 2.0, 0.0]), np.array([1, 0, 1, 0], dtype=np.uint8)) == 3.5 / 4


def test_auc_of_one_class_is_none() -> None:
    assert auc(np.array([1.0, 2.0]), np.array([1, 1], dtype=np.uint8)) is None


def test_a_bad_option_of_a_source_is_reported_as_one_of_the_definition() -> None:
    from hinet_search.common.errors import ConfigurationError
    from hinet_search.data.source_rows import target_folder

    with pytest.raises(
        ConfigurationError, match=r"data\.source: unknown key 'pat'.*did you mean 'path'"
    ):
        target_folder(
            definition(source={"kind": "table", "pat": "x", "path": "y"}),
            Path(),
            FileHasher(Path(), print),
            share=1,
        )
