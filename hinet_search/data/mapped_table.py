"""Mapped: stream the rows of a query to a file and memory-map it, so that memory holds no table."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pyarrow as pa
from pyarrow import ipc

from hinet_search.data.temporary_file import temporary_file

SUFFIX = ".arrow"


def collect_to_mapped_file(query: pl.LazyFrame, folder: Path) -> pl.DataFrame:
    """All rows in order, streamed to a file in `folder`; its space is freed with the table.

    While `folder` does not exist, the nearest parent that exists holds the file. A table with
    values that Arrow cannot hold (128-bit integers) is kept in memory.

    Errors: what Polars raises when rows cannot be read, EnvironmentFault when a file cannot be read
    or written.
    """
    with temporary_file(folder, SUFFIX) as file:
        # Pass the open file: by name Polars would create it again.
        query.sink_ipc(file, compression="uncompressed", maintain_order=True)
        try:
            return _mapped(file.name)
        except pa.ArrowNotImplementedError:
            return query.collect()


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
