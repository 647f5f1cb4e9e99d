"""A small shop table and its definition, the starting point of the tests of data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from hinet_search.common.errors import DataError
from hinet_search.data.columns import Dataset
from hinet_search.data.prepare import prepare
from hinet_search.data.rows import Rows
from hinet_search.study.data_definition import DataDefinition


def shop(num_rows: int = 600, seed: int = 0) -> pl.DataFrame:
    """Two scenarios, a funnel of two tasks, a split column of 70/15/15 %, one row a minute."""
    generator = np.random.default_rng(seed)
    click = generator.random(num_rows) < 0.5
    return pl.DataFrame(
        {
            "place": generator.choice(["home", "push"], num_rows, p=[0.7, 0.3]),
            "user": generator.integers(0, 40, num_rows),
            "item": generator.choice(["a", "b", "c", "d"], num_rows, p=[0.5, 0.3, 0.15, 0.05]),
            "price": generator.normal(100, 20, num_rows),
            "age": generator.integers(18, 80, num_rows),
            "click": click.astype(np.int8),
            "buy": (click & (generator.random(num_rows) < 0.5)).astype(np.int8),
            "minute": np.arange(num_rows),
            "part": np.repeat(
                ["train", "valid", "test"],
                [num_rows * 7 // 10, num_rows * 3 // 20, num_rows * 3 // 20],
            ),
        }
    )


def definition(**changes: Any) -> DataDefinition:
    """The definition of the shop table, with some of its keys replaced."""
    keys: dict[str, Any] = {
        "source": {"kind": "table", "path": "shop.parquet"},
        "scenario": {"column": "place"},
        "tasks": {"click": {"column": "click"}, "buy": {"column": "buy"}},
        "features": {"categorical": ["user", "item"], "numeric": ["price", "age"]},
        "split": {"by": "column", "column": "part"},
        "user": "user",
        "item": "item",
        "time": "minute",
    }
    return DataDefinition.model_validate(keys | changes)


def write(frame: pl.DataFrame, folder: Path) -> None:
    """Save a table where the definition looks for it."""
    frame.write_parquet(folder / "shop.parquet")


def prepared(frame: pl.DataFrame, folder: Path, **changes: Any) -> Dataset:
    """The shop table (or another of its form) encoded into `folder/cache`."""
    write(frame, folder)
    return prepare(definition(**changes), folder, folder / "cache", lambda _: None)


def rows_of(frame: pl.DataFrame, labels_RT: Any, split_R: Any, **others: Any) -> Rows:
    """Rows of one scenario that has every task, numbered from 0, with other fields replaced."""
    num_rows, num_tasks = np.shape(labels_RT)
    rows = Rows(
        frame=frame,
        row_R=np.arange(num_rows, dtype=np.uint64),
        scenarios=("all",),
        scenario_R=np.zeros(num_rows, dtype=np.int16),
        labels_RT=np.asarray(labels_RT),
        has_task_MT=np.ones((1, num_tasks), dtype=np.bool_),
        split_R=np.asarray(split_R, dtype=np.uint8),
        truth_RT=None,
        notes=(),
    )
    return replace(rows, **others)


def some(rows: Rows, which: slice | NDArray[np.int64]) -> Rows:
    """Some of the rows, as they are."""
    return replace(
        rows,
        frame=rows.frame[which],
        row_R=rows.row_R[which],
        scenario_R=rows.scenario_R[which],
        labels_RT=rows.labels_RT[which],
        split_R=rows.split_R[which],
    )


def problems_of(frame: pl.DataFrame, folder: Path, **changes: Any) -> tuple[str, ...]:
    """The problems for which a table is refused."""
    with pytest.raises(DataError) as caught:
        prepared(frame, folder, **changes)
    return caught.value.problems


def with_lists(frame: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """The table with the items that every user watched and kept before.

    Up to six each; `x` among them is the item of no row.
    """
    generator = np.random.default_rng(seed)
    users = frame["user"].unique().sort()
    watched = [
        generator.choice(["a", "b", "c", "d", "x"], generator.integers(0, 7)).tolist()
        for _ in users
    ]
    kept = [[item for item in items if generator.random() < 0.5] for items in watched]
    lists = pl.DataFrame(
        {"user": users, "watched": watched, "kept": kept},
        schema_overrides={"watched": pl.List(pl.String), "kept": pl.List(pl.String)},
    )
    return frame.join(lists, on="user", how="left", maintain_order="left")


LISTS: dict[str, Any] = {"watched": {"column": "watched", "item": "item", "length": 4}}
"""One pooled list of four slots."""
