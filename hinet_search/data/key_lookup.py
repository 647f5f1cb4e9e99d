"""Key lookup: join batches of rows with the users, items or films of another file.

The keys of the other file are sorted once, so a batch costs hardly more if there are millions of
them. A join would number all of them again for every batch.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hinet_search.data.raw_text import broken


@dataclass(frozen=True)
class KeyLookup:
    """Rows of a file, one per key: `sorted_keys` are its keys, `order` the row of each."""

    rows: pl.DataFrame
    key: str
    file: Path
    sorted_keys: pl.Series
    order: pl.Series


def lookup_of(rows: pl.DataFrame, key: str, file: Path, first_line: int) -> KeyLookup:
    """The lookup of a file's rows; DataError with the line of the first key that is there twice."""
    is_repeated = ~rows[key].is_first_distinct()
    row = is_repeated.arg_max() if is_repeated.any() else None
    if row is not None:
        raise broken(
            file, first_line + row, f"{key} must be there once, got {rows[key][row]} again"
        )
    order = rows[key].arg_sort()
    return KeyLookup(rows.drop(key), key, file, rows[key].gather(order), order)


def joined(rows: pl.DataFrame, lookup: KeyLookup, file: Path, lines: pl.Series) -> pl.DataFrame:
    """The rows with the columns of the lookup.

    DataError with the line of the first row whose key the lookup lacks; `lines` are the rows' lines
    in `file`.
    """
    places, is_known = _places(rows, lookup)
    if not is_known.all():
        row = (~is_known).arg_max()
        assert row is not None, "a row is unknown"
        got = rows[lookup.key][row]
        raise broken(
            file, lines[row], f"{lookup.key} must be one of {lookup.file.name}, got {got!r}"
        )
    return rows.hstack(lookup.rows[places])


def _places(rows: pl.DataFrame, lookup: KeyLookup) -> tuple[pl.Series, pl.Series]:
    """(row of the lookup, whether the lookup has the key) for every row."""
    keys = rows[lookup.key]
    if not len(lookup.order):
        return keys.is_null().cast(pl.UInt32), keys.is_null()  # no key is null
    nearest = lookup.sorted_keys.search_sorted(keys).clip(0, len(lookup.order) - 1)
    return lookup.order.gather(nearest), lookup.sorted_keys.gather(nearest) == keys
