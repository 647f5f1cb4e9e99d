"""Kept rows: run a query once and keep its rows as Parquet files in the cache.

.queries/NAME/rows.json          number and hash of the rows, size of every file; written last
.queries/NAME/part-00000.parquet the rows of a batch
.queries/NAME.lock               locked by the process that runs the query, removed afterwards
"""

import hashlib
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter, ValidationError

from hinet_search.common.errors import DataError, EnvironmentFault
from hinet_search.common.files import locked, replacing_folder
from hinet_search.data.queries.address import QueryAddress
from hinet_search.data.queries.content_hash import ContentHash
from hinet_search.data.queries.engines import batches
from hinet_search.data.queries.plain_values import common_type, plain_frame
from hinet_search.data.queries.statement import QUERY_KEY

FOLDER = ".queries"
MANIFEST = "rows.json"
SECONDS_BETWEEN_NEWS = 10

Say = Callable[[str], None]


@dataclass(frozen=True)
class KeptRows:
    """What was read: number and hash of the rows, and the bytes of every file in order."""

    num_rows: int
    content: str
    files: dict[str, int]


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


_KEPT = TypeAdapter(KeptRows)


def read_kept(query: Query, cache: Path) -> KeptRows | None:
    """Read the manifest of a query's rows; None where there are none."""
    return _read_manifest(query.kept_in(cache))


def keep_rows(query: Query, folder: Path, cache: Path, say: Say) -> KeptRows:
    """Read the manifest of a query's rows; run the query where there are none.

    `folder` is the folder of the study. Errors are those of the engine; DataError for no rows,
    DiskFull, EnvironmentFault when the cache cannot be written.
    """
    target = query.kept_in(cache)
    kept = _read_manifest(target)
    if kept is not None:
        return kept
    try:
        with locked(target, lambda: say("waiting for another command that runs the query")):
            return _read_manifest(target) or _fetch(query, target, folder, say)
    except OSError as error:
        raise EnvironmentFault(
            f"{target}: rows of the query cannot be written: {error}",
            remedy="free space, or name another cache (HINET_SEARCH_CACHE)",
        ) from error


def _fetch(query: Query, target: Path, folder: Path, say: Say) -> KeptRows:
    """Run the query and keep its rows in place of damaged ones."""
    say(f"running the query on {query.address.shown}")
    if target.exists():
        shutil.rmtree(target)
    with replacing_folder(target, None) as part:
        _write_parts(part, query, folder, say)
        kept = _write_manifest(part)
    say(f"kept {kept.num_rows:,} rows of the query in {target}")
    return kept


def scan_kept(query: Query, cache: Path, kept: KeptRows) -> pl.LazyFrame:
    """The rows in the order in which the query returned them."""
    folder = query.kept_in(cache)
    return pl.scan_parquet([folder / name for name in kept.files], glob=False)


def _read_manifest(folder: Path) -> KeptRows | None:
    """What a folder holds; None where it is not complete."""
    try:
        kept = _KEPT.validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None
    is_complete = all(
        (folder / name).is_file() and (folder / name).stat().st_size == size
        for name, size in kept.files.items()
    )
    return kept if is_complete else None


def _write_parts(folder: Path, query: Query, study: Path, say: Say) -> None:
    """Write a file for every batch; those of other types than all together are written again."""
    types: dict[str, pl.DataType] = {}
    news = _News(say)
    with closing(batches(query.address, query.text, study)) as read:
        for number, batch in enumerate(read):
            frame = plain_frame(batch)
            types = {
                name: common_type(name, types.get(name, dtype), dtype)
                for name, dtype in frame.schema.items()
            }
            frame.write_parquet(folder / f"part-{number:05}.parquet")
            news.add(len(frame))
    if news.num_rows == 0:
        raise DataError(f"{QUERY_KEY}: must return rows, got none")
    for file in sorted(folder.iterdir()):
        if pl.read_parquet_schema(file) != types:
            pl.read_parquet(file).cast(pl.Schema(types)).write_parquet(file)


@dataclass
class _News:
    """Counts rows, and says so now and then."""

    say: Say
    num_rows: int = 0
    said_at: float = field(default_factory=time.monotonic)

    def add(self, num_rows: int) -> None:
        self.num_rows += num_rows
        if num_rows and time.monotonic() - self.said_at > SECONDS_BETWEEN_NEWS:
            self.say(f"read {self.num_rows:,} rows")
            self.said_at = time.monotonic()


def _write_manifest(folder: Path) -> KeptRows:
    content = ContentHash()
    files = sorted(folder.iterdir())
    for file in files:
        content.add(pl.read_parquet(file))
    kept = KeptRows(
        content.num_rows, content.digest(), {file.name: file.stat().st_size for file in files}
    )
    (folder / MANIFEST).write_bytes(_KEPT.dump_json(kept))
    return kept
