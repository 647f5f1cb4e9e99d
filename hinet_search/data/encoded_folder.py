"""Store: the folder of an encoded data set, written atomically, opened without reading its arrays.

Every file has a checksum, which is compared once, before a study uses the folder. CRC-32 is enough
for accidental changes and is computed at the speed of the disk.

dataset.json          names, sizes, the record, length and checksum of every other file, and its own
                      checksum; written last
train.ids_RF.npy      one file per split and array of Columns
frequencies.npy       training counts of all vocabularies, one after the other
of_all.npy            of a sample: how many of all training rows have these ids
vocabulary.3.parquet  values and counts of vocabulary 3, to encode new rows
"""

import shutil
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields, replace
from dataclasses import field as dataclass_field
from itertools import chain, pairwise, product
from pathlib import Path
from typing import IO, Annotated

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from hinet_search.common.errors import DataError, EnvironmentFault
from hinet_search.common.files import FOLDER, replacing_folder
from hinet_search.common.frozen_model import LEFT_OUT_IF_EMPTY, LEFT_OUT_IF_NONE
from hinet_search.data.columns import SPLITS, Columns, Dataset
from hinet_search.data.encode import COUNT, Encoding, Scale, Vocabulary
from hinet_search.data.schema import ListField, Schema, SequenceField
from hinet_search.data.transforms import Knots
from hinet_search.results.cells import absent_cells
from hinet_search.results.data_record import DataRecord

MANIFEST = "dataset.json"
FREQUENCIES = "frequencies.npy"
OF_ALL = "of_all.npy"
ABANDONED_SECONDS = 86_400
BUFFER_BYTES = 2**22


@dataclass(frozen=True)
class FileChecksum:
    """Length and checksum of a file when it was written."""

    num_bytes: int
    crc32: int


@dataclass(frozen=True)
class Manifest:
    """Content of dataset.json; `seal` is the checksum of the content with a seal of 0.

    `derived_seconds` and `knots` are not written where there are none: older folders, which have
    none, keep their seal.
    """

    schema: Schema
    scales: tuple[Scale, ...]
    groups: dict[str, tuple[str, ...]]
    record: DataRecord
    files: dict[str, FileChecksum]
    derived_seconds: Annotated[float | None, LEFT_OUT_IF_NONE] = None
    seal: int = 0
    knots: Annotated[dict[str, Knots], LEFT_OUT_IF_EMPTY] = dataclass_field(default_factory=dict)


@dataclass(frozen=True)
class Encoded:
    """What a folder is written from.

    `blocks` are consecutive rows, each block divided by split; the iterator is read once.
    """

    blocks: Iterator[tuple[Columns, ...]]
    encoding: Encoding
    lists: tuple[ListField, ...]
    groups: Mapping[str, tuple[str, ...]]
    record: DataRecord
    derived_seconds: float | None = None  # that all derived inputs but lists took
    sequences: tuple[SequenceField, ...] = ()
    frequencies_of_all: tuple[NDArray[np.int64], ...] = ()  # as in Dataset


_MANIFEST = TypeAdapter(Manifest)


def is_complete(folder: Path) -> bool:
    """Whether every file exists with the length that was written."""
    try:
        manifest = _read_manifest(folder)
    except DataError:
        return False
    return all(_length(folder / name) == file.num_bytes for name, file in manifest.files.items())


def damage(folder: Path) -> str:
    """What is wrong with the first damaged file, empty when there is none; reads every byte."""
    try:
        manifest = _read_manifest(folder)
        for name, file in manifest.files.items():
            length = _length(folder / name)
            if length != file.num_bytes:
                return f"{name} must have {file.num_bytes:,} bytes, but has {max(length, 0):,}"
            if _crc32(folder / name) != file.crc32:
                return f"{name} must have the bytes that were written, but some have changed"
    except DataError as error:
        return error.problems[0].partition(", but ")[2]
    except OSError as error:
        return f"{error.filename} cannot be read: {error.strerror}"
    return ""


def size_of(folder: Path) -> int:
    """Total bytes of all files."""
    return sum(file.num_bytes for file in _read_manifest(folder).files.values())


def open_dataset(folder: Path) -> Dataset:
    """Open the data set of a folder, arrays memory-mapped; DataError if missing or damaged."""
    manifest = _read_manifest(folder)
    ends = np.cumsum([0, *(size - 1 for size in manifest.schema.vocabulary_sizes)])
    of_ids = [slice(*both) for both in pairwise(ends)]
    of_all: tuple[NDArray[np.int64], ...] = ()
    try:
        counts = np.load(folder / FREQUENCIES)
        if manifest.record.sample is not None:
            counts_of_all = np.load(folder / OF_ALL)
            of_all = tuple(counts_of_all[each] for each in of_ids)
        train, valid, test = (_open_columns(folder, split, manifest) for split in SPLITS)
    except (OSError, ValueError) as error:
        raise _broken(folder, str(error)) from error
    return Dataset(
        folder=folder,
        full_schema=manifest.schema,
        frequencies=tuple(counts[each] for each in of_ids),
        train=train,
        valid=valid,
        test=test,
        record=manifest.record,
        groups=manifest.groups,
        derived_seconds=manifest.derived_seconds,
        frequencies_of_all=of_all,
    )


def open_encoding(folder: Path) -> Encoding:
    """Open the encoding that turns new rows into inputs of models trained on this folder."""
    manifest = _read_manifest(folder)
    schema = manifest.schema
    vocabularies = tuple(
        Vocabulary(name, pl.read_parquet(folder / _vocabulary_file(number)))
        for number, name in enumerate(schema.vocabularies)
    )
    of_fields = vocabularies[: schema.num_fields]
    of_lists = vocabularies[schema.num_fields :]
    return Encoding(of_fields, manifest.scales, manifest.knots, of_lists)


def save(folder: Path, encoded: Encoded) -> None:
    """Write a folder beside the final one, sync it to the disk, then rename it.

    A complete folder that another process has written meanwhile stays.
    Errors: DiskFull; EnvironmentFault when the folder cannot be written for another reason.
    """
    try:
        for abandoned in folder.parent.glob(f"{_temporary_prefix(folder)}*"):  # by killed processes
            with suppress(FileNotFoundError):
                if time.time() - abandoned.stat().st_mtime > ABANDONED_SECONDS:
                    shutil.rmtree(abandoned, ignore_errors=True)
        with replacing_folder(folder, _num_bytes(encoded)) as partial:
            partial.chmod(FOLDER)
            _write(partial, encoded)
            _remove_damaged(folder)
    except EnvironmentFault:
        if damage(folder):  # else another process wrote it first
            raise


def _read_manifest(folder: Path) -> Manifest:
    try:
        manifest = _MANIFEST.validate_json((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise _broken(folder, f"{MANIFEST} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise _broken(
            folder, f"{MANIFEST} is damaged or of another version of hinet-search"
        ) from error
    older = f"{MANIFEST} is of an older version of hinet-search and does not say"
    if manifest.record.test_rows is None:
        raise _broken(folder, f"{older} which rows are tested")
    if manifest.record.sample is not None and OF_ALL not in manifest.files:
        raise _broken(folder, f"{older} how many of all rows have the ids of the sample")
    if manifest != _sealed(manifest):
        raise _broken(folder, f"{MANIFEST} is damaged")
    return manifest


def _sealed(manifest: Manifest) -> Manifest:
    return replace(manifest, seal=zlib.crc32(_MANIFEST.dump_json(replace(manifest, seal=0))))


def _broken(folder: Path, what: str) -> DataError:
    return DataError(
        f"{folder}: must hold encoded data, but {what}",
        remedy="delete the folder; launch encodes again",
    )


def _open_columns(folder: Path, split: str, manifest: Manifest) -> Columns:
    files = {array.name: _array_file(split, array.name) for array in fields(Columns)}
    return Columns(
        **{
            name: np.load(folder / file, mmap_mode="r")
            for name, file in files.items()
            if file in manifest.files
        }
    )


def _write(folder: Path, encoded: Encoded) -> None:
    encoding = encoded.encoding
    record = encoded.record
    _write_splits(folder, encoded)
    counts = [np.zeros(0, dtype=np.int64)]
    for number, vocabulary in enumerate(encoding.all_vocabularies):
        counts.append(vocabulary.table[COUNT].to_numpy().astype(np.int64))
        vocabulary.table.write_parquet(folder / _vocabulary_file(number))
    np.save(folder / FREQUENCIES, np.concatenate(counts))
    if record.sample is not None:
        np.save(folder / OF_ALL, np.concatenate([*encoded.frequencies_of_all, counts[0]]))
    schema = Schema(
        scenarios=record.scenarios,
        tasks=record.tasks,
        categorical=tuple(vocabulary.name for vocabulary in encoding.vocabularies),
        vocabulary_sizes=tuple(vocabulary.size for vocabulary in encoding.all_vocabularies),
        numeric=encoding.numeric_inputs,
        lists=encoded.lists,
        absent_cells=absent_cells(record),
        amount_units=tuple(record.units.items()),
        sequences=encoded.sequences,
    )
    files = {
        file.name: FileChecksum(file.stat().st_size, _crc32(file))
        for file in sorted(folder.iterdir())
    }
    manifest = Manifest(
        schema,
        encoding.scales,
        dict(encoded.groups),
        record,
        files,
        derived_seconds=encoded.derived_seconds,
        knots=dict(encoding.knots),
    )
    (folder / MANIFEST).write_bytes(_MANIFEST.dump_json(_sealed(manifest), indent=1))


def _write_splits(folder: Path, encoded: Encoded) -> None:
    """Write every block to one file per split and array, all open at once."""
    with ExitStack() as stack:
        files: dict[tuple[str, str], IO[bytes]] = {}
        first_block = next(encoded.blocks)
        for split, array in product(SPLITS, first_block[0].arrays):
            path = folder / _array_file(split, array)
            files[split, array] = stack.enter_context(path.open("wb"))
        num_rows = dict(zip(SPLITS, encoded.record.rows, strict=True))
        for block in chain([first_block], encoded.blocks):
            for (split, array), file in files.items():
                rows: NDArray[np.generic] = getattr(block[SPLITS.index(split)], array)
                if file.tell() == 0:
                    header = {
                        "descr": np.lib.format.dtype_to_descr(rows.dtype),
                        "fortran_order": False,
                        "shape": (num_rows[split], *rows.shape[1:]),
                    }
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(np.ascontiguousarray(rows).data)


def _remove_damaged(folder: Path) -> None:
    """Remove a damaged folder; another process may do the same at this moment."""
    if folder.exists() and damage(folder):
        broken = Path(tempfile.mkdtemp(prefix=_temporary_prefix(folder), dir=folder.parent))
        with suppress(FileNotFoundError):  # the other process moved it away
            folder.rename(broken / "broken")
        shutil.rmtree(broken)


def _temporary_prefix(folder: Path) -> str:
    return f".{folder.name}-"


def _array_file(split: str, array: str) -> str:
    return f"{split}.{array}.npy"


def _vocabulary_file(number: int) -> str:
    return f"vocabulary.{number}.parquet"


def _num_bytes(encoded: Encoded) -> int:
    """Estimate the bytes of all arrays, to check the free space."""
    encoding = encoded.encoding
    num_tasks = len(encoded.record.tasks)
    num_slots = sum(list_.length for list_ in encoded.lists)
    label_bytes = 4 if encoded.record.units else 1
    num_words = len(encoding.vocabularies) + len(encoding.numeric_inputs) + num_slots + 1
    num_words += encoded.record.weights is not None
    return sum(encoded.record.rows) * (4 * num_words + label_bytes * num_tasks + 2)


def _crc32(path: Path) -> int:
    checksum = 0
    buffer = bytearray(BUFFER_BYTES)
    with path.open("rb", buffering=0) as file:
        while num_read := file.readinto(buffer):
            checksum = zlib.crc32(memoryview(buffer)[:num_read], checksum)
    return checksum


def _length(path: Path) -> int:
    """Bytes of a file; -1 when it does not exist."""
    return path.stat().st_size if path.is_file() else -1
