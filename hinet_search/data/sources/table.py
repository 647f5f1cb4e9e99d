"""Table: rows of one file, a folder or a glob, in any format of tables, joined with other tables.

A table at a URL of a store is copied into the cache once and read there.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import polars as pl
import pyarrow as pa
from pyarrow.parquet import read_metadata
from pydantic import AfterValidator, ConfigDict, Field, model_validator

from hinet_search.common.errors import DataError, did_you_mean
from hinet_search.common.frozen_model import Frozen, Text
from hinet_search.common.quiet import say_nothing
from hinet_search.data.checks import INTEGERS
from hinet_search.data.fingerprint import FileHasher
from hinet_search.data.formats.kept_table import KeptFiles, kept_files
from hinet_search.data.formats.known_formats import (
    IN_WORDS,
    PARQUET,
    format_of,
    is_table,
    refuse_another_format,
    refuse_many_rows,
    refuse_shape,
    stem_of,
)
from hinet_search.data.objects import flattened
from hinet_search.data.raw_values import TEXTS
from hinet_search.data.reading import NUM_ROWS, reading, refuse_own_names, refuse_patterns
from hinet_search.data.stores import check_table_path, content_of, is_stored, local_path
from hinet_search.data.table_files import (
    PATH,
    TableFiles,
    find,
    partition_columns,
    refuse_unlike_files,
    with_partitions,
)

ROWS = "data.source.path"  # keys of the definition that name files
JOINED = "data.source.join"
MAX_EXAMPLES = 3
WORKBOOKS = {".xlsx", ".xls", ".xlsm", ".ods"}
TablePath = Annotated[Text, AfterValidator(check_table_path)]
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
    """`path` is a table, or a folder or glob of tables with the same columns.

    It ends in .parquet, .csv, .tsv, .jsonl, .ndjson, .arrow or .feather, a text perhaps with .gz or
    .zst after that. So does the path of every join. Folders named `day=2026-05-03` below it add the
    column `day`. A path may be a URL such as `s3://bucket/folder`, without user and key.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    path: TablePath
    join: tuple[Join, ...] = ()


def load(options: Options, folder: Path, cache: Path) -> pl.LazyFrame:
    """The rows, files in order of their names; a table at a URL as `identity` has copied it.

    DataError when no file is found, a file cannot be read, or a join is wrong.
    """
    lazy = scan(local_path(options.path, ROWS, cache, say_nothing), folder, cache)
    for join in options.join:
        path = local_path(join.path, JOINED, cache, say_nothing)
        lazy = joined(lazy, scan(path, folder, cache, JOINED), join)
    return lazy


def scan(
    path: str,
    folder: Path,
    cache: Path,
    key: str = ROWS,
    types: Mapping[str, pl.DataType] | None = None,
) -> pl.LazyFrame:
    """Rows of the files at `path`, which is the value of `key` in the definition.

    Parquet is read where it lies; other formats are read once, and kept in `cache`. Types of
    columns of a text and of partitions are inferred from all values, except for the columns in
    `types`. Columns in which pandas keeps its index are left out,
    and fields of objects are columns.
    DataError when there are no such files or one cannot be read; EnvironmentFault and DiskFull when
    rows cannot be kept.
    """
    table = find(path, folder, key)
    files = _parquet_of(table, path, types or {}, cache)
    in_files = _columns(files.parts[0])
    in_folders = partition_columns(table, types)
    refuse_own_names(table.in_words, [column.name for column in in_folders])
    partitions = [column for column in in_folders if column.name not in in_files]
    with reading(table.in_words):
        lazy = pl.scan_parquet(
            list(files.parts),
            schema=_schema_of_times(files.parts[0]),
            cast_options=pl.ScanCastOptions(datetime_cast="nanosecond-downcast"),
            glob=False,
            hive_partitioning=False,
            include_file_paths=PATH if partitions else None,
            extra_columns="ignore",  # an index of pandas; all others were compared before
        )
        # Ask a clone: Polars numbers and filters rows while it scans only if the schema of the scan
        # was not asked before.
        columns = lazy.clone().collect_schema().names()
    refuse_own_names(table.in_words, [name for name in columns if name != PATH])
    if partitions:
        number_of = {file: number for number, file in enumerate(table.files)}
        places = [number_of[source] for source in files.sources]
        lazy = with_partitions(lazy, files.parts, [column[places] for column in partitions])
    indexes = [name for name in columns if INDEX_OF_PANDAS.fullmatch(name)]
    return flattened(lazy.drop(indexes) if indexes else lazy, table.in_words)


def _parquet_of(
    table: TableFiles, path: str, types: Mapping[str, pl.DataType], cache: Path
) -> KeptFiles:
    """The files of a table as Parquet: themselves, or what is kept of them."""
    kind = _format_of(path, table)
    if kind != PARQUET:
        return kept_files(table, kind, types, cache)
    columns = []
    for file in table.files:
        refuse_another_format(file)
        columns.append(_columns(file))
        refuse_many_rows(file, _num_values(file))
    refuse_unlike_files(table, columns)
    return KeptFiles(table.files, table.files)


def _format_of(path: str, table: TableFiles) -> str:
    """The format of all files; DataError for several, another, or one table in two forms."""
    others = sorted({file.suffix.lower() for file in table.files if not is_table(file)})
    formats = {format_of(file) for file in table.files if is_table(file)}
    if others or len(formats) > 1:
        remedy = "write a glob of one kind, such as 'rows/**/*.parquet'"
        if WORKBOOKS.intersection(others):
            remedy = "save each sheet as CSV UTF-8 with commas and decimal points"
        raise DataError(
            f"{path}: files must all be of one format ({IN_WORDS}), "
            f"got {', '.join(others or sorted(formats))}",
            remedy=remedy,
        )
    form_of: dict[Path, Path] = {}
    for file in table.files:
        other = form_of.setdefault(file.with_name(stem_of(file)), file)
        if other != file:
            raise DataError(
                f"{path}: rows must be there once, but {other} and {file.name} look like one table",
                remedy="move one of them away, or write a glob of the others",
            )
    return formats.pop()


def _schema_of_times(file: Path) -> pl.Schema | None:
    """The schema by which INT96, time stamps of Spark, are microseconds; None without such columns.

    64 bits of nanoseconds hold the years 1677 to 2262. Polars reads all others as the last of these
    moments, 0001-01-01 too.
    """
    schema = pl.read_parquet_schema(file)
    if pl.Datetime("ns") not in schema.values():
        return None
    stored = read_metadata(file).schema
    columns = (stored.column(number) for number in range(len(stored)))
    old = {column.path for column in columns if column.physical_type == "INT96"}
    if not old:
        return None
    types = schema | dict.fromkeys(old & schema.keys(), pl.Datetime("us"))
    return pl.Schema(
        {name: of for name, of in types.items() if not INDEX_OF_PANDAS.fullmatch(name)}
    )


def identity(options: Options, folder: Path, contents: FileHasher) -> str:
    """Names, sizes and hashes of files, or the hash of a store's rows: equal wherever the data lie.

    Errors: DataError when a file is missing; NotFetched; as of `local_path`.
    """
    lines = [_contents(contents, options.path, folder)]
    for join in options.join:
        lines.append(f"join {join.keys!r} {join.columns!r}")
        lines.append(_contents(contents, join.path, folder, JOINED))
    return "\n".join(lines)


def _columns(file: Path) -> dict[str, str]:
    """Types by column of a Parquet file, without an index of pandas."""
    with reading(str(file)):
        types = pl.read_parquet_schema(file)
    refuse_shape(file, types.values())
    return {name: str(of) for name, of in types.items() if not INDEX_OF_PANDAS.fullmatch(name)}


def _num_values(file: Path) -> int:
    """The rows of a Parquet file, or values of a column of lists, that its metadata say."""
    with reading(str(file)):
        try:
            stored = read_metadata(file)
        except pa.ArrowNotImplementedError:  # of 128 bits, which Polars alone reads
            return int(pl.scan_parquet(file).select(pl.len()).collect().item())
    groups = [stored.row_group(number) for number in range(stored.num_row_groups)]
    columns = range(stored.num_columns)
    lists = [number for number in columns if stored.schema.column(number).max_repetition_level]
    in_lists = [sum(group.column(number).num_values for group in groups) for number in lists]
    return int(max([stored.num_rows, *in_lists]))


def _contents(contents: FileHasher, path: str, folder: Path, key: str = ROWS) -> str:
    if is_stored(path):
        return content_of(path, key, contents)
    table = find(local_path(path, key, contents.cache, contents.say), folder, key)
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
