"""CSV text: write the rows of CSV and TSV files as Parquet; every value decides on the types.

Polars infers these types too, but from a file that it maps into memory: one that is cut short
meanwhile would end the process. It also tries all patterns of dates on every text, which takes far
longer than reading. So read texts in batches, and infer the types of each batch.

Other programs write a word where a value is missing. It is a missing value where all other values
of the column are of one type that is not text; in a column of texts it can be one of them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import ComputeError

from hinet_search.common.errors import DataError
from hinet_search.data.formats.known_formats import TSV, format_of, part_of, refuse_shape

BATCH_ROWS = 10_000  # a column of texts is inferred from one batch only
MORE_FIELDS = "found more fields than defined"  # what Polars says of a row
# As R, spreadsheets, Python and databases write it.
MISSING = ("NA", "N/A", "#N/A", "null", "NULL", "None", r"\N")
NUMBERS = (pl.Int64(), pl.Int128(), pl.Float64())  # a later one holds all before


def columns(file: Path) -> dict[str, str]:
    """The columns of a file, all of texts: types depend on all files together.

    DataError when the header has another separator and not this one, or too many names.
    """
    separator = _separator(file)
    names = _texts([file]).collect_schema().names()
    others = [other for other in (",", ";", "\t", "|") if other in names[0]]
    if others and len(names) == 1:
        wanted = "tabs" if separator == "\t" else "commas"
        remedy = f"write it again with {wanted} and decimal points, or as Parquet"
        if others[0] == "\t":
            remedy += "; a file with tabs is named .tsv"
        raise DataError(
            f"{file}: columns must be separated by {wanted}, got {others[0]!r} between them",
            remedy=remedy,
        )
    refuse_shape(file, [pl.String] * len(names))
    return dict.fromkeys(names, "text")


def write(files: Sequence[Path], folder: Path, types: Mapping[str, pl.DataType]) -> None:
    """Write a part for every file; columns in `types` as they are there.

    DataError when a row has more values than the header has names. Polars tells so only while it
    reads all columns; of some it would read shifted values.
    """
    texts = _texts(files)
    names = texts.collect_schema().names()
    try:
        inferred, missing = inferred_types(texts, [name for name in names if name not in types])
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
    for number, file in enumerate(files):
        rows = pl.scan_csv(
            file,
            glob=False,
            separator=_separator(file),
            try_parse_dates=True,
            schema={name: types.get(name) or inferred[name] for name in names},
            null_values=missing,
        )
        rows.sink_parquet(part_of(folder, number))


def _separator(file: Path) -> str:
    return "\t" if format_of(file) == TSV else ","


def _texts(files: Sequence[Path]) -> pl.LazyFrame:
    """All values of files, as texts."""
    separator = _separator(files[0])
    return pl.scan_csv(list(files), glob=False, infer_schema=False, separator=separator)


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
