"""Table: rows from Parquet or CSV, one file, a folder or a glob, joined with other tables.

A table at a URL of an object store is copied into the cache once and read there.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import polars as pl
from polars.exceptions import ComputeError
from pydantic import AfterValidator, ConfigDict, Field, model_validator

from hinet_search.common.errors import DataError, did_you_mean
from hinet_search.common.frozen_model import Frozen, Text
from hinet_search.data.checks import INTEGERS, TEXTS
from hinet_search.data.csv_types import header_of, inferred_types
from hinet_search.data.fingerprint import FileHasher, NotFetched
from hinet_search.data.object_stores.address import check_table_path
from hinet_search.data.object_stores.copies import copied_path, local_path
from hinet_search.data.object_stores.listing import Place, require_package
from hinet_search.data.reading import NUM_ROWS, reading, refuse_own_names, refuse_patterns
from hinet_search.data.table_files import (
    FORMATS,
    PATH,
    TableFiles,
    find,
    partition_columns,
    partition_of,
    with_partitions,
)

ROWS = "data.source.path"  # keys of the definition that name files
JOINED = "data.source.join"
MAX_PROBLEMS = 20
MAX_EXAMPLES = 3
TablePath = Annotated[Text, AfterValidator(check_table_path)]
MORE_FIELDS = "found more fields than defined"  # what Polars says of a row
INDEX_OF_PANDAS = re.compile(r"__index_level_\d+__")


class Join(Frozen):
    """A table with at most one row for each value of `on`, one or more columns of both tables.

    A row without a match, or without a value in `on`, gets nulls. `columns` are the columns to
    join, by default all.
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # a URL may hold a key

    path: TablePath
    on: Text | Annotated[tuple[Text, ...], Field(min_length=1)]
    columns: tuple[Text, ...] | None = None

    @property
    def keys(self) -> list[str]:
        """The columns of `on`."""
        return [self.on] if isinstance(self.on, str) else list(self.on)

    @model_validator(mode="after")
    def _each_column_once(self) -> "Join":
        repeated: set[str] = set()
        for names in (self.keys, self.columns or ()):
            repeated |= {name for name in names if names.count(name) > 1}
        if repeated:
            raise ValueError(
                f"a join names every column once, got more of {', '.join(sorted(repeated))}"
            )
        return self


class Options(Frozen):
    """`path` is a .parquet or .csv file, or a folder or glob of such files with the same columns.

    So is the path of every join. Folders named `day=2026-05-03` below it add the column `day`. A
    path may be a URL such as `s3://bucket/folder`, without user and key.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    path: TablePath
    join: tuple[Join, ...] = ()


def load(options: Options, folder: Path, cache: Path) -> pl.LazyFrame:
    """The rows, files in order of their names; a table at a URL as `identity` has copied it.

    DataError when no file is found, a file cannot be read, or a join is wrong.
    """
    lazy = scan(_present_path(options.path, ROWS, cache), folder)
    for join in options.join:
        lazy = joined(lazy, scan(_present_path(join.path, JOINED, cache), folder, JOINED), join)
    return lazy


def _present_path(path: str, key: str, cache: Path) -> str:
    return copied_path(path, cache) or local_path(path, key, cache, lambda _: None)


def scan(
    path: str, folder: Path, key: str = ROWS, types: Mapping[str, pl.DataType] | None = None
) -> pl.LazyFrame:
    """Rows of the files at `path`, which is the value of `key` in the definition.

    Types of CSV columns and partitions are inferred from all values, except for the columns in
    `types`. Columns in which pandas keeps its index are left out.
    DataError when there are no such files or one cannot be read.
    """
    table = find(path, folder, key)
    suffix = _suffix(path, table)
    if suffix == ".csv":
        _check_separator(table.files[0])
    in_files = _columns(table.files[0])
    _refuse_unlike_files(table, in_files)
    in_folders = partition_columns(table, types)
    refuse_own_names(table.in_words, [column.name for column in in_folders])
    partitions = [column for column in in_folders if column.name not in in_files]
    with reading(table.in_words):
        lazy = _scanned(table, suffix, partitions, types)
        # Ask a clone: Polars numbers and filters rows while it scans only if the schema of the scan
        # was not asked before.
        columns = lazy.clone().collect_schema().names()
    refuse_own_names(table.in_words, [name for name in columns if name != PATH])
    if partitions:
        lazy = with_partitions(lazy, table, partitions)
    indexes = [name for name in columns if INDEX_OF_PANDAS.fullmatch(name)]
    return lazy.drop(indexes) if indexes else lazy


def _suffix(path: str, table: TableFiles) -> str:
    """The suffix of all files; DataError when they have several, or another one."""
    suffixes = {file.suffix.lower() for file in table.files}
    if len(suffixes) > 1 or not suffixes <= set(FORMATS):
        raise DataError(
            f"{path}: files must all be .parquet or all .csv, got {', '.join(sorted(suffixes))}",
            remedy="write a glob of one kind, such as 'rows/**/*.parquet'",
        )
    return suffixes.pop()


def _scanned(
    table: TableFiles,
    suffix: str,
    partitions: Sequence[pl.Series],
    types: Mapping[str, pl.DataType] | None,
) -> pl.LazyFrame:
    """The rows of the files, with the column PATH where there are partitions."""
    path_column = PATH if partitions else None
    if suffix == ".parquet":
        return pl.scan_parquet(
            list(table.files),
            schema=_schema_of_times(table.files[0]),
            cast_options=pl.ScanCastOptions(datetime_cast="nanosecond-downcast"),
            glob=False,
            hive_partitioning=False,
            include_file_paths=path_column,
            extra_columns="ignore",  # an index of pandas; all others were compared before
        )
    return pl.scan_csv(
        list(table.files),
        glob=False,
        try_parse_dates=True,
        schema=_csv_schema(table, types or {}),
        include_file_paths=path_column,
    )


def _csv_schema(table: TableFiles, types: Mapping[str, pl.DataType]) -> pl.Schema:
    """Types of all columns, those in `types` as they are there.

    DataError when a row has more values than the header has names. Polars tells so only while it
    reads all columns; of some it would read shifted values.
    """
    names = header_of(table.files[0])
    try:
        inferred = inferred_types(table.files, names, types.keys())
    except ComputeError as error:
        if MORE_FIELDS not in str(error):
            raise
        raise DataError(
            f"{table.in_words}: every row must have at most as many values as the header has "
            "names, but some row has more",
            remedy='quote texts that hold a comma ("a, b"), write decimal points, '
            "and leave out commas at the end of lines",
        ) from error
    return pl.Schema({name: types.get(name) or inferred[name] for name in names})


def _schema_of_times(file: Path) -> pl.Schema | None:
    """The schema by which INT96, time stamps of Spark, are microseconds; None without such columns.

    64 bits of nanoseconds hold the years 1677 to 2262. Polars reads all others as the last of these
    moments, 0001-01-01 too.
    """
    schema = pl.read_parquet_schema(file)
    if pl.Datetime("ns") not in schema.values():
        return None
    from pyarrow.parquet import read_metadata

    stored = read_metadata(file).schema
    columns = (stored.column(number) for number in range(len(stored)))
    old = {column.path for column in columns if column.physical_type == "INT96"}
    if not old:
        return None
    types = schema | dict.fromkeys(old & schema.keys(), pl.Datetime("us"))
    return pl.Schema(
        {name: of for name, of in types.items() if not INDEX_OF_PANDAS.fullmatch(name)}
    )


def _check_separator(file: Path) -> None:
    """DataError when the first line of a CSV file has another separator and no comma."""
    try:
        with file.open("rb") as lines:
            header = lines.readline(100_000)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error
    separators = [separator for separator in (";", "\t", "|") if separator.encode() in header]
    if separators and b"," not in header:
        raise DataError(
            f"{file}: columns must be separated by commas, got {separators[0]!r} between them",
            remedy="write it again with commas and decimal points, or as Parquet",
        )


def identity(options: Options, folder: Path, contents: FileHasher) -> str:
    """Names, sizes and hashes of the files: equal content is the same data wherever it lies.

    Errors: DataError when a file is missing; NotFetched; those of `local_path`.
    """
    lines = [_contents(contents, options.path, folder)]
    for join in options.join:
        lines.append(f"join {join.keys!r} {join.columns!r}")
        lines.append(_contents(contents, join.path, folder, JOINED))
    return "\n".join(lines)


def _refuse_unlike_files(table: TableFiles, first_columns: dict[str, str]) -> None:
    """DataError when files of one table cannot be read or differ in their columns."""
    first, *others = table.files
    wanted = {**_in_folders(table, first), **first_columns}
    problems: list[str] = []
    for file in others:
        columns = {**_in_folders(table, file), **_columns(file)}
        problems += _differences(file, columns, table.name_of(first), wanted)
    if problems:
        raise DataError(
            *problems[:MAX_PROBLEMS],
            remedy="write the files with the same columns and types, or name some of them",
        )


def _columns(file: Path) -> dict[str, str]:
    """Types by column; all texts in a CSV file, where the types depend on all files together."""
    with reading(str(file)):
        if file.suffix.lower() == ".csv":
            return dict.fromkeys(header_of(file), "text")
        types = pl.read_parquet_schema(file).items()
    return {name: str(dtype) for name, dtype in types if not INDEX_OF_PANDAS.fullmatch(name)}


def _in_folders(table: TableFiles, file: Path) -> dict[str, str]:
    """What stands in place of a type for the partitions of a file."""
    return dict.fromkeys(partition_of(table, file), "in the name of a folder")


def _differences(
    file: Path, columns: dict[str, str], first: str, wanted: dict[str, str]
) -> Iterator[str]:
    where = f"{file}: must have the columns of {first}"
    yield from (f"{where}, has no '{name}'" for name in wanted if name not in columns)
    yield from (f"{where}, has '{name}' too" for name in columns if name not in wanted)
    common = [name for name in columns if name in wanted]
    for name in common:
        if columns[name] != wanted[name]:
            yield f"{where}, but '{name}' is {columns[name]} in place of {wanted[name]}"
    in_order = [name for name in wanted if name in columns]
    if file.suffix.lower() == ".csv" and common != in_order:
        yield f"{where} in the same order"


def _contents(contents: FileHasher, path: str, folder: Path, key: str = ROWS) -> str:
    if contents.may_fetch:
        local = local_path(path, key, contents.cache, contents.say)
    else:
        copied = copied_path(path, contents.cache)
        if copied is None:
            require_package(Place(path, key))
            raise NotFetched(f"{key}: {path} was not copied yet")
        local = copied
    table = find(local, folder, key)
    try:
        return "\n".join(f"{table.name_of(file)} {contents.of(file)}" for file in table.files)
    except OSError as error:
        raise DataError(
            f"{key}: {error.filename or path} cannot be read: {error.strerror}"
        ) from error


def joined(rows: pl.LazyFrame, other: pl.LazyFrame, join: Join) -> pl.LazyFrame:
    """`rows` with the columns of `other`; number and order of the rows stay.

    DataError for keys that are missing, of different kinds or repeated, and for names that clash.
    """
    with reading(_where(join)):
        row_types = rows.collect_schema()
        other_types = other.collect_schema()
        names = other_types.names() if join.columns is None else join.columns
        columns = [name for name in names if name not in join.keys]
        _check_columns(join, columns, row_types, other_types)
        _check_keys(join, row_types, other_types)
        chosen = other.select([*join.keys, *columns]).drop_nulls(join.keys)
        _check_distinct(join, chosen.select(join.keys).collect())
        casts = [pl.col(key).cast(row_types[key], strict=False) for key in join.keys]
        return rows.join(
            chosen.with_columns(casts), on=join.keys, how="left", maintain_order="left"
        )


def _where(join: Join) -> str:
    return f"data.source.join: {join.path}"


def _check_columns(
    join: Join, columns: list[str], row_types: pl.Schema, other_types: pl.Schema
) -> None:
    problems = []
    for key in join.keys:
        for table, names in (("the rows", row_types), ("the joined table", other_types)):
            if key not in names:
                problems.append(
                    f"{_where(join)}: key '{key}' must be a column of {table}, "
                    f"got none{did_you_mean(key, names)}"
                )
    for name in columns:
        if name not in other_types:
            hint = did_you_mean(name, other_types)
            problems.append(f"{_where(join)}: column '{name}' is not in the joined table{hint}")
    if problems:
        raise DataError(*problems)
    refuse_patterns(_where(join), (*join.keys, *columns))
    clashes = [name for name in columns if name in row_types]
    if clashes:
        raise DataError(
            f"{_where(join)}: columns must have names that the rows do not have, "
            f"got {', '.join(clashes)}",
            remedy="name under 'columns' those that are to be joined",
        )


def _check_keys(join: Join, row_types: pl.Schema, other_types: pl.Schema) -> None:
    problems = [
        f"{_where(join)}: key '{key}' must be of one kind in both tables, got {row_types[key]} "
        f"and {other_types[key]}; cast one as the other"
        for key in join.keys
        if _kind(row_types[key]) != _kind(other_types[key])
    ]
    if problems:
        raise DataError(*problems)


def _kind(dtype: pl.DataType) -> object:
    """Whole numbers are of one kind whatever their size, and so are texts; others are their own."""
    return next((kind for kind in (INTEGERS, TEXTS) if dtype in kind), dtype)


def _check_distinct(join: Join, keys: pl.DataFrame) -> None:
    counts = keys.group_by(join.keys).len(NUM_ROWS)
    repeated = counts.filter(pl.col(NUM_ROWS) > 1).drop(NUM_ROWS).sort(join.keys)
    if repeated.is_empty():
        return
    examples = [" x ".join(map(str, key)) for key in repeated.head(MAX_EXAMPLES).rows()]
    if len(repeated) > MAX_EXAMPLES:
        examples.append("...")
    raise DataError(
        f"{_where(join)}: must have one row for each {' x '.join(join.keys)}, got more for "
        f"{len(repeated):,} ({', '.join(examples)})"
    )
