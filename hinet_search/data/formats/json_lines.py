"""JSON lines: write the objects of the lines of files as Parquet, a column for every key.

A key that a line lacks is null. Texts are dates or times where all are. Memory holds a block of
lines; what would need more is refused: a longer line, more keys than MAX_KEYS.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import polars as pl
from polars.datatypes import DataTypeClass
from polars.exceptions import PolarsError

from hinet_search.common.amounts import byte_size
from hinet_search.common.errors import DataError
from hinet_search.data.formats.csv_types import NUMBERS, as_type, common_type, types_of_texts
from hinet_search.data.formats.plain_files import PlainFile
from hinet_search.data.kept_parts import part_of, parts_in, write_again
from hinet_search.data.reading import shorten, unreadable

BLOCK_BYTES = 2**24
MAX_KEYS = 1_000
MAX_CELLS = 20_000_000  # keys x lines that are read together
REMEDY = 'write one object a line, such as {"user": 7}, or the table as Parquet'
Types = Mapping[str, pl.DataType]


def write(files: Sequence[PlainFile], folder: Path, known: Types) -> None:
    """Write parts of the rows of every file; texts whose type is `known` stay texts.

    DataError for a line that is no object, with its number, too long a line, or too many keys.
    """
    types: dict[str, pl.DataType] = {}
    dates: dict[str, set[pl.DataType]] = {}
    for file_number, file in enumerate(files):
        for number, frame in enumerate(_frames(file)):
            frame.write_parquet(part_of(folder, file_number, number))
            for name, dtype in frame.schema.items():
                types[name] = _common(file, name, types.get(name, dtype), dtype)
            _refuse_many(file, len(types))
            texts = [
                column
                for column in frame
                if column.dtype == pl.String and pl.String() not in dates.get(column.name, ())
            ]
            for name, dtype in types_of_texts(texts).items():
                dates.setdefault(name, set()).add(dtype)
    if not types:
        raise DataError(f"{files[0]}: must have lines with keys, got none")
    write_again(folder, types)
    of_dates = {
        name: common_type(found)
        for name, found in dates.items()
        if types[name] == pl.String and name not in known
    }
    _parse(folder, {name: dtype for name, dtype in of_dates.items() if dtype.is_temporal()})


def _parse(folder: Path, types: Types) -> None:
    """Turn columns of texts into dates and times."""
    for part in parts_in(folder) if types else ():
        frame = pl.read_parquet(part)
        parsed = [as_type(frame[name], dtype).alias(name) for name, dtype in types.items()]
        frame.with_columns(parsed).write_parquet(part)


def _frames(file: PlainFile) -> Iterator[pl.DataFrame]:
    for first_line, block in _blocks(file):
        try:
            schema = pl.scan_ndjson(block, infer_schema_length=None).collect_schema()
            _refuse_many(file, len(schema))
            lines = block.splitlines(keepends=True)
            at_once = max(1, MAX_CELLS // max(1, len(schema)))
            for start in range(0, len(lines), at_once):
                yield pl.read_ndjson(b"".join(lines[start : start + at_once]), schema=schema)
        except PolarsError as error:
            _raise_at_line(file, first_line, block, error)


def _blocks(file: PlainFile) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines that are not empty, with the number of their first line."""
    rest = b""
    line = 1
    left = file.path.stat().st_size  # what a program adds meanwhile is not awaited
    with file.path.open("rb") as stream:
        while block := stream.read(min(BLOCK_BYTES, left)):
            left -= len(block)
            if line == 1 and not rest:
                block = block.removeprefix(b"\xef\xbb\xbf")
            whole, end, rest = (rest + block).rpartition(b"\n")
            if len(rest) > BLOCK_BYTES:
                number = line + whole.count(b"\n") + len(end)
                raise DataError(
                    f"{file}:{number}: a line must have at most {byte_size(BLOCK_BYTES)}",
                    remedy=REMEDY,
                )
            if whole.strip():
                yield line, whole + end
            line += whole.count(b"\n") + len(end)
    if rest.strip():
        yield line, rest


def _raise_at_line(file: PlainFile, first_line: int, block: bytes, error: Exception) -> NoReturn:
    """DataError for the first line that is no object of JSON, or for the block."""
    for number, line in enumerate(block.split(b"\n"), start=first_line):
        if line.strip():
            problem = _problem(line)
            if problem:
                raise DataError(
                    f"{file}:{number}: a line must be one object of JSON, {problem}",
                    remedy=REMEDY,
                ) from error
    last = first_line + block.count(b"\n")
    raise unreadable(f"{file}:{first_line} to {last}", error, REMEDY) from error


def _problem(line: bytes) -> str:
    got = shorten(line[:60].decode(errors="replace").strip())
    try:
        value = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        return f"got {got!r}: {reason}"
    return "" if isinstance(value, dict) else f"got {got!r}"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _refuse_many(file: PlainFile, num_keys: int) -> None:
    if num_keys > MAX_KEYS:
        raise DataError(
            f"{file}: lines must have at most {MAX_KEYS:,} different keys, got {num_keys:,}",
            remedy="keys become columns: write ids as values, not as keys, or the table as Parquet",
        )


def _common(file: PlainFile, name: str, one: pl.DataType, other: pl.DataType) -> pl.DataType:
    """The type of the values of two blocks, as Polars finds it in one; else DataError."""
    if other in (one, pl.Null):
        return one
    if one == pl.Null:
        return other
    if {one, other} <= set(NUMBERS):
        return max(one, other, key=NUMBERS.index)
    simple = {pl.String(), *NUMBERS}
    if {one, other} <= simple:
        return pl.String()
    if isinstance(one, pl.List) and isinstance(other, pl.List):
        return pl.List(_common(file, name, _of(one.inner), _of(other.inner)))
    if isinstance(one, pl.Struct) and isinstance(other, pl.Struct):
        fields = {key: _of(dtype) for key, dtype in one}
        for key, inner in other:
            dtype = _of(inner)
            fields[key] = _common(file, f"{name}.{key}", fields.get(key, dtype), dtype)
        return pl.Struct(fields)
    raise DataError(
        f"{file}: key '{name}' must have values of one kind, got {one} and {other}",
        remedy="write all of its values in one way",
    )


def _of(dtype: pl.DataType | DataTypeClass) -> pl.DataType:
    return dtype if isinstance(dtype, pl.DataType) else dtype()
