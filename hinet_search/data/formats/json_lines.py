"""JSON lines: write the objects of the lines of files as Parquet, a column for every key.

A key of an object within an object is a column too, `user.id`. A key that a line lacks is null.
Texts are dates or times where all are.
"""

import glob
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import NoReturn

import polars as pl
import pyarrow as pa

from hinet_search.common.errors import DataError
from hinet_search.data.formats.csv_text import as_type, inferred_types
from hinet_search.data.formats.known_formats import part_of, refuse_shape
from hinet_search.data.objects import flattened
from hinet_search.data.reading import FAILURES, shorten, unreadable

REMEDY = 'write one object a line, such as {"user": 7}, or the table as Parquet'


def columns(_: Path) -> dict[str, str]:
    """None: a file need not have the keys of another."""
    return {}


def write(files: Sequence[Path], folder: Path, known: Mapping[str, pl.DataType]) -> None:
    """Write the rows of every file; texts whose type is `known` stay texts.

    DataError for a line that is no object, with its number, or too many keys.
    """
    schemas = []
    for file in files:
        with _naming_lines(file):
            schema = pl.scan_ndjson(_path(file), infer_schema_length=None).collect_schema()
            refuse_shape(file, schema.dtypes())
            schemas.append(pl.DataFrame(schema=schema))
    schema = pl.concat(schemas, how="diagonal_relaxed").schema
    refuse_shape(files[0], schema.dtypes())
    flat = flattened(pl.LazyFrame(schema=schema), str(files[0])).collect_schema()
    if not flat:
        raise DataError(f"{files[0]}: must have lines with keys, got none")
    parts = [part_of(folder, number) for number in range(len(files))]
    for file, part in zip(files, parts, strict=True):
        with _naming_lines(file):
            rows = pl.scan_ndjson(_path(file), schema=schema)
            flattened(rows, str(file)).sink_parquet(part)
    texts = [name for name, dtype in flat.items() if dtype == pl.String and name not in known]
    types, words = inferred_types(pl.scan_parquet(parts, glob=False).select(texts), texts)
    times = [name for name in texts if types[name].is_temporal() and name not in words]
    if not times:
        return
    for part in parts:
        frame = pl.read_parquet(part)
        parsed = [as_type(frame[name], types[name]).alias(name) for name in times]
        frame.with_columns(parsed).write_parquet(part)


def _path(file: Path) -> str:
    return glob.escape(str(file))  # Polars takes it for a pattern


@contextmanager
def _naming_lines(file: Path) -> Iterator[None]:
    """Raise DataError for the first line that is no object of JSON, or for the file."""
    try:
        yield
    except FAILURES as error:
        with pa.input_stream(file) as stream:  # unpacked
            for number, line in enumerate(BufferedReader(stream), start=1):
                if line.strip() and (problem := _problem(line)):
                    raise DataError(
                        f"{file}:{number}: a line must be one object of JSON, {problem}",
                        remedy=REMEDY,
                    ) from error
        raise unreadable(str(file), error, REMEDY) from error


def _problem(line: bytes) -> str:
    """What is wrong with a line; empty for an object."""
    got = shorten(line[:60].decode(errors="replace").strip())
    try:
        value = json.loads(line, parse_constant=_refuse)
    except RecursionError:
        return f"got {got!r}: it is nested too deep"
    except ValueError as error:
        return f"got {got!r}: {error}"
    return "" if isinstance(value, dict) else f"got {got!r}"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")
