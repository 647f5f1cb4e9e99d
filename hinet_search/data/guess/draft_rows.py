"""Draft rows: the rows of a draft, and the source that its definition names."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hinet_search.common.errors import ConfigurationError
from hinet_search.data.object_stores.address import is_url
from hinet_search.data.object_stores.copies import local_path
from hinet_search.data.sources import table as table_source
from hinet_search.data.table_files import ROOT, find
from hinet_search.study.launch_options import LaunchOptions

Say = Callable[[str], None]


@dataclass(frozen=True)
class DraftRows:
    """Where rows are: `shown` in messages, and `source` in the definition."""

    shown: str
    source: Mapping[str, str]


def rows_at(given: str, studies: Path) -> DraftRows:
    """The rows at a path; none are read. `studies` is the folder of the study that is drafted."""
    return DraftRows(given, {"kind": "table", "path": _path_from(studies, given)})


def scanned(rows: DraftRows, say: Say) -> pl.LazyFrame:
    """The rows; `say` gets the progress of a copy. Errors: those of the source."""
    cache = LaunchOptions().cache
    local = local_path(rows.shown, "TABLE", cache, say)
    return table_source.scan(local, Path.cwd(), cache, "TABLE")


def _path_from(folder: Path, rows: str) -> str:
    """The path of the rows relative to a folder; unchanged for a URL and in the data folder."""
    if any("\ud800" <= letter <= "\udfff" for letter in rows):
        raise ConfigurationError(
            f"TABLE must be a path in UTF-8, got {rows!a}", remedy="rename the file"
        )
    if is_url(rows):
        return rows
    is_in_data_folder = find(rows, Path.cwd(), "TABLE").base not in (Path.cwd().resolve(), ROOT)
    return rows if is_in_data_folder else os.path.relpath(rows, folder)
