"""Known formats: of which format a table is by its name, and whether its content can be that.

Damaged files and files with ids as keys say that they have more columns, deeper lists and structs,
or more rows than a table of this size has. They are refused before they are read.
"""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path, PurePath
from typing import TypeAlias

import polars as pl
import pyarrow as pa
from polars.datatypes import DataTypeClass

from hinet_search.common.errors import DataError

PARQUET = "Parquet"
CSV = "CSV"
TSV = "TSV"
JSON_LINES = "JSON lines"
ARROW = "Arrow"
IN_WORDS = "Parquet, CSV, TSV, JSON lines (.jsonl) or Arrow"
TEXTS = {".csv": CSV, ".tsv": TSV, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}  # of texts; the others are compressed inside
FORMATS = {
    ".parquet": PARQUET,
    ".arrow": ARROW,
    ".feather": ARROW,
    **TEXTS,
    **{f"{suffix}.gz": kind for suffix, kind in TEXTS.items()},
    **{f"{suffix}.zst": kind for suffix, kind in TEXTS.items()},
}
MAX_COLUMNS = 10_000
MAX_DEPTH = 16
ROWS_A_BYTE = 1_000  # labels of which one in 10,000 is a 1 have 240
ANY_BYTES_ROWS = 10_000_000  # that are read in a second
REMEDY = (
    "name it by what it holds (.parquet, .arrow, .csv.gz), or write it again: as Parquet, or as "
    "text in UTF-8"
)
_BEGINNINGS = {
    b"PAR1": PARQUET,
    b"PARE": PARQUET,  # encrypted
    b"ARROW1": ARROW,
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "a zip archive or a workbook",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"SQLite format 3\x00": "SQLite",
    b"FEA1": "Feather of version 1",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}
Type: TypeAlias = pl.DataType | DataTypeClass | pa.DataType


def suffix_of(file: PurePath | str) -> str:
    """The suffix in small letters: `.csv`, `.csv.gz`; one that no table has as it is."""
    path = PurePath(file)
    both = "".join(path.suffixes[-2:]).lower()
    return both if both in FORMATS else path.suffix.lower()


def is_table(file: PurePath | str) -> bool:
    """Whether a table can have the suffix."""
    return suffix_of(file) in FORMATS


def format_of(file: PurePath | str) -> str:
    """The format of a table."""
    return FORMATS[suffix_of(file)]


def stem_of(file: PurePath | str) -> str:
    """The name without the suffix of a table."""
    name = PurePath(file).name
    return name[: -len(suffix_of(file))] if is_table(file) else PurePath(file).stem


def refuse_another_format(file: Path) -> None:
    """DataError when a file begins otherwise than its name says, or cannot be read."""
    compression = COMPRESSIONS.get(file.suffix.lower())
    expected = compression or format_of(file)
    try:
        with file.open("rb") as stream:
            first = stream.read(16)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error
    begins = next((kind for start, kind in _BEGINNINGS.items() if first.startswith(start)), "")
    has_mark = expected == PARQUET or (compression is not None and first)
    if begins != expected and (begins or has_mark):
        got = f"holds {begins}" if begins else "begins otherwise"
        raise DataError(
            f"{file}: cannot be read: must hold {expected}, as its name says, but {got}",
            remedy=REMEDY,
        )


def refuse_shape(where: object, types: Iterable[Type]) -> None:
    """DataError for too many columns, counted within structs, or too deep lists and structs."""
    level = list(types)
    num_columns = depth = 0
    while level:
        within = list(map(_inside, level))
        num_columns += within.count([])
        level = list(chain.from_iterable(within))
        depth += 1
        if num_columns + len(level) > MAX_COLUMNS:
            raise DataError(
                f"{where}: must have at most {MAX_COLUMNS:,} columns, fields of structs counted, "
                f"got {num_columns + len(level):,}",
                remedy="keys become columns: write ids as values, not as keys or names",
            )
        if depth > MAX_DEPTH:
            raise DataError(
                f"{where}: lists and structs must be nested at most {MAX_DEPTH} deep, got more",
                remedy="write what is deeper as a text or as columns of its own",
            )


def _inside(dtype: Type) -> list[Type]:
    if isinstance(dtype, pa.DataType):
        return [dtype.field(number).type for number in range(dtype.num_fields)]
    if isinstance(dtype, pl.Struct):
        return [field.dtype for field in dtype.fields]
    return [dtype.inner] if isinstance(dtype, pl.List | pl.Array) else []


def refuse_many_rows(file: Path, num_rows: int) -> None:
    """DataError when a file says that it has more rows than its bytes can hold."""
    most = max(ANY_BYTES_ROWS, ROWS_A_BYTE * file.stat().st_size)
    if num_rows > most:
        raise DataError(
            f"{file}: must have at most {most:,} rows, or values in lists, in its "
            f"{file.stat().st_size:,} bytes, got {num_rows:,}",
            remedy="look into it: nothing but nulls or one value can be that many",
        )


def part_of(folder: Path, file: int, part: int = 0) -> Path:
    """The path of a part of the rows of a file, by the number of the file in its table."""
    return folder / f"{file:05}-{part:05}.parquet"
