"""The timeline of data, against a loop over their rows."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import prepared, shop

from hinet_search.data import cell_counts as module
from hinet_search.results.data_record import Timeline

FIRST = date(2026, 5, 1)


def timeline(frame: pl.DataFrame, folder: Path, **changes: Any) -> Timeline | None:
    return prepared(frame, folder, **changes).record.timeline


@given(seed=st.integers(0, 99), most=st.integers(1, 7))
def test_periods_hold_the_rows_and_the_mean_labels_of_their_days(
    seed: int, most: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    day_R = np.random.default_rng(seed).integers(0, 12, 600)
    frame = shop(seed=seed).with_columns(
        pl.Series("minute", [FIRST + timedelta(int(day)) for day in day_R])
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_PERIODS", most)
        counted = timeline(frame, tmp_path_factory.mktemp("data"))
    assert counted is not None
    assert len(counted.rows) <= most
    assert counted.begin == str(frame["minute"].min())
    first = frame["minute"].min()
    for place, (rows, click) in enumerate(zip(counted.rows, counted.means["click"], strict=True)):
        labels = []
        of_splits = {"train": 0, "valid": 0, "test": 0}
        for row in frame.iter_rows(named=True):
            if (row["minute"] - first).days // counted.days == place:
                of_splits[row["part"]] += 1
                labels.append(row["click"])
        assert rows == tuple(of_splits.values())
        assert click == (pytest.approx(np.mean(labels), rel=1e-5) if labels else None)


def test_numbers_are_divided_into_days_by_their_unit(tmp_path: Path) -> None:
    frame = shop().with_columns(minute=pl.col("minute") * 3_600)
    counted = timeline(frame, tmp_path, time_unit="s")
    assert counted is not None
    assert (counted.begin, counted.days) == ("", 1)
    assert [sum(rows) for rows in counted.rows] == [24] * 25


def test_a_moment_is_of_its_day_and_one_that_is_missing_of_none(tmp_path: Path) -> None:
    moments = [None, *(datetime(2026, 5, 1 + k // 300, 23, 59, tzinfo=UTC) for k in range(1, 600))]
    counted = timeline(shop().with_columns(pl.Series("minute", moments)), tmp_path)
    assert counted is not None
    assert counted.begin == "2026-05-01"
    assert [sum(rows) for rows in counted.rows] == [299, 300]


@pytest.mark.parametrize("changes", [{"time": None}, {}], ids=["no time", "numbers of no unit"])
def test_data_without_known_days_have_no_timeline(changes: dict[str, Any], tmp_path: Path) -> None:
    assert timeline(shop(), tmp_path, **changes) is None
