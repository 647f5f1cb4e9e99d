"""Moments: what the numbers of a column of time count, and the dates that they mean."""

from datetime import UTC, date, datetime

from hinet_search.data.derived.days import DAY_SECONDS
from hinet_search.data.guess.column_facts import ColumnFacts

# Numbers of time below a limit are in its unit since 1970, with so many of them a second. Those
# below DATES_BELOW are dates such as 20260503.
DATES_BELOW = 1e8
UNITS = (
    (1e10, "seconds", 1),
    (1e13, "milliseconds", 10**3),
    (1e16, "microseconds", 10**6),
    (1e19, "nanoseconds", 10**9),
)
# Rows of a log are of these years: numbers that mean them surely are moments.
FIRST_YEAR, LAST_YEAR = 1990, 2050


def unit_of(time: ColumnFacts) -> tuple[str, int | None]:
    """Unit of a column of time and length of a day in it; ("", None) where values are days."""
    if not time.is_number or time.high < DATES_BELOW:
        return "", None
    for limit, unit, a_second in UNITS:
        if time.high < limit:
            return unit, DAY_SECONDS * a_second
    return "", None


def period_of(time: ColumnFacts) -> str:
    """`seconds, 2023-11-14 to 2023-12-01`; empty where these are no years of a log."""
    unit, day = unit_of(time)
    first, last = (_date_of(int(moment), day) for moment in (time.low, time.high))
    if first is None or last is None or first.year < FIRST_YEAR or last.year > LAST_YEAR:
        return ""
    return f"{unit or 'dates'}, {first} to {last}"


def _date_of(moment: int, day: int | None) -> date | None:
    """The date of a moment, if Python can tell."""
    try:
        if day is None:
            return datetime.strptime(str(moment), "%Y%m%d").replace(tzinfo=UTC).date()
        return datetime.fromtimestamp(moment * DAY_SECONDS // day, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None
