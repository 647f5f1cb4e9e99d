"""Arrow files: write the record batches of Arrow and Feather files, or of streams, as Parquet.

Memory holds a batch. A file may be a stranger's, so lengths and offsets inside it are checked, and
Arrow writes the Parquet: Polars also reads what stands where a value is missing, which may be any
bytes, and would crash.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import ipc

from hinet_search.common.errors import DataError
from hinet_search.data.formats.known_formats import part_of, refuse_many_rows, refuse_shape
from hinet_search.data.reading import shorten

MAGIC = b"ARROW1"


def columns(file: Path) -> dict[str, str]:
    """Names and types of the columns; DataError for a file that cannot be read."""
    with _opened(file) as reader:
        names = reader.schema.names
        repeated = [name for name, times in Counter(names).items() if times > 1]
        if repeated:
            raise DataError(
                f"{file}: every column must have a name of its own, "
                f"got more of {', '.join(sorted(repeated))}",
                remedy="rename them",
            )
        refuse_shape(file, reader.schema.types)
        return {field.name: str(field.type) for field in reader.schema}


def write(files: Sequence[Path], folder: Path, _: object) -> None:
    """Write a part for every batch; categories become texts."""
    for place, file in enumerate(files):
        with _opened(file) as reader:
            num_rows = 0
            for number, batch in enumerate(_batches(reader)):
                num_rows += len(batch)
                refuse_many_rows(file, num_rows)
                batch.validate(full=True)
                plain = [_plain(column) for column in batch.columns]
                pq.write_table(pa.table(plain, batch.schema.names), part_of(folder, place, number))


def _batches(reader: Any) -> Iterator[pa.RecordBatch]:
    """The batches of a file, or one without rows."""
    if isinstance(reader, ipc.RecordBatchStreamReader):
        batches = iter(reader)
    else:
        batches = map(reader.get_batch, range(reader.num_record_batches))
    empty = [pa.nulls(0, field.type) for field in reader.schema]
    yield next(batches, pa.record_batch(empty, schema=reader.schema))
    yield from batches


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """Open a file or a stream; DataError where it is damaged, also while it is read."""
    try:
        with file.open("rb") as raw:
            is_file = raw.read(len(MAGIC)) == MAGIC
            raw.seek(0)
            opened = ipc.open_file if is_file else ipc.open_stream
            with opened(raw) as reader:
                yield reader
    except (pa.ArrowException, EOFError, UnicodeDecodeError, MemoryError) as error:
        reason = shorten(" ".join(str(error).split()) or "it asks for too much memory")
        raise DataError(
            f"{file}: cannot be read, it is damaged or no Arrow file: {reason}",
            remedy="write it again, or copy it again from where it is whole",
        ) from error


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
    return column
