"""Moments: what the numbers of a column of time count, and the dates that they mean."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from hinet_search.data.derived.days import DAY_SECONDS
from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.study.event_definition import TimeUnit

# Rows of a log are of these years: numbers that mean them surely are moments.
FIRST_YEAR, LAST_YEAR = 1990, 2050


@dataclass(frozen=True)
class Unit:
    """A unit of time since 1970."""

    key: TimeUnit
    name: str
    a_second: int

    @property
    def day(self) -> int:
        """The length of a day."""
        return DAY_SECONDS * self.a_second


# Numbers below a limit are in its unit. Those below DATES_BELOW are dates such as 20260503.
DATES_BELOW = 1e8
UNITS = (
    (1e10, Unit("s", "seconds", 1)),
    (1e13, Unit("ms", "milliseconds", 10**3)),
    (1e16, Unit("us", "microseconds", 10**6)),
    (1e19, Unit("ns", "nanoseconds", 10**9)),
)


def unit_of(time: ColumnFacts) -> Unit | None:
    """The unit of a column of time; None where its values are days, or no numbers."""
    if not time.is_number or time.high < DATES_BELOW:
        return None
    return next((unit for limit, unit in UNITS if time.high < limit), None)


def period_of(time: ColumnFacts) -> str:
    """`seconds, 2023-11-14 to 2023-12-01`; empty where these are no years of a log."""
    unit = unit_of(time)
    first, last = (_date_of(int(moment), unit) for moment in (time.low, time.high))
    if first is None or last is None or first.year < FIRST_YEAR or last.year > LAST_YEAR:
        return ""
    return f"{unit.name if unit else 'dates'}, {first} to {last}"


def _date_of(moment: int, unit: Unit | None) -> date | None:
    """The date of a moment, if Python can tell."""
    try:
        if unit is None:
            return datetime.strptime(str(moment), "%Y%m%d").replace(tzinfo=UTC).date()
        return datetime.fromtimestamp(moment // unit.a_second, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None
