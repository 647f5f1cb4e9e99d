"""Time units: what the numbers of a time column count, by their size."""

from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.target_statistics import DATES_BELOW, UNITS
from hinet_search.study.event_definition import NANOSECONDS, TimeUnit

KEYS: tuple[TimeUnit, ...] = ("s", "ms", "us", "ns")


def time_unit_of(column: ColumnFacts) -> tuple[TimeUnit, str] | None:
    """The unit of whole numbers since 1970 and its name; None for dates and other times."""
    if not column.dtype.is_numeric() or not column.is_whole or column.high < DATES_BELOW:
        return None
    key_of = {NANOSECONDS["s"] // NANOSECONDS[key]: key for key in KEYS}
    for limit, name, a_second in UNITS:
        if column.high < limit:
            return key_of[a_second], name
    return None
