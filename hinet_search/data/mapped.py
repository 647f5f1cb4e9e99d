"""Mapped: rows in files of the cache that are mapped into memory, so that memory holds no table.

Blocks are consecutive rows that are computed at once, so that memory holds no column either. The
space of a file is freed when nothing maps it any more.

Shape legend: R rows.
"""

import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray
from polars.exceptions import ComputeError
from pyarrow import ipc

from hinet_search.common.files import writing

PREFIX = ".hinet-search-rows-"
ABANDONED_SECONDS = 86_400
SUFFIX = ".arrow"
BLOCK_ROWS = 2**19

Value = TypeVar("Value", bound=np.generic)


def blocks_of(num_rows: int) -> Iterator[slice]:
    """Yield slices that cover the rows in order; an empty one if there are no rows."""
    for start in range(0, max(num_rows, 1), BLOCK_ROWS):
        yield slice(start, min(start + BLOCK_ROWS, num_rows))


def is_one_block(num_rows: int) -> bool:
    """Whether so many rows are computed at once."""
    return num_rows <= BLOCK_ROWS


@contextmanager
def temporary_file(folder: Path, suffix: str) -> Iterator[IO[bytes]]:
    """Yield an open file in `folder`, which is removed afterwards; a mapping of it stays valid.

    While `folder` does not exist, the nearest parent that exists holds the file: the rows may still
    turn out to be wrong. Errors: as in `writing`.
    """
    with writing(folder):
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        for abandoned in existing.glob(f"{PREFIX}*"):  # by a killed process
            with suppress(OSError):  # another process removed it, or another user owns it
                if time.time() - abandoned.stat().st_mtime > ABANDONED_SECONDS:
                    abandoned.unlink()
        with tempfile.NamedTemporaryFile(dir=existing, prefix=PREFIX, suffix=suffix) as file:
            yield file


def collect_to_mapped_file(query: pl.LazyFrame, folder: Path) -> pl.DataFrame:
    """All rows in order, streamed to a file in `folder`; its space is freed with the table.

    While `folder` does not exist, the nearest parent that exists holds the file. A table with
    values that Arrow cannot hold (128-bit integers) is kept in memory.

    Errors: what Polars raises when rows cannot be read, EnvironmentFault when a file cannot be read
    or written.
    """
    with temporary_file(folder, SUFFIX) as file:
        try:
            # Pass the open file: by name Polars would create it again.
            query.sink_ipc(file, compression="uncompressed", maintain_order=True)
            return _mapped(file.name)
        except pa.ArrowNotImplementedError:
            return query.collect()
        except ComputeError as error:
            if not str(error).startswith("parquet:"):
                raise
            unread = error  # of the source, as this file is none of Parquet
    raise unread


def mapped_frame(blocks: Iterable[pl.DataFrame], folder: Path | None) -> pl.DataFrame:
    """Join blocks of rows, at least one, in a file of `folder`; without a folder, in memory.

    A single block stays in memory. EnvironmentFault when a file cannot be read or written.
    """
    remaining = iter(blocks)
    first = next(remaining)
    second = next(remaining, None)
    if second is None:
        return first
    if folder is None:
        return pl.concat([first, second, *remaining])
    with temporary_file(folder, SUFFIX) as file:
        table = first.to_arrow()
        with ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
            writer.write_table(second.to_arrow())
            for block in remaining:
                writer.write_table(block.to_arrow())
        file.flush()
        return _mapped(file.name)


def _mapped(name: str) -> pl.DataFrame:
    with pa.memory_map(name) as rows:
        table = ipc.open_file(rows).read_all()
    frame = pl.from_arrow(table, rechunk=False)
    assert isinstance(frame, pl.DataFrame), "from_arrow returns a frame for a table"
    return frame


def mapped_array(blocks: Iterable[NDArray[Value]], folder: Path | None) -> NDArray[Value]:
    """Join blocks, at least one, along their first axis into an array that may be changed.

    It is mapped from a file in `folder`, whose space is freed with the array. A single block, or
    all without a folder, are copied in memory. EnvironmentFault when a file cannot be written.
    """
    remaining = iter(blocks)
    first = next(remaining)
    second = next(remaining, None)
    if second is None:
        return np.array(first)
    if folder is None:
        return np.concatenate([first, second, *remaining])
    num_rows = 0
    with temporary_file(folder, ".values") as file:
        for block in chain([first, second], remaining):
            file.write(np.ascontiguousarray(block).data)
            num_rows += len(block)
        file.flush()
        shape = (num_rows, *first.shape[1:])
        if num_rows == 0:
            return np.empty(shape, first.dtype)
        return np.asarray(np.memmap(file, first.dtype, "r+", shape=shape))


def column_of(name: str, value_R: NDArray[np.generic]) -> pl.Series:
    """A column that shares the memory of a contiguous array, unless that is of booleans."""
    if value_R.dtype == np.bool_:
        return pl.Series(name, value_R)
    # Of buffers, as pa.array imports pandas where it is installed.
    buffers = [None, pa.py_buffer(np.ascontiguousarray(value_R))]
    dtype = pa.from_numpy_dtype(value_R.dtype)
    column = pl.from_arrow(pa.Array.from_buffers(dtype, value_R.size, buffers))
    assert isinstance(column, pl.Series), "from_arrow returns a series for an array"
    return column.alias(name)
