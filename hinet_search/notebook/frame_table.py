"""Frame table: a frame of Polars, pandas or Arrow as a Parquet file, named by its content."""

from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
from polars.exceptions import PolarsError

from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.common.files import replacing
from hinet_search.data.fingerprint import ContentHash
from hinet_search.data.reading import reading, shorten

ROWS_AT_ONCE = 2**18  # that are hashed together


def frame_of(data: Any) -> pl.DataFrame:
    """Return any frame as a Polars frame with plain texts for categories.

    The index of a pandas frame becomes columns where it has names.
    Errors: ConfigurationError if `data` is no frame; DataError if it has no rows, two columns of
    one name, or values that are no table.
    """
    kind = type(data)
    if isinstance(data, pl.LazyFrame):
        with reading("data"):
            data = data.collect()
    elif kind.__module__.partition(".")[0] == "pandas" and kind.__name__ == "DataFrame":
        if any(name is not None for name in data.index.names):
            data = data.reset_index()
        data = _converted(pl.from_pandas, data)
    elif not isinstance(data, pl.DataFrame) and hasattr(data, "__arrow_c_stream__"):
        data = _converted(pl.from_arrow, data)
    if not isinstance(data, pl.DataFrame):
        raise ConfigurationError(
            "data must be a Polars, pandas or Arrow frame, or the path of a table, "
            f"got {kind.__qualname__}"
        )
    if data.is_empty():
        shape = f"{data.height} rows and {data.width} columns"
        raise DataError(f"data: a frame must have rows and columns, got {shape}")
    if objects := [name for name, dtype in data.schema.items() if dtype == pl.Object]:
        raise DataError(
            f"data: column '{objects[0]}' holds Python objects, which no table has",
            remedy="turn them into numbers, texts or dates, or drop the column",
        )
    return data.with_columns(cs.categorical().cast(pl.String), cs.enum().cast(pl.String))


def stored_table(frame: pl.DataFrame, folder: Path) -> Path:
    """Return the Parquet file of a frame in the folder; write it unless it is there.

    Errors: DiskFull; EnvironmentFault if the folder cannot be written.
    """
    path = folder / f"{content_hash(frame)}.parquet"
    if not path.is_file():
        with replacing(path, int(frame.estimated_size())) as part:
            frame.write_parquet(part)
    return path


def content_hash(frame: pl.DataFrame) -> str:
    """Return 32 hexadecimal digits of names, types and values, however the frame is in memory.

    No version of a library is part of it, so that a study resumes after an update.
    """
    content = ContentHash()
    for rows in frame.iter_slices(ROWS_AT_ONCE):
        content.add(rows)
    return content.digest()


def _converted(convert: Any, data: Any) -> Any:
    """Convert a frame of another library; Arrow's errors are TypeError and ValueError too."""
    try:
        return convert(data)
    except (PolarsError, TypeError, ValueError, NotImplementedError) as error:
        raise DataError(
            f"data: the frame cannot be read as a table: {shorten(str(error))}",
            remedy="give every column a name of its own, and values of one type",
        ) from error
