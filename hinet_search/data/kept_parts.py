"""Kept parts: rows that cost much to read, read once and kept in the cache as Parquet files.

FOLDER/NAME/rows.json            number and hash of the rows, size of every file; written last
FOLDER/NAME/00002-00000.parquet  the first part of the rows of the third file
FOLDER/NAME.lock                 locked by the process that reads, removed afterwards
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter, ValidationError

from hinet_search.common.errors import EnvironmentFault
from hinet_search.common.files import locked, replacing_folder

MANIFEST = "rows.json"

Say = Callable[[str], None]


@dataclass(frozen=True)
class KeptRows:
    """What was read: number and hash of the rows, and the bytes of every file in order.

    The hash is empty where other things identify the rows.
    """

    num_rows: int
    content: str
    files: dict[str, int]


_KEPT = TypeAdapter(KeptRows)


def read_kept(folder: Path) -> KeptRows | None:
    """Read what a folder holds; None where it is not complete."""
    try:
        kept = _KEPT.validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None
    is_complete = all(
        (folder / name).is_file() and (folder / name).stat().st_size == size
        for name, size in kept.files.items()
    )
    return kept if is_complete else None


def keep(target: Path, write: Callable[[Path], tuple[int, str]], say: Say, what: str) -> KeptRows:
    """Read the manifest of a folder; `write` its files where there is none.

    `write` gets an empty folder, and returns number and hash of the rows. `what` another command
    may be doing is said while it is waited for.
    Errors are those of `write`; DiskFull; EnvironmentFault when the cache cannot be written.
    """
    kept = read_kept(target)
    if kept is not None:
        return kept
    try:
        with locked(target, lambda: say(f"waiting for another command that {what}")):
            return read_kept(target) or _written(target, write)
    except OSError as error:
        raise EnvironmentFault(
            f"{target}: rows cannot be kept: {error}",
            remedy="free space, or name another cache (HINET_SEARCH_CACHE)",
        ) from error


def _written(target: Path, write: Callable[[Path], tuple[int, str]]) -> KeptRows:
    """Write a folder in place of a damaged one."""
    if target.exists():
        shutil.rmtree(target)
    with replacing_folder(target, None) as part:
        num_rows, content = write(part)
        files = {file.name: file.stat().st_size for file in sorted(part.iterdir())}
        kept = KeptRows(num_rows, content, files)
        (part / MANIFEST).write_bytes(_KEPT.dump_json(kept))
    return kept


def part_of(folder: Path, file: int, number: int) -> Path:
    """The path of a part of the rows of a file."""
    return folder / f"{file:05}-{number:05}.parquet"


def file_of(part: Path) -> int:
    """The number of the file that a part is of."""
    return int(part.name.partition("-")[0])


def parts_in(folder: Path) -> Iterator[Path]:
    """The parts that were written so far, in order."""
    yield from sorted(folder.glob("*.parquet"))


def write_again(folder: Path, types: Mapping[str, pl.DataType]) -> None:
    """Write the parts of other columns or types than all together again."""
    for file in parts_in(folder):
        if [*pl.read_parquet_schema(file).items()] != [*types.items()]:
            frame = pl.read_parquet(file)
            absent = [pl.lit(None).alias(name) for name in types if name not in frame.columns]
            same = frame.with_columns(absent).select(*types).cast(pl.Schema(types))
            same.write_parquet(file)
