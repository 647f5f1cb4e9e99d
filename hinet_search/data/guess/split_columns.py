"""Split columns: the column that says train, valid or test in every row, and similar ones."""

from collections.abc import Sequence

import polars as pl

from hinet_search.data.columns import SPLITS
from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.names import SPLIT_WORDS, parts_of
from hinet_search.data.guess.roles import ColumnRole
from hinet_search.data.raw_values import listed
from hinet_search.data.reading import ROW_NUMBER
from hinet_search.data.splits import codes_in
from hinet_search.study.data_definition import ColumnSplit, RandomSplit, TimeSplit

SPLIT_CODE = "split code"  # a column with the place of a row's split in SPLITS


def parts_in(column: ColumnFacts) -> dict[str, str]:
    """The value for each of train, valid and test that a column has; empty where it has others."""
    return parts_of([value for value, _ in column.values])


def find_split(columns: Sequence[ColumnFacts]) -> ColumnRole | None:
    """A column with a value for each of train, valid and test; one named like a split first."""
    splits = [column for column in columns if len(parts_in(column)) == len(SPLITS)]
    if not splits:
        return None
    splits.sort(key=lambda column: not column.has_word(SPLIT_WORDS))
    first, *others = splits
    doubt = f"or by one of: {listed([column.name for column in others])}?" if others else ""
    return ColumnRole(first, first.values_in_words, doubt)


def split_reason(column: ColumnFacts) -> str:
    """Why a column of words of a split, which is not the split, has no role; empty for others."""
    parts = parts_in(column)
    missing = [part for part in SPLITS if part not in parts]
    if not parts:
        return ""
    if not missing:
        return "another split: it says train, valid and test too"
    return f"a split without {' and '.join(missing)}: with rows of every part it could split"


def with_split_codes(
    lazy: pl.LazyFrame,
    column: ColumnRole | None,
    time: ColumnRole | None,
    cuts: tuple[str, str] | None,
) -> pl.LazyFrame:
    """The numbered table with the split of every row, as the written definition assigns it.

    It is that of the column, else by the cuts of the time, else random.
    """
    split: ColumnSplit | TimeSplit | RandomSplit
    if column is not None:
        key = column.column.key
        split = ColumnSplit(by="column", column=column.name, **parts_in(column.column))
    elif time is not None and cuts is not None:
        key = time.column.key
        valid_from, test_from = map(int, cuts) if time.column.is_number else cuts
        split = TimeSplit(by="time", valid_from=valid_from, test_from=test_from)
    else:
        key = ROW_NUMBER
        split = RandomSplit(by="random")
        lazy = lazy.with_row_index(ROW_NUMBER)

    def codes(values: pl.Series) -> pl.Series:
        return pl.Series(codes_in(split, values), dtype=pl.UInt8)

    code = pl.col(key).map_batches(codes, return_dtype=pl.UInt8, is_elementwise=True)
    return lazy.with_columns(code.alias(SPLIT_CODE))
