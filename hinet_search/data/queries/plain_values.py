"""Plain values: the types of a query's columns, the same whichever driver has read them.

| type in the database | column |
|---|---|
| integer | whole numbers of 64 bits |
| decimal, without digits after the point | the same if all fit, else 64-bit floats |
| decimal with such digits, float | 64-bit floats |
| timestamp with a time zone | datetime in UTC |
| UUID, JSON, enumeration | text |

Others stay as they are. Batches of one column may differ: `common_type` has the type for all.
"""

import uuid

import polars as pl
import pyarrow as pa

from hinet_search.common.errors import DataError
from hinet_search.data.queries.statement import QUERY_KEY


def plain_frame(batch: pa.RecordBatch) -> pl.DataFrame:
    """The columns of a batch; DataError for a type that cannot be read or a repeated name."""
    names = batch.schema.names
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise DataError(
            f"{QUERY_KEY}: every column must have a name of its own, "
            f"got more of {', '.join(sorted(repeated))}",
            remedy="rename them in the query with AS",
        )
    return pl.DataFrame(
        [_plain(name, column) for name, column in zip(names, batch.columns, strict=True)]
    )


def common_type(name: str, one: pl.DataType, other: pl.DataType) -> pl.DataType:
    """The type that holds the values of two batches; DataError when there is none."""
    if other in (one, pl.Null):
        return one
    if one == pl.Null:
        return other
    if one.is_numeric() and other.is_numeric():
        return pl.Float64() if one.is_float() or other.is_float() else pl.Int64()
    raise DataError(
        f"{QUERY_KEY}: column '{name}' must have values of one kind, got {one} and {other}",
        remedy=f"convert it in the query, such as CAST({name} AS TEXT) AS {name}",
    )


def _plain(name: str, column: pa.Array) -> pl.Series:
    if isinstance(column.type, pa.UuidType):
        texts = [
            None if value is None else str(uuid.UUID(str(value))) for value in column.to_pylist()
        ]
        return pl.Series(name, texts, dtype=pl.String)
    if isinstance(column.type, pa.OpaqueType):
        return _opaque(name, column)
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    try:
        values = pl.Series(name, pl.from_arrow(column))
    except (pl.exceptions.PolarsError, pa.ArrowException) as error:
        raise _unreadable(name, str(column.type)) from error
    return _plain_series(values)


def _opaque(name: str, column: pa.Array) -> pl.Series:
    """A column of a type that Arrow does not have; PostgreSQL's numeric comes as text."""
    if not pa.types.is_string(column.storage.type):
        raise _unreadable(name, column.type.type_name)
    texts = pl.Series(name, pl.from_arrow(column.storage))
    if column.type.type_name != "numeric":
        return texts
    return _numbers(texts, are_whole=not texts.str.contains(r"[^-0-9]").any())


def _plain_series(values: pl.Series) -> pl.Series:
    dtype = values.dtype
    if isinstance(dtype, pl.Decimal):
        return _numbers(values, are_whole=dtype.scale == 0)
    if dtype == pl.Float32:
        return values.cast(pl.Float64)
    if dtype.is_integer() and dtype != pl.UInt64:
        return values.cast(pl.Int64)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return values.dt.convert_time_zone("UTC")
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return values.cast(pl.String)
    return values


def _numbers(values: pl.Series, *, are_whole: bool) -> pl.Series:
    if are_whole:
        whole = values.cast(pl.Int64, strict=False)
        if whole.null_count() == values.null_count():
            return whole
    return values.cast(pl.Float64)


def _unreadable(name: str, kind: str) -> DataError:
    return DataError(
        f"{QUERY_KEY}: column '{name}' must have a type that tables have, got {kind}",
        remedy=f"convert it in the query, such as CAST({name} AS TEXT) AS {name}",
    )
