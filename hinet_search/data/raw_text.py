"""Raw text: batches of rows from published text files, every value checked, with file and line."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter

import polars as pl
import pyarrow as pa
from pyarrow import csv

from hinet_search.common.errors import DataError, shortened

BLOCK_BYTES = 2**20  # of a CSV file, read at once; Arrow reads up to 32 of them ahead
BLOCK_LINES = 100_000  # of a file with another separator, read at once
SECONDS_BETWEEN = 10  # two lines of progress
AGAIN = "compare the file with its checksum, and unpack or download it again"
_ROW = re.compile(r"Row #(\d+): ?(.*)", re.DOTALL)

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Field:
    """The values of a column: their type, whether one may be missing, and which are allowed.

    A whole number may be written as `2.0`. Without `values`, all of the type are allowed.
    """

    dtype: type[pl.DataType]
    optional: bool = False
    values: tuple[int, ...] = ()

    @property
    def in_words(self) -> str:
        """What a value must be."""
        if self.values:
            return f"one of {', '.join(map(str, self.values))}"
        if self.dtype.is_integer():
            return f"a whole number that {self.dtype.__name__} holds"
        return "a finite number" if self.dtype.is_float() else "a text"


@dataclass(frozen=True)
class Layout:
    """How the lines of a text file are written: all its columns, in order."""

    columns: tuple[str, ...]
    has_header: bool = True
    separator: str = ","
    missing: tuple[str, ...] = ("",)  # texts that stand for a missing value


def read_csv(file: Path, layout: Layout, fields: Mapping[str, Field]) -> Iterator[pl.DataFrame]:
    """The columns of `fields` of a CSV file in batches; memory does not grow with the file.

    DataError for other columns than the layout's, and for a row or value that is broken.
    """
    _check_first_line(file, layout)
    first_line = 2 if layout.has_header else 1
    with _reading(file, layout):
        batches = csv.open_csv(
            file,
            read_options=csv.ReadOptions(
                use_threads=False,
                block_size=BLOCK_BYTES,
                column_names=None if layout.has_header else layout.columns,
            ),
            parse_options=csv.ParseOptions(delimiter=layout.separator, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                include_columns=list(fields),
                column_types=dict.fromkeys(fields, pa.large_string()),
                null_values=list(layout.missing),
                strings_can_be_null=True,
            ),
        )
        for batch in batches:
            texts = pl.DataFrame(pa.Table.from_batches([batch]))
            yield checked(texts, fields, file, first_line)
            first_line += len(texts)


def read_lines(
    file: Path, layout: Layout, fields: Mapping[str, Field], encoding: str = "utf-8"
) -> Iterator[pl.DataFrame]:
    """The same for a file whose separator has several characters, such as `::`, without quotes."""
    first_line = 1
    with _reading(file, layout), file.open(encoding=encoding, newline="\n") as lines:
        while block := list(islice(lines, BLOCK_LINES)):
            cells = [line.rstrip("\r\n").split(layout.separator) for line in block]
            for row, values in enumerate(cells):
                if len(values) != len(layout.columns):
                    problem = _width_in_words(layout, len(values), block[row])
                    raise broken(file, first_line + row, problem)
            texts = pl.DataFrame(cells, dict.fromkeys(layout.columns, pl.String), orient="row")
            empty = pl.all().replace(list(layout.missing), None)
            yield checked(texts.select(list(fields)).select(empty), fields, file, first_line)
            first_line += len(block)


def checked(
    texts: pl.DataFrame, fields: Mapping[str, Field], file: Path, first_line: int
) -> pl.DataFrame:
    """The values of texts in their types; DataError with the line of the first broken value."""
    values = texts.select(_parsed(name, field.dtype) for name, field in fields.items())
    for name, field in fields.items():
        is_wrong = values[name].is_null()
        if field.optional:
            is_wrong &= texts[name].is_not_null()
        if field.values:
            is_wrong |= ~values[name].is_in(field.values).fill_null(value=True)
        row = is_wrong.arg_max() if is_wrong.any() else None
        if row is not None:
            text = texts[name][row]
            got = "nothing" if text is None else repr(shortened(text))
            raise broken(file, first_line + row, f"{name} must be {field.in_words}, got {got}")
    return values


def all_rows(batches: Iterable[pl.DataFrame], file: Path) -> pl.DataFrame:
    """The rows of all batches of a file; DataError when it has none."""
    frames = list(batches)
    if not frames:
        raise DataError(f"{file}: must have rows, got none", remedy=AGAIN)
    return pl.concat(frames)


def broken(file: Path, line: int, problem: str) -> DataError:
    """The error for a broken row."""
    return DataError(f"{file}:{line}: {problem}", remedy=AGAIN)


def counted(batches: Iterable[pl.DataFrame], file: Path, tell: Tell) -> Iterator[pl.DataFrame]:
    """The same batches; now and then `tell` says how many rows were read, and how fast."""
    began = told = perf_counter()
    num_rows = 0
    for batch in batches:
        yield batch
        num_rows += len(batch)
        now = perf_counter()
        if now - told >= SECONDS_BETWEEN:
            tell(f"{file.name}: {num_rows:,} rows, {num_rows / (now - began):,.0f} rows/s")
            told = now


def _parsed(name: str, dtype: type[pl.DataType]) -> pl.Expr:
    text = pl.col(name)
    if dtype == pl.String:
        return text
    number = text.cast(pl.Float64, strict=False)
    if dtype.is_float():
        held = number.cast(dtype)
        return pl.when(held.is_finite()).then(held).alias(name)
    is_whole = (number == number.round()) & (number.abs() < 2**53)
    rounded = pl.when(is_whole).then(number).cast(pl.Int64, strict=False)
    return pl.coalesce(text.cast(pl.Int64, strict=False), rounded).cast(dtype, strict=False)


def _check_first_line(file: Path, layout: Layout) -> None:
    """DataError when the header, or the width of a file without one, is not the layout's."""
    if not layout.has_header:
        return
    with _reading(file, layout), file.open("rb") as lines:
        first_line = lines.readline().decode(errors="replace")
    header = first_line.rstrip("\r\n").split(layout.separator)
    if header == list(layout.columns):
        return
    problems = [f"has no '{name}'" for name in layout.columns if name not in header]
    problems += [f"has '{shortened(name)}' too" for name in header if name not in layout.columns]
    problem = ", ".join(problems) or "has them in another order"
    raise DataError(
        f"{file}:1: must have the columns {', '.join(layout.columns)}; it {problem}",
        remedy="it is another version or another file: docs/public_data.md names the right one",
    )


def _width_in_words(layout: Layout, width: int | str, text: str) -> str:
    line = text.strip("\r\n").splitlines() or ["an empty line"]
    return (
        f"must have {len(layout.columns)} values separated by '{layout.separator}', "
        f"got {width}: {shortened(line[0])}"
    )


@contextmanager
def _reading(file: Path, layout: Layout) -> Iterator[None]:
    """Raise DataError when a file cannot be read, with the line where it is known."""
    try:
        yield
    except pa.ArrowInvalid as error:
        if "straddl" in str(error):
            problem = f"must have lines of at most {BLOCK_BYTES:,} bytes, got a longer one"
            raise DataError(f"{file}: {problem}", remedy=AGAIN) from error
        row = _ROW.search(str(error))
        if row is None:
            raise DataError(f"{file}: cannot be read: {error}", remedy=AGAIN) from error
        raise broken(file, int(row[1]), _in_words(row[2], layout)) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file}: must be {error.encoding}, {error.reason}", remedy=AGAIN
        ) from error
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error


def _in_words(problem: str, layout: Layout) -> str:
    """What Arrow says of a row."""
    width = re.match(r"Expected (\d+) columns, got (\d+): (.*)", problem, re.DOTALL)
    if width:
        return _width_in_words(layout, width[2], width[3])
    return f"must be UTF-8: {shortened(problem)}" if "UTF8" in problem else shortened(problem)


def columns_of(
    names: Sequence[str], dtype: type[pl.DataType], *, optional: bool = False
) -> dict[str, Field]:
    """A field of the same type for every name."""
    return {name: Field(dtype, optional) for name in names}
