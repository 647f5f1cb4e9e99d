"""Plain files: of which format a table is, whether it is, and its content without compression.

Memory holds a block of a file. A file may become MOST_GROWTH times as large: what grows more, as a
few bytes of zeros without end do, is refused before it fills the disk. So are more columns, deeper
lists and structs, and more rows than a table of this size has, before they are read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePath
from typing import TypeAlias

import polars as pl
import pyarrow as pa
from polars.datatypes import DataTypeClass

from hinet_search.common.amounts import byte_size
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
BLOCK_BYTES = 2**22
MOST_GROWTH = 200
GROWTH_FROM_BYTES = 2**26  # a smaller text may repeat itself as it likes
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


@dataclass(frozen=True)
class PlainFile:
    """A file without compression, the file that messages name, and its number in the table."""

    path: Path
    source: Path
    number: int

    def __str__(self) -> str:
        return str(self.source)

    def part(self, folder: Path, number: int) -> Path:
        """The path of a part of the rows, in the order of files and parts."""
        return folder / f"{self.number:05}-{number:05}.parquet"


def refuse_another_format(file: Path) -> None:
    """DataError when a file begins otherwise than its name says, or cannot be read."""
    compression = COMPRESSIONS.get(file.suffix.lower())
    expected = compression or format_of(file)
    try:
        begins = _beginning(file)
        is_empty = file.stat().st_size == 0
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error
    has_mark = expected == PARQUET or (compression is not None and not is_empty)
    if begins != expected and (begins or has_mark):
        got = f"holds {begins}" if begins else "begins otherwise"
        raise DataError(
            f"{file}: cannot be read: must hold {expected}, as its name says, but {got}",
            remedy=REMEDY,
        )


def refuse_shape(where: object, types: Iterable[Type], most: int = MAX_COLUMNS) -> None:
    """DataError for too many columns, counted within structs, or too deep lists and structs."""
    level = list(types)
    num_columns = depth = 0
    while level:
        within = list(map(_inside, level))
        num_columns += within.count([])
        level = list(chain.from_iterable(within))
        depth += 1
        if num_columns + len(level) > most:
            raise DataError(
                f"{where}: must have at most {most:,} columns, fields of structs counted, "
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


def _beginning(file: Path) -> str:
    """What a file holds by its first bytes, empty where they do not say."""
    with file.open("rb") as stream:
        first = stream.read(16)
    return next((kind for start, kind in _BEGINNINGS.items() if first.startswith(start)), "")


def plain_file(file: Path, folder: Path, number: int) -> PlainFile:
    """The file, or for a compressed one its content, written into the folder.

    DataError for a file that is cut short, damaged, of another format, or grows too much.
    """
    refuse_another_format(file)
    compression = COMPRESSIONS.get(file.suffix.lower())
    if compression is None:
        return PlainFile(file, file, number)
    folder.mkdir(exist_ok=True)
    plain = PlainFile(folder / f"{number:05}", file, number)
    try:
        _decompress(plain, compression)
    except OSError as error:
        if error.errno is not None and error.filename != str(file):
            raise  # the disk is full, for one
        raise DataError(
            f"{file}: cannot be read: {error.strerror or error}",
            remedy="copy it again from where it is whole",
        ) from error
    begins = _beginning(plain.path)
    if begins:
        raise DataError(f"{file}: must hold {format_of(file)} inside, but holds {begins}")
    return plain


def _decompress(plain: PlainFile, compression: str) -> None:
    most = max(GROWTH_FROM_BYTES, MOST_GROWTH * plain.source.stat().st_size)
    num_bytes = 0
    with (
        plain.source.open("rb") as raw,
        pa.input_stream(raw, compression=compression) as content,
        plain.path.open("wb") as to,
    ):
        while block := content.read(BLOCK_BYTES):
            num_bytes += len(block)
            if num_bytes > most:
                raise DataError(
                    f"{plain}: must grow at most {MOST_GROWTH} times when it is unpacked, "
                    f"got more than {byte_size(most)}",
                    remedy="look into it; if it is right, unpack it yourself",
                )
            to.write(block)
