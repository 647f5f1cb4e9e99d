"""Mapped: the rows of a query as a table that lies in a file; memory holds the columns one works on, not the table."""

import tempfile
import time
from contextlib import suppress
from pathlib import Path

import polars as pl
import pyarrow as pa
from pyarrow import ipc

from hinet_search.errors import EnvironmentFault

PREFIX = ".hinet-search-rows-"
ABANDONED_SECONDS = 86_400


def mapped(query: pl.LazyFrame, folder: Path) -> pl.DataFrame:
    """All rows in order, streamed to a file in `folder` whose space is free again when the table is no longer used.

    Where there is no such folder yet, the file is in the first one above that exists: rows may still be refused.

    A table with values that Arrow does not have (whole numbers of 128 bits) is held in memory. Raises what Polars raises
    when rows cannot be read, EnvironmentFault when a file cannot be read or written.
    """
    try:
        place = next(one for one in (folder, *folder.absolute().parents) if one.exists())
        _remove_abandoned(place)
        with tempfile.NamedTemporaryFile(dir=place, prefix=PREFIX, suffix=".arrow") as file:
            query.sink_ipc(file, compression="uncompressed", maintain_order=True)  # by name it might be made again
            with pa.memory_map(file.name) as rows:
                try:
                    table = ipc.open_file(rows).read_all()
                except pa.ArrowNotImplementedError:
                    return query.collect()
    except OSError as error:
        raise EnvironmentFault(
            f"{folder}: rows cannot be streamed from their source into this folder: {error}",
            remedy="free space, or name another folder with --output",
        ) from error
    frame = pl.from_arrow(table, rechunk=False)
    assert isinstance(frame, pl.DataFrame), "a table, for it has columns"
    return frame


def _remove_abandoned(folder: Path) -> None:
    """Remove what a killed process left behind."""
    for left in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):  # another process is as tidy, or another user owns it
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                left.unlink()
