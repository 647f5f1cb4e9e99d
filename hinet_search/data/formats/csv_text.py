"""CSV text: write the rows of CSV and TSV files as Parquet; types are those of all values."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import ComputeError

from hinet_search.common.errors import DataError
from hinet_search.data.formats.csv_types import header_of, inferred_types
from hinet_search.data.formats.plain_files import PlainFile
from hinet_search.data.kept_parts import part_of

COMMA = ","
TAB = "\t"
MORE_FIELDS = "found more fields than defined"  # what Polars says of a row
_IN_WORDS = {COMMA: "commas", TAB: "tabs"}


def columns(file: PlainFile, separator: str) -> dict[str, str]:
    """The columns of a file, all of texts: types depend on all files together.

    DataError when the header has another separator and not this one.
    """
    with file.path.open("rb") as lines:
        header = lines.readline(100_000)
    others = [other for other in (",", ";", "\t", "|") if other.encode() in header]
    if others and separator not in others:
        name = file.source.name.replace(".csv", ".tsv")
        is_tsv = separator == COMMA and others[0] == TAB
        remedy = f"rename it to {name}, or " if is_tsv else ""
        raise DataError(
            f"{file}: columns must be separated by {_IN_WORDS[separator]}, "
            f"got {others[0]!r} between them",
            remedy=f"{remedy}write it again with {_IN_WORDS[separator]} and decimal points, "
            "or as Parquet",
        )
    return dict.fromkeys(header_of(file.path, separator), "text")


def write(
    files: Sequence[PlainFile],
    folder: Path,
    types: Mapping[str, pl.DataType],
    separator: str,
) -> None:
    """Write a part for every file; columns in `types` as they are there.

    DataError when a row has more values than the header has names. Polars tells so only while it
    reads all columns; of some it would read shifted values.
    """
    names = header_of(files[0].path, separator)
    paths = [file.path for file in files]
    try:
        inferred = inferred_types(paths, names, types.keys(), separator)
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
    schema = pl.Schema({name: types.get(name) or inferred.types[name] for name in names})
    for number, path in enumerate(paths):
        rows = pl.scan_csv(
            path,
            glob=False,
            separator=separator,
            try_parse_dates=True,
            schema=schema,
            null_values=dict(inferred.missing),
        )
        rows.sink_parquet(part_of(folder, number, 0))
