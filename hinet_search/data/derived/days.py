"""Days: the day of every row by the clock of target statistics.

The day of a date is the date, of a datetime its date in the zone of the column. The values of
any other column are days themselves, unless `day_length` divides numbers such as seconds since 1970
into days. Statistics that are counted anew every hour have hours as periods in place of days.

Shape legend: R rows.
"""

from datetime import UTC, datetime

import polars as pl

from hinet_search.data.checks import SIGNED, UNSIGNED
from hinet_search.data.raw_values import known_values
from hinet_search.study.statistics_definition import HOUR, StatisticsDefinition

UNITS_A_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}
DAY_SECONDS = 86_400
HOUR_SECONDS = 3_600
HOURS = 24
# Dates far outside these years cannot be moved to another time zone. All of them count as one day.
EARLIEST = datetime(2, 1, 1, tzinfo=UTC)
LATEST = datetime(9998, 12, 31, tzinfo=UTC)


def periods_of(values: pl.Series, definition: StatisticsDefinition) -> pl.Series:
    """The day, or hour, of each value of a clock, null where it is missing; in order of time."""
    clock = known_values(values).alias("clock").to_frame()
    return clock.select(period(pl.col("clock"), values.dtype, definition)).to_series()


def period(column: pl.Expr, dtype: pl.DataType, definition: StatisticsDefinition) -> pl.Expr:
    """The day of each value of a column of type `dtype` without NaN, or its hour since 1970."""
    length = definition.day_length
    if definition.refresh != HOUR:
        return day(column, dtype, length)
    if isinstance(dtype, pl.Datetime):
        of_moments = _within_calendar(column, dtype).to_physical()
        return of_moments // (UNITS_A_SECOND[dtype.time_unit] * HOUR_SECONDS)
    assert length is not None, "checked with the type of the clock"
    return day(column, dtype, length / HOURS)


def delayed(periods: pl.Expr, dtype: pl.DataType, delay: int) -> pl.Expr:
    """The periods so many periods earlier."""
    if not delay:
        return periods
    if dtype == pl.Date:
        return periods - pl.duration(days=delay)
    return periods - delay


def day(column: pl.Expr, dtype: pl.DataType, day_length: float | None = None) -> pl.Expr:
    """The day of each value of a column of type `dtype` without NaN."""
    if isinstance(dtype, pl.Datetime):
        return _within_calendar(column, dtype).dt.date()
    if day_length is None:
        return column
    if dtype in (*SIGNED, *UNSIGNED) and day_length == int(day_length):
        is_wide = dtype in (pl.UInt64, pl.Int128, pl.UInt128)
        return (column if is_wide else column.cast(pl.Int64)) // int(day_length)
    # Polars divides by a number less exactly than by a column, though not a single row.
    length = column.is_null().cast(pl.Float64) * 0.0 + day_length
    return (column.cast(pl.Float64) / length).floor()


def _within_calendar(column: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    """The moments, those before EARLIEST and after LATEST at these ends."""
    units_a_second = UNITS_A_SECOND[dtype.time_unit]
    most = 2**63 - 2 * DAY_SECONDS * units_a_second  # two days from the end of 64 bits
    earliest = max(int(EARLIEST.timestamp()) * units_a_second, -most)
    latest = min(int(LATEST.timestamp()) * units_a_second, most)
    return column.to_physical().clip(earliest, latest).cast(dtype)
