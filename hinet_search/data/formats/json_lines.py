"""JSON lines: write the objects of the lines of files as Parquet, a column for every key.

A key that a line lacks is null. Texts are dates or times where all are. Memory holds a block of
lines; what would need more is refused: a longer line, more keys than MAX_KEYS, those inside of
values counted.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import polars as pl
from polars.exceptions import PolarsError

from hinet_search.common.amounts import byte_size
from hinet_search.common.errors import DataError
from hinet_search.data.formats.csv_text import as_type, common_type, types_of_texts
from hinet_search.data.formats.plain_files import PlainFile, refuse_shape
from hinet_search.data.reading import shorten, unreadable

BLOCK_BYTES = 2**24
PIECE_BYTES = 2**15  # of a block: to infer types takes keys x lines, or depth squared
MAX_KEYS = 1_000
MAX_CELLS = 20_000_000  # keys x lines that are read together
REMEDY = 'write one object a line, such as {"user": 7}, or the table as Parquet'


def write(files: Sequence[PlainFile], folder: Path, known: Mapping[str, pl.DataType]) -> None:
    """Write parts of the rows of every file; texts whose type is `known` stay texts.

    DataError for a line that is no object, with its number, too long a line, or too many keys.
    """
    schema = _schema(files)
    types: dict[str, set[pl.DataType]] = {}
    for name, dtype in schema.items():
        if dtype == pl.String and name not in known:
            types[name] = set()
    parts = []
    for file in files:
        for number, frame in enumerate(_frames(file, schema)):
            parts.append(file.part(folder, number))
            frame.write_parquet(parts[-1])
            texts = [frame[name] for name, found in types.items() if pl.String() not in found]
            for name, dtype in types_of_texts(texts).items():
                types[name].add(dtype)
    times = {name: common_type(found) for name, found in types.items()}
    times = {name: dtype for name, dtype in times.items() if dtype.is_temporal()}
    for part in parts if times else ():
        frame = pl.read_parquet(part)
        parsed = [as_type(frame[name], dtype).alias(name) for name, dtype in times.items()]
        frame.with_columns(parsed).write_parquet(part)


def _schema(files: Sequence[PlainFile]) -> pl.Schema:
    """The type of every key that holds its values in all lines."""
    known = pl.DataFrame()
    for file in files:
        for first_line, block in _blocks(file):
            try:
                for piece in _pieces(block):
                    schema = pl.scan_ndjson(piece, infer_schema_length=None).collect_schema()
                    refuse_shape(file, schema.dtypes(), MAX_KEYS)
                    if schema != known.schema:
                        both = [known, pl.DataFrame(schema=schema)]
                        known = pl.concat(both, how="diagonal_relaxed")
                        refuse_shape(file, known.dtypes, MAX_KEYS)
            except PolarsError as error:
                _raise_at_line(file, first_line, block, error)
    if not known.width:
        raise DataError(f"{files[0]}: must have lines with keys, got none")
    return known.schema


def _pieces(block: bytes) -> Iterator[bytes]:
    """Whole lines of a block, little more than PIECE_BYTES each."""
    start = 0
    while start < len(block):
        end = block.find(b"\n", start + PIECE_BYTES) + 1 or len(block)
        if piece := block[start:end].strip():
            yield piece
        start = end


def _frames(file: PlainFile, schema: pl.Schema) -> Iterator[pl.DataFrame]:
    """The rows of a file, at most MAX_CELLS values at once."""
    at_once = max(1, MAX_CELLS // len(schema))
    for first_line, block in _blocks(file):
        lines = block.splitlines(keepends=True)
        for start in range(0, len(lines), at_once):
            try:
                rows = pl.read_ndjson(b"".join(lines[start : start + at_once]), schema=schema)
            except PolarsError as error:
                _raise_at_line(file, first_line, block, error)
            yield rows


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
    number = first_line
    for number, line in enumerate(block.split(b"\n"), start=first_line):
        problem = _problem(line) if line.strip() else ""
        if problem:
            raise DataError(
                f"{file}:{number}: a line must be one object of JSON, {problem}", remedy=REMEDY
            ) from error
    raise unreadable(f"{file}:{first_line} to {number}", error, REMEDY) from error


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
