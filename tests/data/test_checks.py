"""Checks: a wrong table is refused with place, rule, value and remedy before any writing."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tables import definition, prepared, problems_of, shop

from hinet_search.data.checks import available_memory
from hinet_search.data.fingerprint import FileHasher


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


def test_not_finite_rows_are_dropped_on_request_and_counted(tmp_path: Path) -> None:
    dataset = prepared(with_values("price", [7, 450], float("nan")), tmp_path, not_finite="drop")
    assert dataset.record.rows == (419, 89, 90)
    assert "2 rows with NaN or infinity are dropped" in dataset.record.warnings


def test_not_finite_numbers_are_imputed_on_request(tmp_path: Path) -> None:
    dataset = prepared(with_values("price", [7], float("nan")), tmp_path, not_finite="impute")
    assert dataset.full_schema.numeric == ("price", "age", "price_missing")
    assert dataset.train.numeric_RN[7].tolist()[::2] == [0.0, 1.0]


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


def test_a_single_test_cell_with_one_class_is_a_warning(tmp_path: Path) -> None:
    frame, rows = without_buys_of_push("test")
    warning = f"cell push/buy: test must have both classes for an AUC, got 0 in all {rows} rows"
    assert warning in prepared(frame, tmp_path).record.warnings


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
