"""Source rows: the rows of a definition as they are in its source, and their place in the cache."""

from contextlib import AbstractContextManager
from pathlib import Path

import polars as pl

from hinet_search.common import plugins
from hinet_search.data.checks import column_problems, named_columns
from hinet_search.data.fingerprint import FileHasher, fingerprint
from hinet_search.data.reading import (
    ROW_NUMBER,
    raise_problems,
    reading,
    refuse_own_names,
    refuse_patterns,
    shorten,
)
from hinet_search.study.data_definition import EVERY_ROW, ONLY, DataDefinition
from hinet_search.study.yaml_file import validated

SOURCES = "hinet_search.data.sources"
SOURCE = "data.source"  # the key of the source in a definition


def target_folder(
    definition: DataDefinition, folder: Path, contents: FileHasher, share: float
) -> Path:
    """The folder in the cache for the encoded data of a definition, whether it exists or not.

    They are of a `share` of the users. Errors: ConfigurationError for wrong options of the source,
    DataError when files of it are missing.
    """
    source = plugins.load(SOURCES, definition.source.kind)
    options = validated(source.Options, definition.source.options, SOURCE)
    identity = source.identity(options, folder, contents)
    return contents.cache / fingerprint(definition, identity, share)


def source_rows(definition: DataDefinition, folder: Path, cache: Path) -> pl.LazyFrame:
    """All rows of the source, unchecked; DataError when it has none."""
    source = plugins.load(SOURCES, definition.source.kind)
    options = validated(source.Options, definition.source.options, SOURCE)
    rows: pl.LazyFrame = source.load(options, folder, cache)
    with reading_of(definition):
        # Ask a clone: Polars numbers and filters rows while it scans only if the schema of the scan
        # was not asked before.
        refuse_own_names(SOURCE, rows.clone().collect_schema())
    if definition.scenario.every_row is not None:
        rows = rows.with_columns(pl.lit(ONLY).alias(EVERY_ROW))
    return rows


def check_columns(definition: DataDefinition, rows: pl.LazyFrame) -> dict[str, pl.DataType]:
    """The types of the columns; DataError when one is missing or has a type of another use."""
    dtypes = {name: dtype for name, dtype in rows.collect_schema().items() if name != ROW_NUMBER}
    names = dict.fromkeys(column for _, column in named_columns(definition))
    refuse_patterns(SOURCE, names)
    raise_problems(column_problems(definition, dtypes))
    return dtypes


def reading_of(definition: DataDefinition) -> AbstractContextManager[None]:
    """Raise DataError when rows of the definition's source cannot be read in this context."""
    return reading(f"{SOURCE}: {shorten(definition.source.in_words)}")
