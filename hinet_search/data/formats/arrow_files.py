"""Arrow files: write the record batches of Arrow and Feather files, or of streams, as Parquet.

Memory holds a batch. A file may be a stranger's, so lengths and offsets inside it are checked
before values are read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from pyarrow import ipc

from hinet_search.common.errors import DataError
from hinet_search.data.formats.plain_files import PlainFile
from hinet_search.data.kept_parts import part_of
from hinet_search.data.reading import shorten

MAGIC = b"ARROW1"


def columns(file: PlainFile) -> dict[str, str]:
    """Names and types of the columns; DataError for a file that cannot be read."""
    with _opened(file) as reader:
        names = reader.schema.names
        repeated = {name for name in names if names.count(name) > 1}
        if repeated:
            raise DataError(
                f"{file}: every column must have a name of its own, "
                f"got more of {', '.join(sorted(repeated))}",
                remedy="rename them",
            )
        return {field.name: str(field.type) for field in reader.schema}


def write(files: Sequence[PlainFile], folder: Path, _: object) -> None:
    """Write a part for every batch; categories become texts."""
    for file_number, file in enumerate(files):
        with _opened(file) as reader:
            number = -1
            for number, batch in enumerate(_batches(reader)):
                batch.validate(full=True)
                _frame(file, batch).write_parquet(part_of(folder, file_number, number))
            if number < 0:  # without a batch the columns are those of the schema
                empty = pa.Table.from_batches([], reader.schema)
                _frame(file, empty.combine_chunks()).write_parquet(part_of(folder, file_number, 0))


def _batches(reader: Any) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, ipc.RecordBatchStreamReader):
        yield from reader
    else:
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)


@contextmanager
def _opened(file: PlainFile) -> Iterator[Any]:
    """Open a file or a stream; DataError where it is damaged, also while it is read."""
    try:
        with file.path.open("rb") as raw:
            is_file = raw.read(len(MAGIC)) == MAGIC
            raw.seek(0)
            with ipc.open_file(raw) if is_file else ipc.open_stream(raw) as reader:
                yield reader
    except (pa.ArrowException, EOFError) as error:
        reason = shorten(" ".join(str(error).split()))
        raise DataError(
            f"{file}: cannot be read, it is damaged or no Arrow file: {reason}",
            remedy="write it again, or copy it again from where it is whole",
        ) from error


def _frame(file: PlainFile, batch: pa.RecordBatch | pa.Table) -> pl.DataFrame:
    columns = []
    for name, column in zip(batch.column_names, batch.columns, strict=True):
        is_extension = isinstance(column.type, pa.BaseExtensionType)
        try:
            values = pl.Series(name, pl.from_arrow(column.storage if is_extension else column))
        except (pl.exceptions.PolarsError, pa.ArrowException) as error:
            raise DataError(
                f"{file}: column '{name}' must have a type that tables have, got {column.type}",
                remedy="convert it before the file is written, or drop it",
            ) from error
        is_category = isinstance(values.dtype, pl.Categorical | pl.Enum)
        columns.append(values.cast(pl.String) if is_category else values)
    return pl.DataFrame(columns)
