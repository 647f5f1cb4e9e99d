"""Arrow files: write the record batches of Arrow and Feather files, or of streams, as Parquet.

Memory holds a batch. A file may be a stranger's, so lengths and offsets inside it are checked, and
Arrow writes the Parquet: Polars also reads what stands where a value is missing, which may be any
bytes, and would crash.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
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
                pq.write_table(_plain_table(file, batch), part_of(folder, file_number, number))
            if number < 0:  # without a batch the columns are those of the schema
                empty = {
                    field.name: pa.nulls(0, _plain_type(field.type)) for field in reader.schema
                }
                pq.write_table(pa.table(empty), part_of(folder, file_number, 0))


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
    except (pa.ArrowException, EOFError, UnicodeDecodeError, MemoryError) as error:
        reason = shorten(" ".join(str(error).split()) or "it asks for too much memory")
        raise DataError(
            f"{file}: cannot be read, it is damaged or no Arrow file: {reason}",
            remedy="write it again, or copy it again from where it is whole",
        ) from error


def _plain_table(file: PlainFile, batch: pa.RecordBatch) -> pa.Table:
    """The columns of a batch with plain types."""
    columns = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            columns[name] = _plain(column)
        except pa.ArrowException as error:
            raise DataError(
                f"{file}: column '{name}' must have a type that tables have, got {column.type}",
                remedy="convert it before the file is written, or drop it",
            ) from error
    return pa.table(columns)


def _plain_type(dtype: pa.DataType) -> pa.DataType:
    if isinstance(dtype, pa.BaseExtensionType):
        dtype = dtype.storage_type
    return dtype.value_type if isinstance(dtype, pa.DictionaryType) else dtype


def _plain(column: pa.Array) -> pa.Array:
    """The values of a column without their extension or their dictionary."""
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if isinstance(column.type, pa.DictionaryType):
        is_known = column.indices.is_valid()
        texts = column.dictionary
        if pa.types.is_string_view(texts.type):
            texts = texts.cast(pa.large_string())
        # What stands where a value is missing was not checked.
        column = pc.if_else(is_known, texts.take(pc.if_else(is_known, column.indices, None)), None)
    if pa.types.is_interval(column.type):
        raise pa.ArrowTypeError("an interval is no value of a table")
    return column
