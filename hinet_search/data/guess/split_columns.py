"""Split columns: the column that says train, valid or test in every row, and similar ones."""

from collections.abc import Sequence

import polars as pl

from hinet_search.data.columns import SPLITS
from hinet_search.data.frequent import SPLIT_CODE
from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.names import NUMBERED_PARTS, SPLIT_WORDS, has_word, parts_of
from hinet_search.data.guess.roles import ColumnRole
from hinet_search.data.raw_values import listed
from hinet_search.data.reading import ROW_NUMBER
from hinet_search.data.splits import codes_in
from hinet_search.study.data_definition import ColumnSplit, RandomSplit, TimeSplit


def find_split(columns: Sequence[ColumnFacts]) -> ColumnRole | None:
    """A column with a value for each of train, valid and test; one named like a split first."""
    splits = [column for column in columns if _may_split(column)]
    if not splits:
        return None
    splits.sort(key=lambda column: (not has_word(column.name, SPLIT_WORDS), _is_numbered(column)))
    first, *others = splits
    doubts = []
    if _is_numbered(first):
        doubts.append("is 0 train, 1 valid and 2 test? or are they folds of the same kind?")
    if others:
        doubts.append(f"or by one of: {listed([column.name for column in others])}?")
    return ColumnRole(first, first.values_in_words, "; ".join(doubts))


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
        values = parts_of(_values(column.column))
        split = ColumnSplit(by="column", column=column.column.name, **values)
    elif time is not None and cuts is not None:
        key = time.column.key
        valid_from, test_from = cuts
        if time.column.is_number:
            split = TimeSplit(by="time", valid_from=int(valid_from), test_from=int(test_from))
        else:
            split = TimeSplit(by="time", valid_from=valid_from, test_from=test_from)
    else:
        key = ROW_NUMBER
        split = RandomSplit(by="random")
        lazy = lazy.with_row_index(ROW_NUMBER)

    def codes(values: pl.Series) -> pl.Series:
        return pl.Series(codes_in(split, values), dtype=pl.UInt8)

    code = pl.col(key).map_batches(codes, return_dtype=pl.UInt8, is_elementwise=True)
    return lazy.with_columns(code.alias(SPLIT_CODE))


def split_reason(column: ColumnFacts) -> str:
    """Why a column of words of a split, which is not the split, has no role; empty for others."""
    parts = parts_of(_values(column))
    if not parts or (len(parts) == len(SPLITS) and not _may_split(column)):
        return ""
    if len(parts) == len(SPLITS):
        return "another split: it says train, valid and test too"
    missing = [part for part in SPLITS if part not in parts]
    return f"a split without {' and '.join(missing)}: with rows of every part it could split"


def _may_split(column: ColumnFacts) -> bool:
    """Whether it has a value for every part; numbers need the name of a split."""
    is_complete = len(parts_of(_values(column))) == len(SPLITS)
    return is_complete and (not _is_numbered(column) or has_word(column.name, SPLIT_WORDS))


def _is_numbered(column: ColumnFacts) -> bool:
    return set(_values(column)) == set(NUMBERED_PARTS)


def _values(column: ColumnFacts) -> list[str]:
    return [value for value, _ in column.values]
