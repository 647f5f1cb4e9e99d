"""Mapped: stream the rows of a query to a file and memory-map it, so that memory holds no table."""

import tempfile
import time
from contextlib import suppress
from pathlib import Path

import polars as pl
import pyarrow as pa
from pyarrow import ipc

from hinet_search.common.errors import EnvironmentFault

PREFIX = ".hinet-search-rows-"
ABANDONED_SECONDS = 86_400


def collect_to_mapped_file(query: pl.LazyFrame, folder: Path) -> pl.DataFrame:
    """All rows in order, streamed to a file in `folder`; its space is freed with the table.

    While `folder` does not exist, the nearest parent that exists holds the file: the rows may still
    turn out to be wrong. A table with values that Arrow cannot hold (128-bit integers) is kept in
    memory.

    Errors: what Polars raises when rows cannot be read, EnvironmentFault when a file cannot be read
    or written.
    """
    try:
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        _remove_abandoned(existing)
        with tempfile.NamedTemporaryFile(dir=existing, prefix=PREFIX, suffix=".arrow") as file:
            # Pass the open file: by name Polars would create it again.
            query.sink_ipc(file, compression="uncompressed", maintain_order=True)
            with pa.memory_map(file.name) as rows:
                try:
                    table = ipc.open_file(rows).read_all()
                except pa.ArrowNotImplementedError:
                    return query.collect()
    except OSError as error:
        raise EnvironmentFault(
            f"{folder}: rows cannot be streamed from their source into this folder: {error}",
            remedy="free space, or name another folder with --output "
            "(HINET_SEARCH_CACHE where it is set)",
        ) from error
    frame = pl.from_arrow(table, rechunk=False)
    assert isinstance(frame, pl.DataFrame), "from_arrow returns a frame for a table"
    return frame


def _remove_abandoned(folder: Path) -> None:
    """Remove files of killed processes."""
    for file in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):  # another process removed it, or another user owns it
            if time.time() - file.stat().st_mtime > ABANDONED_SECONDS:
                file.unlink()
