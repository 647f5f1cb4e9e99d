"""Days of a clock: dates, datetimes and numbers become days, and no row counts its own day."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from test_statistics import TASKS, TEST, reference, rows_of, statistics_of, with_flipped_labels

from hinet_search.data.derived.days import day_type, days_of
from hinet_search.data.derived.label_counts import label_counts, later_statistics
from hinet_search.data.rows import Rows
from hinet_search.study.feature_definition import StatisticsDefinition

START = datetime(2026, 3, 27, 9, tzinfo=UTC)  # two days before clocks are changed in Berlin
BY = ("user", ("user", "item"))
BY_DAY = StatisticsDefinition(by=BY, clock="day", smoothing=3.0)
BERLIN, KIRITIMATI = ZoneInfo("Europe/Berlin"), ZoneInfo("Pacific/Kiritimati")
CLOCKS = {
    "utc": StatisticsDefinition(by=BY, clock="utc", smoothing=3.0),
    "berlin": StatisticsDefinition(by=BY, clock="berlin", smoothing=3.0),
    "local": StatisticsDefinition(by=BY, clock="local", smoothing=3.0),
    "seconds": StatisticsDefinition(by=BY, clock="seconds", day_length=86_400, smoothing=3.0),
    "ms": StatisticsDefinition(by=BY, clock="ms", day_length=86_400_000, smoothing=3.0),
    "hours": StatisticsDefinition(by=BY, clock="hours", day_length=24, smoothing=3.0),
}
ALL_CLOCKS = pytest.mark.parametrize("clock", CLOCKS)


def shown(seed: int, num_rows: int = 80) -> Rows:
    """Rows of a week with their moment in several forms; one in twelve has none."""
    generator = np.random.default_rng(seed)
    seconds = generator.integers(0, 7 * 86_400, num_rows)
    moments = [
        None if generator.random() < 1 / 12 else START + timedelta(seconds=int(second))
        for second in seconds
    ]
    utc = pl.Series(moments, dtype=pl.Datetime("us", "UTC"))
    columns = {
        "user": generator.integers(0, 5, num_rows),
        "item": generator.choice(["a", "b", "c"], num_rows),
        "utc": utc,
        "berlin": utc.dt.convert_time_zone("Europe/Berlin").dt.cast_time_unit("ms"),
        "local": utc.dt.convert_time_zone("Pacific/Kiritimati").dt.replace_time_zone(None),
        "seconds": utc.dt.epoch("s"),
        "ms": utc.dt.epoch("ms"),
        "hours": utc.dt.epoch("s") / 3600,
    }
    labels_RT = generator.random((num_rows, len(TASKS))) < (0.6, 0.2)
    return rows_of(columns, labels_RT, generator.choice(3, num_rows, p=(0.6, 0.2, 0.2)))


def python_days(rows: Rows, clock: str) -> list[date | None]:
    """The days of a clock by the calendar of Python."""
    zone: Any = {"berlin": BERLIN, "local": KIRITIMATI}.get(clock, UTC)
    moments = rows.frame["utc"].to_list()
    return [None if moment is None else moment.astimezone(zone).date() for moment in moments]


@ALL_CLOCKS
@given(seed=st.integers(0, 10_000))
def test_by_any_clock_a_row_counts_as_by_a_column_of_its_days(clock: str, seed: int) -> None:
    rows = shown(seed)
    with_days = replace(
        rows, frame=rows.frame.with_columns(day=pl.Series(python_days(rows, clock), dtype=pl.Date))
    )
    expected = reference(BY_DAY, with_days)
    assert_allclose(statistics_of(CLOCKS[clock], rows), expected, atol=1e-6)


@ALL_CLOCKS
def test_labels_of_a_day_reach_only_rows_of_later_days(clock: str) -> None:
    rows = shown(1, num_rows=600)
    days_R = python_days(rows, clock)
    definition = CLOCKS[clock]
    before = statistics_of(definition, rows)
    reached = 0
    for chosen in sorted({day for day in days_R if day is not None})[:-1]:
        is_of_day_R: NDArray[np.bool_] = np.array([day == chosen for day in days_R])
        after = statistics_of(definition, with_flipped_labels(rows, is_of_day_R))
        changed = [days_R[row] for row in np.flatnonzero((before != after).any(axis=1))]
        reached += len(changed)
        assert all(day is not None and day > chosen for day in changed)
    assert reached > 600


@ALL_CLOCKS
@given(seed=st.integers(0, 10_000))
def test_test_rows_get_from_stored_counts_what_they_have(clock: str, seed: int) -> None:
    rows, definition = shown(seed), CLOCKS[clock]
    is_test = rows.split_R == TEST
    counts = label_counts(definition, rows)
    actual = later_statistics(counts, definition, rows.frame.filter(is_test), TASKS)
    np.testing.assert_array_equal(actual.to_numpy(), statistics_of(definition, rows)[is_test])


@pytest.mark.parametrize(
    "values",
    [[20260503, 20260504], ["01", "02"], [1.5, 2.5], [date(2026, 5, 3), date(2026, 5, 4)]],
)
def test_values_that_are_the_same_all_day_are_days_as_they_are(values: list[Any]) -> None:
    assert days_of(pl.Series(values)).to_list() == values


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt8, pl.Int64, pl.UInt64, pl.Float32, pl.Float64])
def test_a_number_is_on_the_day_that_has_begun(dtype: type[pl.DataType]) -> None:
    values = pl.Series([0, 23, 24, 47, 100, None], dtype=dtype)
    assert days_of(values, 24).to_list() == [0, 0, 1, 1, 4, None]
    assert days_of(values, 24).dtype == day_type(dtype(), 24)


def test_moments_before_1970_are_on_the_day_that_has_begun() -> None:
    assert days_of(pl.Series([-1, -86_400, -86_401]), 86_400).to_list() == [-1, -1, -2]
    moment = pl.Series([-1]).cast(pl.Datetime("ms"))
    assert days_of(moment).to_list() == [date(1969, 12, 31)]


def test_milliseconds_beyond_the_whole_floats_are_on_their_day() -> None:
    last = 2**60 - 2**60 % 86_400_000  # the first millisecond of a day
    assert days_of(pl.Series([last - 1, last]), 86_400_000).diff()[1] == 1


@pytest.mark.parametrize("zone", [None, "Europe/Berlin", "Pacific/Kiritimati", "America/New_York"])
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_moments_at_the_ends_of_their_type_are_before_and_after_all_others(
    unit: Any, zone: str | None
) -> None:
    ends = pl.Series([-(2**63), 0, 2**63 - 1]).cast(pl.Datetime(unit, zone))
    days = days_of(ends)
    assert days.is_sorted()
    assert days.n_unique() == 3


def test_nan_is_no_day() -> None:
    assert days_of(pl.Series([float("nan"), 5.0]), 2).to_list() == [None, 2.0]
