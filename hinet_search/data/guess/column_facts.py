"""Facts: what every column of a table holds, and why it cannot be an input as it is.

The facts are the input of the guesses, and are read in two streamed passes.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from hinet_search.common.amounts import percent
from hinet_search.data.checks import INTEGERS, is_list_of
from hinet_search.data.derived.days import DAY_SECONDS
from hinet_search.data.guess.names import ID_WORDS, has_word, parts_of
from hinet_search.data.numbers import is_no_number, parsed
from hinet_search.data.raw_values import TEXTS, as_text
from hinet_search.data.reading import is_pattern
from hinet_search.study.event_definition import TimeUnit

FEW_VALUES = 50  # up to so many distinct values are counted one by one
FEW_NUMBERS = 50  # up to so many distinct whole numbers are taken for codes, more for amounts
ISO_DATE = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?$"
DECIMAL_COMMA = r"^[+-]?\d+(,\d+)?$"
LEADING_ZERO = r"^\s*[+-]?0\d"  # of a code, such as 02139
DATES = (19_000_101, 21_000_101)  # such as 20260503
# Years of the rows of a log: numbers that mean such a moment surely are moments.
FIRST_YEAR, LAST_YEAR = 1990, 2050
YES_AND_NO = ("yes no", "y n", "true false", "t f", "1 0", "ja nein", "oui non", "si no", "是 否")
# A text with more distinct values than this share of the rows says nothing about other rows.
MAX_DISTINCT_SHARE = 0.5

LISTS = "lists; to use them see `lists` in docs/data.md: they must end before the first row"
NESTED = "lists of lists or objects: as lists of one of its fields it could be one of `lists`"
REASONS_OF_TYPES = {
    pl.List: NESTED,
    pl.Array: NESTED,
    pl.Time: "a time of day: as a number, such as its hour, it could be a feature",
    pl.Duration: "a duration: as a number, such as its seconds, it could be a feature",
}


@dataclass(frozen=True)
class Unit:
    """A unit of time since 1970; moments of rows in it are from `low` to below `high`."""

    key: TimeUnit
    name: str
    a_second: int
    low: float
    high: float

    @property
    def day(self) -> int:
        """The length of a day."""
        return DAY_SECONDS * self.a_second


UNITS = (
    Unit("s", "seconds", 1, 1e8, 1e10),
    Unit("ms", "milliseconds", 10**3, 1e11, 1e13),
    Unit("us", "microseconds", 10**6, 1e14, 1e16),
    Unit("ns", "nanoseconds", 10**9, 1e17, 1e19),
)


@dataclass(frozen=True)
class ColumnFacts:
    """What one column holds.

    `key` is its name in the `numbered` table. `values` are (value as text, number of rows), the
    most frequent first, where there are at most FEW_VALUES. `low` and `high` are of numbers
    (without NaN and infinity), dates and datetimes; None for years without four digits. Texts that
    are all numbers are numbers, and blank ones among them are missing. `text_reason` says why texts
    of a sample cannot be used. A label that is made of a column of numbers has the name of that
    column and the rule of a 1 in `made_of` and `rule`.
    """

    name: str
    key: str
    dtype: pl.DataType
    rows: int
    missing: int
    num_values: int  # distinct values without null; approximate where there are many
    low: Any = None
    high: Any = None
    not_finite: int = 0
    is_whole: bool = False  # integers, or other numbers that are all whole
    values: tuple[tuple[str, int], ...] = ()
    holds_numbers_as_text: bool = False  # without leading zeros, which are of codes
    text_reason: str = ""
    made_of: str = ""
    rule: str = ""

    def has_word(self, words: str) -> bool:
        """Whether its name has one of the words."""
        return has_word(self.name, words)

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers, as text too; true and false are none."""
        return self.dtype.is_numeric() or self.holds_numbers_as_text

    @property
    def is_text(self) -> bool:
        """Whether it holds texts, categories included."""
        return isinstance(self.dtype, TEXTS)

    @property
    def positive(self) -> str:
        """The value, as text, that is the 1 of a label; empty where the column is no label.

        A label has two values: 0 and 1, false and true, no and yes.
        """
        if len(self.values) != 2:
            return ""
        if self.dtype.is_numeric():
            numbers = {float(text): text for text, _ in self.values}
            return numbers[1] if set(numbers) == {0, 1} else ""
        texts = {text.strip().lower(): text for text, _ in self.values}
        for yes, no in map(str.split, YES_AND_NO):
            if set(texts) == {yes, no}:
                return texts[yes]
        return ""

    @property
    def is_like_moments(self) -> bool:
        """Whether it holds whole numbers of the size of moments."""
        ranges = (DATES, *((unit.low, unit.high) for unit in UNITS))
        return self.is_whole and any(low <= self.low and self.high < high for low, high in ranges)

    @property
    def parts(self) -> dict[str, str]:
        """The value for each of train, valid and test that it has; empty where it has others."""
        return parts_of([value for value, _ in self.values])

    @property
    def unit(self) -> Unit | None:
        """The unit of a column of time; None where its values are days, or no numbers."""
        if not self.is_number or self.high < UNITS[0].low:
            return None
        return next((unit for unit in UNITS if self.high < unit.high), None)

    @property
    def period(self) -> str:
        """`seconds, 2023-11-14 to 2023-12-01`; empty where these are no years of a log."""
        first, last = (_date_of(int(moment), self.unit) for moment in (self.low, self.high))
        if first is None or last is None or first.year < FIRST_YEAR or last.year > LAST_YEAR:
            return ""
        return f"{self.unit.name if self.unit else 'dates'}, {first} to {last}"

    @property
    def is_binary(self) -> bool:
        """Whether it holds 0 and 1 (or true and false) in every row, both of them."""
        return bool(self.positive) and self.missing == 0 and not self.is_text

    @property
    def holds_few_counts(self) -> bool:
        """Whether it holds counts of events, small whole numbers, and no codes."""
        is_count = self.dtype.is_integer() and self.low == 0 and self.missing == 0
        is_id = self.has_word(ID_WORDS)
        return is_count and not is_id and 2 < self.num_values <= FEW_NUMBERS

    @property
    def has_amounts(self) -> bool:
        """Whether it can be the label of a task of amounts: numbers of at least 0.

        Those of 0 and 1, and few counts, are labels of yes and no.
        """
        if not self.dtype.is_numeric() or self.low is None or self.not_finite:
            return False
        is_yes_or_no = bool(self.positive) or self.holds_few_counts
        return bool(self.low >= 0) and self.num_values > 1 and not is_yes_or_no

    @property
    def missing_in_words(self) -> str:
        """`, 12 % missing`; empty where every row has a value."""
        return f", {percent(self.missing / self.rows)} missing" if self.missing else ""

    @property
    def values_in_words(self) -> str:
        """`about 1,204 values`, with the share that is missing."""
        plural = "" if self.num_values == 1 else "s"
        return f"{in_words(self.num_values)} value{plural}{self.missing_in_words}"


def _date_of(moment: int, unit: Unit | None) -> date | None:
    """The date of a moment, if Python can tell."""
    try:
        if unit is None:
            return datetime.strptime(str(moment), "%Y%m%d").replace(tzinfo=UTC).date()
        return datetime.fromtimestamp(moment // unit.a_second, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None


def in_words(num_values: int) -> str:
    """`12`, or `about 1,204`: only few distinct values are counted one by one."""
    return f"about {num_values:,}" if num_values > FEW_VALUES else str(num_values)


def numbered(lazy: pl.LazyFrame) -> pl.LazyFrame:
    """The table with columns named c0, c1, ...: Polars takes names like `^a.*$` for patterns."""
    names = lazy.collect_schema().names()
    return lazy.rename({name: f"c{position}" for position, name in enumerate(names)})


def facts_of(lazy: pl.LazyFrame) -> tuple[ColumnFacts, ...]:
    """The facts of every column, in order."""
    names = lazy.collect_schema().names()
    lazy = numbered(lazy)
    dtypes = dict(lazy.collect_schema())
    counts: list[pl.Expr] = []
    for key, dtype in dtypes.items():
        counts += [count.alias(f"{fact} {key}") for fact, count in _counts(key, dtype).items()]
    counted = (
        lazy.select(pl.len().alias("rows"), *counts).collect(engine="streaming").row(0, named=True)
    )
    few_valued = []
    for key, dtype in dtypes.items():
        num_values = counted.get(f"num {key}", 0)
        if 0 < num_values <= FEW_VALUES and not dtype.is_temporal():
            few_valued.append(key)
    values = _values(lazy, few_valued)
    sample = lazy.head(1000).collect()
    return tuple(
        _facts(name, counted, values.get(key, ()), sample[key])
        for name, key in zip(names, dtypes, strict=True)
    )


def _counts(key: str, dtype: pl.DataType) -> dict[str, pl.Expr]:
    """Expressions for the facts of a column, by name."""
    column = pl.col(key)
    counts = {"missing": column.null_count()}
    if not dtype.is_nested() and dtype not in (pl.Null, pl.Binary, pl.Object):
        present = column.drop_nulls()
        can_approximate = dtype.is_integer() or dtype == pl.String
        counts["num"] = present.approx_n_unique() if can_approximate else present.n_unique()
    if dtype.is_float():
        counts |= _of_floats(column)
    elif isinstance(dtype, TEXTS):
        counts |= _of_floats(parsed(key))
        is_code = column.cast(pl.String).str.contains(LEADING_ZERO)
        is_word = (is_no_number(key) | is_code).fill_null(value=False)
        counts |= {"blank": parsed(key).null_count(), "words": is_word.sum()}
    elif dtype.is_numeric():
        counts |= {"low": column.min(), "high": column.max()}
    elif isinstance(dtype, pl.Date | pl.Datetime):
        # As numbers: Python's dates end in the year 9999, with a panic.
        counts |= {"low": column.min().to_physical(), "high": column.max().to_physical()}
    return counts


def _of_floats(numbers: pl.Expr) -> dict[str, pl.Expr]:
    """Expressions for the facts of numbers."""
    finite = numbers.filter(numbers.is_finite())
    return {
        "low": finite.min(),
        "high": finite.max(),
        "not_finite": (~numbers.is_finite()).sum(),
        "whole": (finite == finite.floor()).all(),
    }


def _facts(
    name: str, counted: dict[str, Any], values: tuple[tuple[str, int], ...], sample: pl.Series
) -> ColumnFacts:
    key = sample.name
    dtype = sample.dtype
    facts = {fact: counted[f"{fact} {key}"] for fact in _counts(key, dtype)}
    are_numbers = facts.get("words") == 0 and facts["low"] is not None
    if are_numbers:
        facts["missing"] = facts["blank"]
    elif isinstance(dtype, TEXTS):
        facts = {"missing": facts["missing"], "num": facts["num"]}
    not_finite = facts.get("not_finite", 0)
    return ColumnFacts(
        name=name,
        key=key,
        dtype=dtype,
        rows=counted["rows"],
        missing=facts["missing"],
        num_values=len(values) or facts.get("num", 0),
        low=_moment(facts.get("low"), dtype),
        high=_moment(facts.get("high"), dtype),
        not_finite=not_finite,
        is_whole=isinstance(dtype, INTEGERS) or (bool(facts.get("whole")) and not not_finite),
        values=values,
        holds_numbers_as_text=are_numbers,
        text_reason=_text_reason(sample.drop_nulls()),
    )


def _values(lazy: pl.LazyFrame, keys: list[str]) -> dict[str, tuple[tuple[str, int], ...]]:
    """The (value as text, number of rows) of each column, the most frequent first."""
    counted = lazy.select(pl.col(key).drop_nulls().value_counts().implode() for key in keys)
    values = {}
    for counts in counted.collect(engine="streaming"):
        key = counts.name
        pairs = counts.explode().struct.unnest().sort(["count", key], descending=[True, False])
        texts = as_text(pairs[key]).to_list()
        values[key] = tuple(zip(texts, pairs["count"].to_list(), strict=True))
    return values


def _moment(value: Any, dtype: pl.DataType) -> Any:
    """A lowest or highest value; a date from its number, None if Python cannot hold it."""
    if value is None or not isinstance(dtype, pl.Date | pl.Datetime):
        return value
    series = pl.Series([value]).cast(dtype)
    return series.item() if 1 < (series.dt.year().item() or 0) < 9999 else None


def _text_reason(texts: pl.Series) -> str:
    """Why texts cannot be used; empty when they can, and for other values."""
    if texts.dtype != pl.String or texts.is_empty():
        return ""
    if texts.str.contains(ISO_DATE).all():
        return "dates as text; as a column of dates it could split by time"
    if texts.str.contains(DECIMAL_COMMA).all() and texts.str.contains(",").any():
        return "numbers as text, with a decimal comma: with a point they could be a feature"
    return ""


def name_reason(name: str) -> str:
    """Why a column of that name cannot be read; empty when it can."""
    if not name:
        return "a column without a name"
    if is_pattern(name):
        return "a name that Polars, which reads the table, takes for a pattern: rename it"
    return ""


def unusable_reason(column: ColumnFacts) -> str:
    """Why a column cannot be used whatever its role; empty when it can."""
    if column.rows == column.missing:
        return "no value in any row"
    if column.rows == column.missing + column.not_finite:
        return "no finite number in any row"
    if column.num_values == 1:
        where = "wherever it has one" if column.missing else "in every row"
        return f"the same value {where}"
    return name_reason(column.name) or column.text_reason or _type_reason(column.dtype)


def _type_reason(dtype: pl.DataType) -> str:
    """Why values of a type cannot be used; empty when they can."""
    if is_list_of(dtype, *INTEGERS, *TEXTS):
        return LISTS
    is_list_of_numbers = isinstance(dtype, pl.List | pl.Array) and dtype.inner.is_numeric()
    if is_list_of_numbers:
        return "lists of numbers: as a column for each entry they could be features"
    if dtype in (pl.Binary, pl.Object, pl.Null, pl.Unknown):
        return f"values of type {dtype}"
    return REASONS_OF_TYPES.get(dtype.base_type(), "")


def feature_reason(column: ColumnFacts) -> str:
    """Why a column without another role cannot be a feature as it is; empty when it can."""
    if isinstance(column.dtype, pl.Date | pl.Datetime):
        return "a date: as a number, such as days before the row, it could be a feature"
    if not column.is_number and column.num_values > MAX_DISTINCT_SHARE * column.rows:
        return "nearly every row has its own"
    return ""
