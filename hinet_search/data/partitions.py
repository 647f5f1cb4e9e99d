"""Partitions: columns of the rows that stand in names of folders, `day=2026-05-03`.

Shape legend: F files of a table.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

import polars as pl

from hinet_search.data.reading import OWN
from hinet_search.data.table_files import TableFiles

PATH = f"{OWN}path"  # the column with the file of every row
_NO_VALUE = ("", "__HIVE_DEFAULT_PARTITION__")
_WHOLE_NUMBER = r"^-?[0-9]{1,18}$"


def partition_of(table: TableFiles, file: Path) -> dict[str, str | None]:
    """The values in the names of a file's folders, percent signs decoded; None where it is none."""
    folders = table.name_of(file).split("/")[:-1]
    pairs = [folder.partition("=") for folder in folders if "=" in folder]
    return {unquote(key): None if value in _NO_VALUE else unquote(value) for key, _, value in pairs}


def partition_columns(
    table: TableFiles, types: Mapping[str, pl.DataType] | None = None
) -> list[pl.Series]:
    """A column (F,) for every key; all files must have the same keys.

    Values are of their type in `types` if all are, else whole numbers, dates or texts.
    """
    values = [partition_of(table, file) for file in table.files]
    columns = []
    for key in values[0]:
        texts = pl.Series(key, [of_file[key] for of_file in values], dtype=pl.String)
        columns.append(_typed(texts, (types or {}).get(key)))
    return columns


def _typed(texts: pl.Series, wanted: pl.DataType | None) -> pl.Series:
    if wanted is not None:
        values = texts.cast(wanted, strict=False)
        if values.null_count() == texts.null_count():
            return values
    present = texts.drop_nulls()
    if present.is_empty():
        return texts
    if present.str.contains(_WHOLE_NUMBER).all():
        return texts.cast(pl.Int64)
    dates = texts.str.to_date("%Y-%m-%d", strict=False)
    return dates if dates.null_count() == texts.null_count() else texts


def with_partitions(
    lazy: pl.LazyFrame, table: TableFiles, columns: list[pl.Series]
) -> pl.LazyFrame:
    """The rows with the value of each column for their file, which PATH names; PATH is dropped."""
    paths = pl.Series([str(file) for file in table.files])
    values = [_of_files(paths, column) for column in columns]
    return lazy.with_columns(values).drop(PATH)


def _of_files(paths: pl.Series, column: pl.Series) -> pl.Expr:
    """The value of `column` (F,) for the file in PATH.

    Batch by batch: a lazy replacement is a join, which holds all rows.
    """

    def value_of(files: pl.Series) -> pl.Series:
        return files.replace_strict(paths, column, return_dtype=column.dtype)

    values = pl.col(PATH).map_batches(value_of, return_dtype=column.dtype, is_elementwise=True)
    return values.alias(column.name)
