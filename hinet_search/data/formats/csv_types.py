"""CSV types: the type of every column of CSV files, from all its values.

Polars infers these types too, but from a file that it maps into memory: one that is cut short
meanwhile would end the process. It also tries all patterns of dates on every text, which takes far
longer than reading. So read texts in batches, and infer the types of each batch.

Other programs write a word where a value is missing. It is a missing value where all other values
of the column are of one type that is not text; in a column of texts it can be one of them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hinet_search.common.errors import DataError

MAX_HEADER_BYTES = 1_000_000
BATCH_ROWS = 10_000  # a column of texts is inferred from one batch only
# As R, spreadsheets, Python and databases write it.
MISSING = ("NA", "N/A", "#N/A", "null", "NULL", "None", r"\N")
NUMBERS = (pl.Int64(), pl.Int128(), pl.Float64())  # a later one holds all before


@dataclass(frozen=True)
class Inferred:
    """The type of every column, and the word for a missing value of those that have one."""

    types: Mapping[str, pl.DataType]
    missing: Mapping[str, str]


def header_of(file: Path, separator: str = ",") -> list[str]:
    """The names of the columns. Errors: DataError, OSError, what Polars raises for a broken header.

    Polars gets the first bytes only, as it would map the file.
    """
    with file.open("rb") as lines:
        header = lines.read(MAX_HEADER_BYTES)
    if len(header) == MAX_HEADER_BYTES and b"\n" not in header:
        raise DataError(f"{file}:1: the header must have at most {MAX_HEADER_BYTES:,} bytes")
    lazy = pl.scan_csv(header, infer_schema=False, separator=separator)
    return lazy.collect_schema().names()


def inferred_types(
    files: Sequence[Path], names: Sequence[str], known: Collection[str], separator: str = ","
) -> Inferred:
    """The type of each of the columns `names`, which are all of the files, but for those `known`.

    Apart from words for missing values, Polars infers the same from all rows at once. Errors: what
    Polars raises when a file cannot be read or a row has more values than there are names.
    """
    found: dict[str, set[pl.DataType]] = {name: set() for name in names if name not in known}
    words: dict[str, set[str]] = {name: set() for name in found}
    texts = pl.scan_csv(
        list(files), glob=False, schema=dict.fromkeys(names, pl.String()), separator=separator
    )
    for batch in texts.collect_batches(chunk_size=BATCH_ROWS, engine="streaming"):
        open_names = [name for name, types in found.items() if pl.String() not in types]
        open_columns = [batch[name].unique() for name in open_names]  # a type is that of a value
        types = types_of_texts(open_columns)
        with_words = [
            column
            for column in open_columns
            if types.get(column.name) == pl.String() and column.is_in(MISSING).any()
        ]
        for column in with_words:
            words[column.name] |= set(column.filter(column.is_in(MISSING)))
            del types[column.name]
        types |= types_of_texts([_without_words(column) for column in with_words])
        for name, dtype in types.items():
            found[name].add(dtype)
    for name, several in words.items():
        if len(several) > 1:
            found[name].add(pl.String())  # Polars takes one word for a column
    inferred = {name: common_type(types) for name, types in found.items()}
    missing = {name: min(each) for name, each in words.items() if each}
    of_values = {name: word for name, word in missing.items() if inferred[name] != pl.String()}
    return Inferred(inferred, of_values)


def _without_words(column: pl.Series) -> pl.Series:
    return pl.select(pl.when(~column.is_in(MISSING)).then(column).alias(column.name)).to_series()


def types_of_texts(columns: Sequence[pl.Series]) -> dict[str, pl.DataType]:
    """The type of each column of texts, of any lengths, without those that have no value."""
    present = [column for column in columns if column.null_count() < len(column)]
    if not present:
        return {}
    longest = max(len(column) for column in present)
    values = [column.extend_constant(None, longest - len(column)) for column in present]
    content = pl.DataFrame(values).write_csv().encode()
    rows = pl.scan_csv(content, infer_schema_length=None, try_parse_dates=True)
    # Of columns without a name, Polars changes the name.
    dtypes = rows.collect_schema().dtypes()
    return {column.name: dtype for column, dtype in zip(present, dtypes, strict=True)}


def as_type(texts: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Texts as values of a type that `types_of_texts` found."""
    content = texts.to_frame("text").write_csv().encode()
    return pl.read_csv(content, schema={"text": dtype}, try_parse_dates=True)["text"]


def common_type(types: set[pl.DataType]) -> pl.DataType:
    """The type that holds the values of all types: texts, unless they are one or numbers."""
    if len(types) == 1:
        return next(iter(types))
    if types and types <= set(NUMBERS):
        return max(types, key=NUMBERS.index)
    return pl.String()
