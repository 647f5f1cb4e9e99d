"""CSV text: write the rows of CSV and TSV files as Parquet; every value decides on the types.

Polars infers these types too, but from a file that it maps into memory: one that is cut short
meanwhile would end the process. It also tries all patterns of dates on every text, which takes far
longer than reading. So read texts in batches, and infer the types of each batch.

Other programs write a word where a value is missing. It is a missing value where all other values
of the column are of one type that is not text; in a column of texts it can be one of them.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from polars.exceptions import ComputeError

from hinet_search.common.errors import DataError
from hinet_search.data.formats import csv_dialect
from hinet_search.data.formats.csv_dialect import SEMICOLON, scan_texts, separator_of, with_point
from hinet_search.data.formats.known_formats import part_of, refuse_shape
from hinet_search.data.raw_values import listed

BATCH_ROWS = 10_000  # a column of texts is inferred from one batch only
MORE_FIELDS = "found more fields than defined"  # what Polars says of a row
# As R, spreadsheets, Python and databases write it.
MISSING = ("NA", "N/A", "#N/A", "null", "NULL", "None", r"\N")
NO_NAME = re.compile(r"[-+.,:/ \d]*\d[-+.,:/ \deETZ]*(_duplicated_\d+)?")  # a number or a date
NUMBERS = (pl.Int64(), pl.Int128(), pl.Float64())  # a later one holds all before


def columns(file: Path) -> dict[str, str]:
    """The columns of a file, all of texts: types depend on all files together.

    DataError when most names are numbers or dates, or there are too many.
    """
    separator = separator_of(file)
    head = csv_dialect.first_block(file).decode(errors="replace").encode()
    names = pl.scan_csv(head, separator=separator, infer_schema=False).collect_schema().names()
    refuse_shape(file, [pl.String] * len(names))
    values = [name for name in names if NO_NAME.fullmatch(name)]
    if 2 * len(values) > len(names) and values != list(map(str, range(len(values)))):
        raise DataError(
            f"{file}:1: must be the names of the columns, but {len(values)} of {len(names)} are "
            f"numbers or dates ({listed(values)}): has the table no header?",
            remedy="write a line of names above it; or, if these are names, change them, such as "
            "2024 to year_2024",
        )
    return dict.fromkeys(names, f"text between {separator!r}")


def write(files: Sequence[Path], folder: Path, types: Mapping[str, pl.DataType]) -> None:
    """Write a part for every file; columns in `types` as they are there.

    DataError when a row has more values than the header has names. Polars tells so only while it
    reads all columns; of some it would read shifted values.
    """
    separator = separator_of(files[0])
    try:
        with TemporaryDirectory(dir=folder) as copies:
            texts = [
                csv_dialect.in_utf8(file, Path(copies, str(at))) for at, file in enumerate(files)
            ]
            _write(texts, folder, types, separator)
    except ComputeError as error:
        if MORE_FIELDS not in str(error):
            raise
        more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
        raise DataError(
            f"{files[0]}{more}: every row must have at most as many values as the header has "
            "names, but some row has more",
            remedy='quote texts that hold a comma ("a, b"), write decimal points, '
            "and leave out commas at the end of lines",
        ) from error


def _write(
    files: Sequence[Path], folder: Path, known: Mapping[str, pl.DataType], separator: str
) -> None:
    texts = scan_texts(*files, separator=separator)
    names = texts.collect_schema().names()
    types, missing = inferred_types(texts, [name for name in names if name not in known])
    numbers: dict[str, pl.DataType] = {}  # whose values are read as texts
    if separator == SEMICOLON:
        numbers, words = _with_decimal_commas(texts, types, str(files[0]))
        numbers |= {name: of for name, of in known.items() if of.is_numeric() and name in names}
        missing |= words
    types |= {**known, **dict.fromkeys(numbers, pl.String())}
    casts = [with_point(name).cast(of) for name, of in numbers.items()]
    for number, file in enumerate(files):
        rows = pl.scan_csv(
            file,
            glob=False,
            separator=separator,
            try_parse_dates=True,
            schema={name: types[name] for name in names},
            null_values=missing,
        )
        rows.with_columns(casts).sink_parquet(part_of(folder, number))


def _with_decimal_commas(
    texts: pl.LazyFrame, types: Mapping[str, pl.DataType], where: str
) -> tuple[dict[str, pl.DataType], dict[str, str]]:
    """Types, and words for missing values, of columns that are numbers if commas are decimal.

    DataError where there are such columns, and in others a point may stand between thousands.
    """
    pointed = texts.with_columns(map(with_point, texts.collect_schema().names()))
    inferred, words = inferred_types(pointed, list(types))
    numbers = {}
    unclear = []
    for name, dtype in inferred.items():
        if types[name] == pl.Float64() != dtype:
            unclear.append(name)
        elif types[name] not in NUMBERS and dtype in NUMBERS:
            numbers[name] = dtype
    if numbers and unclear:
        raise DataError(
            f"{where}: {listed(list(numbers))} has decimal commas, so in {listed(unclear)} the "
            "point of 1.234 may be decimal or stand between thousands",
            remedy="write 1234 or 1,234",
        )
    return numbers, {name: word for name, word in words.items() if name in numbers}


def inferred_types(
    texts: pl.LazyFrame, names: Sequence[str]
) -> tuple[dict[str, pl.DataType], dict[str, str]]:
    """The type of each column, and the word for a missing value where there is one.

    Apart from words for missing values, Polars infers the same from all rows at once. Errors: what
    Polars raises when a file cannot be read or a row has more values than there are columns.
    """
    found: dict[str, set[pl.DataType]] = {name: set() for name in names}
    words: dict[str, set[str]] = {name: set() for name in names}
    for batch in texts.collect_batches(chunk_size=BATCH_ROWS, engine="streaming"):
        open_columns = []
        for name, types in found.items():
            if pl.String() not in types:
                values = batch[name].unique()  # each value has one type
                is_word = values.is_in(MISSING)
                words[name] |= set(values.filter(is_word))
                open_columns.append(values.filter(~is_word))
        for name, dtype in _types_of_texts(open_columns).items():
            found[name].add(dtype)
    inferred = {}
    missing = {}
    for name, types in found.items():
        inferred[name] = _common_type(types)
        if len(words[name]) > 1:
            inferred[name] = pl.String()  # Polars takes one word for a column
        elif words[name] and inferred[name] != pl.String():
            (missing[name],) = words[name]
    return inferred, missing


def _types_of_texts(columns: Sequence[pl.Series]) -> dict[str, pl.DataType]:
    """The type of each column of texts, of any lengths, without those that have no value."""
    present = [column for column in columns if column.null_count() < len(column)]
    if not present:
        return {}
    longest = max(map(len, present))
    values = [column.extend_constant(None, longest - len(column)) for column in present]
    content = pl.DataFrame(values).write_csv().encode()
    rows = pl.scan_csv(content, infer_schema_length=None, try_parse_dates=True)
    # Of columns without a name, Polars changes the name.
    dtypes = rows.collect_schema().dtypes()
    return {column.name: dtype for column, dtype in zip(present, dtypes, strict=True)}


def as_type(texts: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Texts as values of a type that `inferred_types` found."""
    content = texts.to_frame("text").write_csv().encode()
    return pl.read_csv(content, schema={"text": dtype}, try_parse_dates=True)["text"]


def _common_type(types: set[pl.DataType]) -> pl.DataType:
    """The type that holds the values of all types: texts, unless they are one or numbers."""
    if len(types) == 1:
        return next(iter(types))
    if types and types <= set(NUMBERS):
        return max(types, key=NUMBERS.index)
    return pl.String()
