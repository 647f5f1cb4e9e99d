"""Days of a clock: dates, datetimes and numbers become days, and no row counts its own day."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from test_statistics import (
    TASKS,
    earliest_unknown,
    reference,
    rows_of,
    statistics_of,
    with_flipped_labels,
)

from hinet_search.data.derived.days import day, periods_of
from hinet_search.data.rows import Rows
from hinet_search.study.statistics_definition import StatisticsDefinition

START = datetime(2026, 3, 27, 9, tzinfo=UTC)  # two days before clocks are changed in Berlin
BY = ("user", ("user", "item"))
BERLIN, KIRITIMATI = ZoneInfo("Europe/Berlin"), ZoneInfo("Pacific/Kiritimati")
LENGTHS = {"seconds": 86_400, "ms": 86_400_000, "hours": 24}  # of a day, of clocks of numbers


def by_clock(clock: str, **keys: Any) -> StatisticsDefinition:
    return StatisticsDefinition(
        by=BY, clock=clock, day_length=LENGTHS.get(clock), smoothing=3.0, **keys
    )


CLOCKS = {
    **{clock: by_clock(clock) for clock in ("utc", "berlin", "local", "seconds", "ms", "hours")},
    "utc every hour": by_clock("utc", refresh="hour"),
    "berlin every hour": by_clock("berlin", refresh="hour", labels_after="3h"),
    "seconds every hour": by_clock("seconds", refresh="hour", labels_after="1d"),
    "hours every hour": by_clock("hours", refresh="hour"),
    "ms every day": by_clock("ms", refresh="day", labels_after="1d"),
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


def python_periods(rows: Rows, definition: StatisticsDefinition) -> list[Any]:
    """The days of a clock by the calendar of Python, or hours since 1970."""
    zone: Any = {"berlin": BERLIN, "local": KIRITIMATI}.get(str(definition.clock), UTC)

    def period(moment: datetime) -> Any:
        if definition.refresh == "hour":
            return int(moment.timestamp()) // 3600
        return moment.astimezone(zone).date()

    moments = rows.frame["utc"].to_list()
    return [None if moment is None else period(moment) for moment in moments]


@ALL_CLOCKS
@settings(max_examples=8)
@given(seed=st.integers(0, 10_000))
def test_by_any_clock_a_row_counts_as_by_a_column_of_its_days(clock: str, seed: int) -> None:
    rows, definition = shown(seed), CLOCKS[clock]
    column = pl.Series(python_periods(rows, definition))
    with_days = replace(rows, frame=rows.frame.with_columns(day=column))
    expected = reference(definition.model_copy(update={"clock": "day"}), with_days)
    assert_allclose(statistics_of(definition, rows), expected, atol=1e-6)


@ALL_CLOCKS
def test_labels_of_a_day_reach_only_rows_of_later_days(clock: str) -> None:
    rows, definition = shown(1, num_rows=600), CLOCKS[clock]
    days_R = python_periods(rows, definition)
    before = statistics_of(definition, rows)
    reached = 0
    days = sorted({day for day in days_R if day is not None})[:-1]
    for chosen in days[:: len(days) // 6]:
        is_of_day_R: NDArray[np.bool_] = np.array([day == chosen for day in days_R])
        after = statistics_of(definition, with_flipped_labels(rows, is_of_day_R))
        changed = [days_R[row] for row in np.flatnonzero((before != after).any(axis=1))]
        reached += len(changed)
        assert all(
            day is not None and earliest_unknown(day, definition) > chosen for day in changed
        )
    assert reached > 600


def days_of(values: pl.Series, day_length: float | None = None) -> pl.Series:
    known = values.alias("at").to_frame().with_columns(pl.selectors.float().fill_nan(None))
    return known.select(day(pl.col("at"), values.dtype, day_length)).to_series()


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
    assert days_of(values, 24).dtype == periods_of(values, by_clock("hours")).dtype


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


@pytest.mark.parametrize("length", [3.6e6, 100 / 24])
def test_a_row_alone_has_the_day_that_it_has_in_a_table(length: float) -> None:
    values = pl.Series(np.floor(np.arange(2_000) * length))
    days = days_of(values, length)
    assert days.to_list() == np.floor(values.to_numpy() / length).tolist()
    assert [days_of(values[row : row + 1], length).item() for row in range(200)] == days.to_list()[
        :200
    ]


def test_nan_is_no_day() -> None:
    assert days_of(pl.Series([float("nan"), 5.0]), 2).to_list() == [None, 2.0]
