"""Inputs that are counted inside a group order it worse than chance; those as of its first row do not."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hinet_search.data.derived.inputs import derive_numbers
from hinet_search.data.derived.rank_groups import with_rank_groups
from hinet_search.data.inspect.group_order import order_warnings
from hinet_search.data.rows import read_rows
from hinet_search.study.data_definition import DataDefinition

VISITS, PER_VISIT = 400, 6


def visits_of_chance() -> pl.DataFrame:
    """Visits whose rates differ; within one, labels are drawn alike, and `noise` knows nothing."""
    draw = np.random.default_rng(4)
    visit = np.repeat(np.arange(VISITS), PER_VISIT)
    clicked = draw.random(visit.size) < draw.beta(2, 4, VISITS)[visit]
    return pl.DataFrame(
        {
            "tab": visit % 2,
            "user": visit % 100,
            "seconds": visit * 7200 + np.tile(np.arange(PER_VISIT) * 60, VISITS),
            "click": clicked.astype(np.int8),
            "noise": draw.normal(size=visit.size),
        }
    )


def warned(folder: Path, as_of: str) -> list[str]:
    visits_of_chance().write_parquet(folder / "visits.parquet")
    definition = DataDefinition.model_validate(
        {
            "source": {"kind": "table", "path": "visits.parquet"},
            "scenario": {"column": "tab"},
            "tasks": {"click": {"column": "click"}},
            "user": "user",
            "time": "seconds",
            "time_unit": "s",
            "rank": {"visit": "30m", "as_of": as_of},
            "features": {
                "numeric": ["noise"],
                "events": {"by": ["user"], "labels_after": "0s", "windows": ["1h", "all"]},
            },
            "split": {"by": "random"},
        }
    )
    rows = with_rank_groups(definition, read_rows(definition, folder, folder))
    return order_warnings(definition, rows, derive_numbers(definition, rows))


def test_rates_that_go_on_inside_a_visit_are_named(tmp_path: Path) -> None:
    first, *_ = warnings = warned(tmp_path, "row")
    assert [each.split(":")[0] for each in warnings] == [
        "user click rate 1h",
        "user click rate all",
    ]
    assert "orders rows within groups worse than chance for click (AUC 0." in first


def test_rates_as_of_the_first_row_of_a_visit_are_not(tmp_path: Path) -> None:
    assert warned(tmp_path, "group") == []


def test_a_number_of_the_table_is_named_if_it_orders_all_rows_but_not_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the rate of the visit, a little less where the row's own label is 1."""
    made = visits_of_chance().with_columns(visit=pl.int_range(pl.len()) // PER_VISIT)
    rate = pl.col("click").mean().over("visit")
    made = made.with_columns(noise=rate - 0.01 * pl.col("click") + 0.001 * pl.col("noise"))
    monkeypatch.setattr(f"{__name__}.visits_of_chance", lambda: made)
    (warning,) = warned(tmp_path, "group")
    assert warning.startswith("noise: orders rows within groups worse than chance")
