"""Frame table: a frame of Polars, pandas or Arrow as a Parquet file, named by its content."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
from polars.exceptions import PolarsError

from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.common.files import replacing
from hinet_search.data.content_hash import ContentHash
from hinet_search.data.reading import reading, shorten

ROWS_AT_ONCE = 2**18  # that are hashed together
FORMS = "a Polars, pandas or Arrow frame, or the path of a table"


def frame_of(data: Any) -> pl.DataFrame:
    """Return any frame as a Polars frame with plain texts for categories.

    The index of a pandas frame becomes columns where it has names.
    Errors: ConfigurationError if `data` is no frame; DataError if it has no rows, two columns of
    one name, or values that are no table.
    """
    frame = _converted(data)
    if frame.is_empty():
        shape = f"{frame.height} rows and {frame.width} columns"
        raise DataError(f"data: a frame must have rows and columns, got {shape}")
    objects = [name for name, kind in frame.schema.items() if kind == pl.Object]
    if objects:
        raise DataError(
            *(
                f"data: column '{name}' holds Python objects, which no table has"
                for name in objects
            ),
            remedy="turn them into numbers, texts or dates, or drop the columns",
        )
    return frame.with_columns(cs.categorical().cast(pl.String), cs.enum().cast(pl.String))


def stored_table(frame: pl.DataFrame, folder: Path) -> Path:
    """Return the Parquet file of a frame in the folder; write it unless it is there.

    Errors: DiskFull; EnvironmentFault if the folder cannot be written.
    """
    path = folder / f"{content_hash(frame)}.parquet"
    if not path.is_file():
        with writing(path), replacing(path, int(frame.estimated_size())) as part:
            frame.write_parquet(part)
    return path


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise EnvironmentFault, with what to do, if the file cannot be written in the block."""
    try:
        yield
    except OSError as error:
        raise EnvironmentFault(
            f"{path} cannot be written: {error.strerror}",
            remedy="name a folder that can be written: output=...",
        ) from error


def content_hash(frame: pl.DataFrame) -> str:
    """Return 32 hexadecimal digits of names, types and values, however the frame is in memory.

    No version of a library is part of it, so that a study resumes after an update.
    """
    content = ContentHash()
    for rows in frame.iter_slices(ROWS_AT_ONCE):
        content.add(rows)
    return content.digest()


def _converted(data: Any) -> pl.DataFrame:
    if isinstance(data, pl.DataFrame):
        return data
    if isinstance(data, pl.LazyFrame):
        with reading("data"):
            return data.collect()
    if type(data).__module__.partition(".")[0] == "pandas" and type(data).__name__ == "DataFrame":
        return _of_pandas(data)
    if not hasattr(data, "__arrow_c_stream__") and not hasattr(data, "__arrow_c_array__"):
        raise ConfigurationError(f"data must be {FORMS}, got {_kind(data)}")
    _refuse_repeated(list(getattr(getattr(data, "schema", None), "names", ())))
    frame = pl.from_arrow(data)
    if not isinstance(frame, pl.DataFrame):
        raise ConfigurationError(f"data must be {FORMS}, got a single column: {_kind(data)}")
    return frame


def _of_pandas(data: Any) -> pl.DataFrame:
    import pyarrow as pa

    if any(name is not None for name in data.index.names):
        data = data.reset_index()
    _refuse_repeated([str(name) for name in data.columns])
    try:
        return pl.from_pandas(data)
    except (pa.ArrowException, PolarsError, TypeError, ValueError) as error:
        raise DataError(
            f"data: the pandas frame cannot be read as a table: {shorten(str(error))}",
            remedy="give every column values of one type",
        ) from error


def _refuse_repeated(names: list[str]) -> None:
    repeated = {name: count for name, count in Counter(names).items() if count > 1}
    if repeated:
        raise DataError(
            *(
                f"data: a frame must have one column of each name, got '{name}' {count} times"
                for name, count in repeated.items()
            ),
            remedy="rename or drop the others",
        )


def _kind(data: Any) -> str:
    return f"{type(data).__module__}.{type(data).__qualname__}".removeprefix("builtins.")
