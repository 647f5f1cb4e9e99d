"""Mapped: the rows of a query as a table that lies in a file; memory holds the columns one works on, not the table."""

import tempfile
from pathlib import Path

import polars as pl
import pyarrow as pa
from pyarrow import ipc

from hinet_search.errors import EnvironmentFault

PREFIX = ".rows-"


def mapped(query: pl.LazyFrame, folder: Path) -> pl.DataFrame:
    """All rows in order, streamed to a file in `folder` whose space is free again when the table is no longer used.

    Raises what Polars raises when rows cannot be read, EnvironmentFault when the file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=PREFIX, suffix=".arrow") as file:
            query.sink_ipc(file.name, compression="uncompressed", maintain_order=True)
            with pa.memory_map(file.name) as rows:
                table = ipc.open_file(rows).read_all()
    except OSError as error:
        raise EnvironmentFault(
            f"{folder}: rows cannot be streamed into this folder: {error}", remedy="free space or name another folder"
        ) from error
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame), "a table, for it has columns"
    return frame
