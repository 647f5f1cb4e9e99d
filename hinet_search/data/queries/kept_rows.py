"""Kept rows: run a query once and keep its rows, in plain types, in the cache.

The types of columns are the same whichever driver has read them; others stay as they are.

| type in the database | column |
|---|---|
| integer | whole numbers of 64 bits |
| decimal, without digits after the point | the same if all fit, else 64-bit floats |
| decimal with such digits, float | 64-bit floats |
| timestamp with a time zone | datetime in UTC |
| UUID, JSON, enumeration | text |
"""

import hashlib
import time
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from hinet_search.common.errors import DataError
from hinet_search.data.kept_parts import (
    KeptRows,
    Say,
    keep,
    part_of,
    parts_in,
    write_again,
)
from hinet_search.data.queries.address import QueryAddress
from hinet_search.data.queries.content_hash import ContentHash
from hinet_search.data.queries.engines import QUERY_KEY, batches

FOLDER = ".queries"
SECONDS_BETWEEN_NEWS = 10


@dataclass(frozen=True)
class Query:
    """A query of a database, and the name under which its rows are kept."""

    address: QueryAddress
    text: str
    snapshot: str

    def kept_in(self, cache: Path) -> Path:
        """The folder of its rows, whether it exists or not; user and password do not matter."""
        words = f"{self.address.shown}\n{self.text}\n{self.snapshot}"
        return cache / FOLDER / hashlib.blake2b(words.encode(), digest_size=8).hexdigest()


def keep_rows(query: Query, folder: Path, cache: Path, say: Say) -> KeptRows:
    """Read the manifest of a query's rows; run the query where there are none.

    `folder` is the folder of the study. Errors are those of the engine and of `keep`; DataError
    for no rows.
    """
    target = query.kept_in(cache)

    def run(part: Path) -> tuple[int, str]:
        say(f"running the query on {query.address.shown}")
        _write_parts(part, query, folder, say)
        content = ContentHash()
        for file in parts_in(part):
            content.add(pl.read_parquet(file))
        say(f"kept {content.num_rows:,} rows of the query in {target}")
        return content.num_rows, content.digest()

    return keep(target, run, say, "runs the query")


def scan_kept(query: Query, cache: Path, kept: KeptRows) -> pl.LazyFrame:
    """The rows in the order in which the query returned them."""
    folder = query.kept_in(cache)
    return pl.scan_parquet([folder / name for name in kept.files], glob=False)


def _write_parts(folder: Path, query: Query, study: Path, say: Say) -> None:
    """Write a file for every batch; those of other types than all together are written again."""
    types: dict[str, pl.DataType] = {}
    num_rows = 0
    said_at = time.monotonic()
    with closing(batches(query.address, query.text, study)) as read:
        for number, batch in enumerate(read):
            frame = _plain_frame(batch)
            for name, dtype in frame.schema.items():
                types[name] = _common_type(name, types.get(name, dtype), dtype)
            frame.write_parquet(part_of(folder, 0, number))
            num_rows += len(frame)
            if len(frame) and time.monotonic() - said_at > SECONDS_BETWEEN_NEWS:
                say(f"read {num_rows:,} rows")
                said_at = time.monotonic()
    if num_rows == 0:
        raise DataError(f"{QUERY_KEY}: must return rows, got none")
    write_again(folder, types)


def _plain_frame(batch: pa.RecordBatch) -> pl.DataFrame:
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


def _common_type(name: str, one: pl.DataType, other: pl.DataType) -> pl.DataType:
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
        ids = [value and str(uuid.UUID(str(value))) for value in column.to_pylist()]
        return pl.Series(name, ids, dtype=pl.String)
    if isinstance(column.type, pa.OpaqueType):
        # A type that Arrow does not have; PostgreSQL's numeric comes as text.
        if not pa.types.is_string(column.storage.type):
            raise _unreadable(name, column.type.type_name)
        texts = pl.Series(name, pl.from_arrow(column.storage))
        if column.type.type_name != "numeric":
            return texts
        return _numbers(texts, are_whole=not texts.str.contains(r"[^-0-9]").any())
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    try:
        values = pl.Series(name, pl.from_arrow(column))
    except (pl.exceptions.PolarsError, pa.ArrowException) as error:
        raise _unreadable(name, str(column.type)) from error
    return _plain_series(values)


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
