"""Tables: read the Parquet files of an exported model and check their columns, types and values."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
from polars.exceptions import PolarsError

from hinet_search.common.errors import DataError
from hinet_search.data.checks import INTEGERS
from hinet_search.data.raw_values import TEXTS
from hinet_search.data.reading import FAILURES
from hinet_search.serving.sealed import AGAIN

Types = Mapping[str, pl.DataType]

SMALL_INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32)
MAX_ROWS_PER_BYTE = 100  # distinct rows do not compress so well


def read_table(path: Path) -> pl.DataFrame:
    """Read a table; DataError when the file is no Parquet or claims more rows than it can hold.

    A few bytes can claim any number of equal rows.
    """
    try:
        claimed = pq.read_metadata(path).num_rows
        is_possible = claimed <= MAX_ROWS_PER_BYTE * path.stat().st_size
        wanted = f"hold at most {MAX_ROWS_PER_BYTE} rows a byte"
        require(path, is_possible, wanted, f"says {claimed:,} rows")
        return pl.read_parquet(path, glob=False, hive_partitioning=False)
    except (*FAILURES, OSError) as error:
        raise DataError(
            f"{path}: must be a Parquet table, but cannot be read: {str(error).splitlines()[0]}",
            remedy=AGAIN,
        ) from error


def as_typed(
    path: Path,
    table: pl.DataFrame,
    types: Types,
    key: Sequence[str] = (),
    nullable: Sequence[str] = (),
) -> pl.DataFrame:
    """Check the table of a file and cast it to `types`.

    DataError unless it has exactly these columns and types, no null but in `nullable` columns, and
    no two rows with the same `key`.
    """
    wanted = f"have the columns {', '.join(types)}"
    require(path, table.columns == list(types), wanted, f"has {', '.join(table.columns)}")
    for name, dtype in types.items():
        got = table.schema[name]
        wanted = f"hold {in_words(dtype)} in '{name}'"
        # A column without values fits any type.
        are_comparable = pl.Null in (got, dtype) or kind(plain(got)) == kind(dtype)
        require(path, are_comparable, wanted, f"holds {got}")
    try:
        typed = table.cast({name: dtype for name, dtype in types.items() if dtype != pl.Null})
    except PolarsError as error:
        raise wrong_content(path, "hold values of its types", str(error).splitlines()[0]) from error
    for name in types:
        is_as_needed = name in nullable or not typed[name].has_nulls()
        require(path, is_as_needed, f"hold a value in every row of '{name}'", "one is missing")
    if key:
        is_distinct = not typed.select(key).is_duplicated().any()
        require(path, is_distinct, f"have every {', '.join(key)} once", "one is twice")
    return typed


def require(path: Path, holds: bool, what: str, got: str) -> None:  # noqa: FBT001  it reads as a sentence
    """DataError that `path` must `what` but `got`, unless it `holds`."""
    if not holds:
        raise wrong_content(path, what, got)


def require_range(path: Path, numbers: pl.Series, limits: tuple[float, float], what: str) -> None:
    """DataError that `path` must `what`, unless all numbers are inside limits; NaN is not."""
    require(path, bool(numbers.is_between(*limits).all()), what, "does not")


def wrong_content(path: Path, what: str, got: str) -> DataError:
    """The DataError that a file of a model must `what`, but `got`."""
    return DataError(f"{path}: must {what}, but {got}", remedy=AGAIN)


def plain(dtype: pl.DataType) -> pl.DataType:
    """The type with text in place of categories."""
    if isinstance(dtype, pl.List):
        return pl.List(plain(inner_type(dtype)))
    return pl.String() if isinstance(dtype, pl.Categorical | pl.Enum) else dtype


def widened(dtype: pl.DataType) -> pl.DataType:
    """The type for new rows: Int64 in place of smaller integers, as new ids may be larger."""
    if isinstance(dtype, pl.List):
        return pl.List(widened(inner_type(dtype)))
    return pl.Int64() if dtype in SMALL_INTEGERS else dtype


def kind(dtype: pl.DataType) -> object:
    """What must be equal for two types to be comparable.

    Whole numbers are of one kind whatever their size, and so are datetimes of one zone; any other
    type is a kind of its own.
    """
    if isinstance(dtype, pl.List):
        return ("list", kind(inner_type(dtype)))
    if isinstance(dtype, pl.Datetime):
        return ("moment", dtype.time_zone)
    return next((family for family in (INTEGERS, TEXTS) if dtype in family), dtype)


def in_words(dtype: pl.DataType) -> str:
    """`whole numbers`, `text`, `lists of text`, or the type's own name."""
    if isinstance(dtype, pl.List):
        return f"lists of {in_words(inner_type(dtype))}"
    if dtype in INTEGERS:
        return "whole numbers"
    return "text" if dtype in TEXTS else str(dtype)


def inner_type(dtype: pl.DataType) -> pl.DataType:
    """The type of the entries of a type of lists."""
    assert isinstance(dtype, pl.List), "only lists have an inner type"
    assert isinstance(dtype.inner, pl.DataType), "the inner type of a schema is an instance"
    return dtype.inner
