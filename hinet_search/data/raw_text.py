"""Raw text: rows from published text files, checked and joined by key; errors name the line."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import polars as pl

from hinet_search.common.errors import DataError, shortened
from hinet_search.data.reading import reading

BATCH_ROWS = 100_000  # of a CSV file
SECONDS_BETWEEN = 10  # two lines of progress
AGAIN = "compare the file with its checksum, and unpack or download it again"

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Field:
    """The values of a column: their type, whether one may be missing, and the allowed ones.

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


def columns_of(
    names: Sequence[str], dtype: type[pl.DataType], *, optional: bool = False
) -> dict[str, Field]:
    """A field of the same type for every name."""
    return {name: Field(dtype, optional) for name in names}


def read_csv(file: Path, layout: Layout, fields: Mapping[str, Field]) -> Iterator[pl.DataFrame]:
    """The columns of `fields` of a CSV file in batches; memory does not grow with the file.

    DataError for other columns than the layout's, and for a row or value that is broken.
    """
    first_line = 1
    texts = pl.scan_csv(
        file,
        glob=False,
        has_header=layout.has_header,
        separator=layout.separator,
        infer_schema=False,
    )
    with reading(str(file)):
        names = texts.collect_schema().names()
        if layout.has_header:
            _check_header(file, names, layout)
            first_line = 2
        elif len(names) != len(layout.columns):
            raise broken(file, 1, f"must have {len(layout.columns)} values, got {len(names)}")
        # All columns: of some, Polars would read a row of too many values without an error.
        named = texts.rename(dict(zip(names, layout.columns, strict=True)))
        for batch in named.collect_batches(chunk_size=BATCH_ROWS, engine="streaming"):
            yield checked(batch, fields, file, first_line)
            first_line += len(batch)


def read_lines(
    file: Path, layout: Layout, fields: Mapping[str, Field], encoding: str = "utf-8"
) -> pl.DataFrame:
    """The same at once, for a file without header and quotes, whose separator may be `::`."""
    with _decoding(file), file.open(encoding=encoding, newline="\n") as lines:
        rows = []
        for number, line in enumerate(lines, start=1):
            values = line.rstrip("\r\n").split(layout.separator)
            if len(values) != len(layout.columns):
                raise broken(
                    file,
                    number,
                    f"must have {len(layout.columns)} values separated by '{layout.separator}', "
                    f"got {len(values)}: {shortened(line.strip())}",
                )
            rows.append(values)
    texts = pl.DataFrame(rows, dict.fromkeys(layout.columns, pl.String), orient="row")
    known = _not_empty(texts, file).select(pl.all().replace("", None))
    return checked(known, fields, file, first_line=1)


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
        row = first_of(is_wrong)
        if row is not None:
            text = texts[name][row]
            got = "nothing" if text is None else repr(shortened(text))
            raise broken(file, first_line + row, f"{name} must be {field.in_words}, got {got}")
    return values


def first_of(is_wrong: pl.Series) -> int | None:
    """The first row that is wrong, None if none is."""
    return is_wrong.arg_max() if is_wrong.any() else None


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


def all_rows(batches: Iterable[pl.DataFrame], file: Path) -> pl.DataFrame:
    """The rows of all batches of a file; DataError when it has none."""
    frames = list(batches)
    return _not_empty(pl.concat(frames) if frames else pl.DataFrame(), file)


def _not_empty(rows: pl.DataFrame, file: Path) -> pl.DataFrame:
    if rows.is_empty():
        raise DataError(f"{file}: must have rows, got none", remedy=AGAIN)
    return rows


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


def _check_header(file: Path, header: Sequence[str], layout: Layout) -> None:
    if list(header) == list(layout.columns):
        return
    problems = [f"has no '{name}'" for name in layout.columns if name not in header]
    problems += [f"has '{shortened(name)}' too" for name in header if name not in layout.columns]
    problem = ", ".join(problems) or "has them in another order"
    raise DataError(
        f"{file}:1: must have the columns {', '.join(layout.columns)}; it {problem}",
        remedy="it is another version or another file: docs/public_data.md names the right one",
    )


@contextmanager
def _decoding(file: Path) -> Iterator[None]:
    """Raise DataError when a file of lines cannot be read."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file}: must be {error.encoding}, {error.reason}", remedy=AGAIN
        ) from error
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error


@dataclass(frozen=True)
class KeyLookup:
    """Rows of a file, one per key: `sorted_keys` are its keys, `order` the row of each.

    The keys are sorted once, so a batch costs hardly more if there are millions of them. A join
    would number all of them again for every batch.
    """

    rows: pl.DataFrame
    key: str
    file: Path
    sorted_keys: pl.Series
    order: pl.Series


def lookup_of(rows: pl.DataFrame, key: str, file: Path, first_line: int) -> KeyLookup:
    """The lookup of a file's rows; DataError with the line of the first key that is there twice."""
    row = first_of(~rows[key].is_first_distinct())
    if row is not None:
        raise broken(
            file, first_line + row, f"{key} must be there once, got {rows[key][row]} again"
        )
    order = rows[key].arg_sort()
    return KeyLookup(rows.drop(key), key, file, rows[key].gather(order), order)


def joined(rows: pl.DataFrame, lookup: KeyLookup, file: Path, lines: pl.Series) -> pl.DataFrame:
    """The rows with the columns of the lookup, which has a row.

    DataError with the line of the first row whose key the lookup lacks; `lines` are the rows' lines
    in `file`.
    """
    keys = rows[lookup.key]
    nearest = lookup.sorted_keys.search_sorted(keys).clip(0, len(lookup.order) - 1)
    row = first_of(lookup.sorted_keys.gather(nearest) != keys)
    if row is not None:
        problem = f"{lookup.key} must be one of {lookup.file.name}, got {keys[row]!r}"
        raise broken(file, lines[row], problem)
    return rows.hstack(lookup.rows[lookup.order.gather(nearest)])
