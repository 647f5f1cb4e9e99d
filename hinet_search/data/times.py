"""Times: read a time column as whole numbers, and check it for what reads the log."""

from collections.abc import Iterator, Mapping

import polars as pl

from hinet_search.data.raw_values import known_column, known_values
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.event_definition import NANOSECONDS, TimeSpan, TimeUnit
from hinet_search.study.feature_definition import FeatureDefinition

LARGEST_FLOAT = 2**53  # up to it every whole number is a float
LARGEST = 2**63 - 1
LONGEST = 2**62  # from the first to the last moment: sums of it with a window stay within 64 bits
BY_DAYS = "count earlier days by features.statistics with this column as its clock"


def unit_of(dtype: pl.DataType, time_unit: TimeUnit | None) -> TimeUnit:
    """What the whole numbers of a time column count."""
    if isinstance(dtype, pl.Datetime):
        unit: TimeUnit = dtype.time_unit
        return unit
    assert time_unit is not None, "checked with the column"
    return time_unit


def whole_times(values: pl.Series) -> pl.Series:
    """Times as 64-bit whole numbers, null where there is none; of datetimes the moment."""
    return known_values(values).cast(pl.Int64, strict=False)


def event_type_problems(
    definition: DataDefinition, dtypes: Mapping[str, pl.DataType]
) -> Iterator[str]:
    """What is wrong with the type of the time column, and lengths that are no number of its unit.

    It must have moments finer than a day, and a unit if they are numbers.
    """
    dtype = dtypes.get(definition.time or "")
    if dtype is None:
        return
    user = _user_of_times(definition)
    problem = _wrong_type(definition, dtype, user) if user else ""
    if problem:
        yield problem
    elif definition.time_unit is not None and not dtype.is_numeric():
        yield (
            f"data.time_unit: is of times that are numbers, but column '{definition.time}' is "
            f"{dtype}; remove it"
        )
    elif user:
        unit = unit_of(dtype, definition.time_unit)
        for key, span in _lengths(definition):
            if span.whole(unit) is None:
                yield (
                    f"data.{key}: must be a whole number of {unit}, in which column "
                    f"'{definition.time}' counts, got {span}"
                )


def reads_moments(definition: DataDefinition) -> bool:
    """Whether something reads the moments of rows."""
    return bool(_user_of_times(definition))


def _user_of_times(definition: DataDefinition) -> str:
    """The key of what reads the moments of rows, empty if nothing does."""
    features = definition.features
    if features.events is not None:
        return "features.events"
    if features.session is not None:
        return "features.session"
    if features.sequences:
        return "features.sequences"
    return "rank.visit" if definition.rank is not None and definition.rank.visit else ""


def _wrong_type(definition: DataDefinition, dtype: pl.DataType, user: str) -> str:
    must = f"data.time: column '{definition.time}' must hold the moment of each row"
    if isinstance(dtype, pl.Date):
        return f"{must} for {user}, got whole days; {BY_DAYS}, or name a column of datetimes"
    if isinstance(dtype, pl.Datetime):
        return ""
    if not (dtype.is_integer() or dtype.is_float()):
        return f"{must} for {user} as datetimes or whole numbers, got {dtype}; cast it to datetimes"
    if definition.time_unit is None:
        return (
            f"data.time_unit: must say for {user} what the numbers of column '{definition.time}' "
            "count: s, ms, us or ns; it is missing"
        )
    return ""


def _lengths(definition: DataDefinition) -> Iterator[tuple[str, TimeSpan]]:
    """Yield every length of time with its key."""
    features = definition.features
    if definition.rank is not None and definition.rank.visit is not None:
        yield "rank.visit", definition.rank.visit
    if features.events is not None:
        for window in features.events.windows:
            if isinstance(window, TimeSpan):
                yield "features.events.windows", window
        if features.events.half_life is not None:
            yield "features.events.half_life", features.events.half_life
    yield from _delays(features)
    if features.session is not None:
        yield "features.session.gap", features.session.gap


def _delays(features: FeatureDefinition) -> Iterator[tuple[str, TimeSpan]]:
    """Yield how long labels are not known, with its key."""
    if features.events is not None and isinstance(features.events.labels_after, TimeSpan):
        yield "features.events.labels_after", features.events.labels_after
    for name, sequence in features.sequences.items():
        if sequence.labels_after is not None:
            yield f"features.sequences.{name}.labels_after", sequence.labels_after


def event_value_problem(definition: DataDefinition, frame: pl.DataFrame) -> str:
    """What is wrong with the moments of rows, whose column has a right type; empty if nothing."""
    user = _user_of_times(definition)
    if not user or definition.time is None:
        return ""
    dtype = frame.schema[definition.time]
    unit = unit_of(dtype, definition.time_unit)
    value = known_column(definition.time, dtype)
    is_right = pl.lit(value=True)
    if dtype.is_float():
        is_right = (value == value.floor()) & (value.abs() <= LARGEST_FLOAT)
    elif dtype in (pl.UInt64, pl.Int128, pl.UInt128):
        is_right = value.is_between(0, LARGEST)
    time = value.cast(pl.Int64, strict=False)
    since_midnight = time % (NANOSECONDS["d"] // NANOSECONDS[unit])
    facts = frame.lazy().select(
        num_wrong=(~is_right).sum(),
        first=time.min(),
        last=time.max(),
        is_whole_days=since_midnight.min() == since_midnight.max(),
    )
    num_wrong, first, last, is_whole_days = facts.collect(engine="streaming").row(0)
    where = f"data.time: column '{definition.time}' must hold"
    if num_wrong:
        return (
            f"{where} whole numbers of 64 bits for {user}, got {num_wrong:,} others; multiply it "
            "so that it counts a finer time_unit, and round"
        )
    if first == last:
        got = "no time in any row" if first is None else "the same time in every row"
        return f"{where} times that differ for {user}, got {got}; leave {user} out"
    if last - first > LONGEST:
        return (
            f"{where} times within {LONGEST:,} {unit} for {user}, got {first} to {last}; "
            "correct the times, or write null where they are unknown"
        )
    if is_whole_days:
        return f"{where} the moment of each row for {user}, got whole days; {BY_DAYS}"
    return _no_known_label(definition, (last - first) * NANOSECONDS[unit])


def _no_known_label(definition: DataDefinition, nanoseconds: int) -> str:
    """What is wrong if a label is never known within the time from the first row to the last."""
    for key, delay in _delays(definition.features):
        if delay.nanoseconds >= nanoseconds:
            remedy = "remove it with 'labels' to use none"
            if key == "features.events.labels_after":
                remedy = "write never to use no labels"
            return (
                f"data.{key}: must be shorter than the time from the first row to the last, "
                f"{nanoseconds / NANOSECONDS['s']:,.0f} s in column '{definition.time}', got "
                f"{delay}: no label would be known; {remedy}, or check data.time_unit"
            )
    return ""
