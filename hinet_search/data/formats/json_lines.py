"""JSON lines: write the objects of the lines of files as Parquet, a column for every key.

A key of an object within an object is a column too, `user.id`. A key that a line lacks is null.
Texts are dates or times where all are.
"""

import glob
import json
from collections import Counter
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
    """Raise DataError for the first line that cannot be a row, or for the file."""
    try:
        yield
    except FAILURES as error:
        first_kinds: dict[str, tuple[str, int]] = {}
        with pa.input_stream(file) as stream:  # unpacked
            for number, line in enumerate(BufferedReader(stream), start=1):
                where = f"{file}:{number}"
                try:
                    row = _row(line) if line.strip() else {}
                except ValueError as problem:
                    raise DataError(
                        f"{where}: a line must be one object of JSON, {problem}", remedy=REMEDY
                    ) from error
                for key, value in row.items():
                    kind, first = first_kinds.setdefault(key, (_kind(value), number))
                    if _kind(value) != kind:
                        raise DataError(
                            f"{where}: '{shorten(key)}' must be {kind}, as in line {first}, "
                            f"got {_kind(value)}",
                            remedy="write one kind of value, or null",
                        ) from error
        raise unreadable(str(file), error, REMEDY) from error


def _row(line: bytes) -> dict[str, object]:
    """The values of a line by key, null left out; ValueError for what is no object."""
    got = f"got {shorten(line[:60].decode(errors='replace').strip())!r}"
    try:
        value = json.loads(line, parse_constant=_refuse, object_pairs_hook=_each_once)
    except RecursionError:
        raise ValueError(f"{got}: it is nested too deep") from None
    except ValueError as error:
        raise ValueError(f"{got}: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(got)  # noqa: TRY004  as for a line that is no JSON
    return {key: held for key, held in value.items() if held is not None}


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", bool: "true or false"}
    return kinds.get(type(value), "a number or a text")


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = Counter(key for key, _ in pairs)
    repeated = [key for key, times in keys.items() if times > 1]
    if repeated:
        raise ValueError(f"the key {shorten(repeated[0])!r} is there twice")
    return dict(pairs)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")
