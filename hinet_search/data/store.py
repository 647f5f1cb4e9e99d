"""Store: the folder of an encoded data set, written whole or not at all, and opened without reading its arrays.

dataset.json        names, sizes, the record, and the length of every other file; written last
train.ids_RF.npy    one file per split and array of Columns
frequencies.npy     training counts of all fields, one after the other
vocabulary.3.parquet  values and counts of field 3, for whoever encodes new rows
"""

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from hinet_search.data.columns import SPLITS, Columns, Dataset
from hinet_search.data.encode import COUNT, Encoding, Scale, Vocabulary
from hinet_search.errors import DataError, EnvironmentFault
from hinet_search.private import make_folder
from hinet_search.records import DataRecord
from hinet_search.schema import ListField, Schema

MANIFEST = "dataset.json"
FREQUENCIES = "frequencies.npy"
ABANDONED_SECONDS = 86_400


@dataclass(frozen=True)
class Manifest:
    """Content of dataset.json."""

    schema: Schema
    scales: tuple[Scale, ...]
    groups: dict[str, tuple[str, ...]]
    record: DataRecord
    file_bytes: dict[str, int]


@dataclass(frozen=True)
class Encoded:
    """What a folder is written from. `blocks` are runs of rows, each as its rows of every split; they are read once."""

    blocks: Iterator[tuple[Columns, ...]]
    encoding: Encoding
    lists: tuple[ListField, ...]
    groups: Mapping[str, tuple[str, ...]]
    record: DataRecord


_MANIFEST = TypeAdapter(Manifest)


def is_complete(folder: Path) -> bool:
    """Whether every file is there with the length it was written with."""
    try:
        manifest = _read_manifest(folder)
    except DataError:
        return False
    return all(_length(folder / name) == expected for name, expected in manifest.file_bytes.items())


def open_dataset(folder: Path) -> Dataset:
    """The data set of a folder, arrays memory-mapped for reading; DataError when it is missing or broken."""
    manifest = _read_manifest(folder)
    ends = np.cumsum([0, *(size - 1 for size in manifest.schema.vocabulary_sizes)])
    try:
        counts = np.load(folder / FREQUENCIES)
        train, valid, test = (_open_columns(folder, split) for split in SPLITS)
    except (OSError, ValueError) as error:
        raise _broken(folder, str(error)) from error
    return Dataset(
        folder=folder,
        full_schema=manifest.schema,
        frequencies=tuple(counts[start:end] for start, end in pairwise(ends)),
        train=train,
        valid=valid,
        test=test,
        record=manifest.record,
        groups=manifest.groups,
    )


def open_encoding(folder: Path) -> Encoding:
    """What turns new rows into the inputs of models that were trained on this folder."""
    manifest = _read_manifest(folder)
    return Encoding(
        vocabularies=tuple(
            Vocabulary(name, pl.read_parquet(folder / _vocabulary_file(field)))
            for field, name in enumerate(manifest.schema.categorical)
        ),
        scales=manifest.scales,
    )


def save(folder: Path, encoded: Encoded) -> None:
    """Write a folder beside the final one, then rename it; a complete folder that is there by then is kept."""
    try:
        make_folder(folder.parent)
        _remove_abandoned(folder)
        partial = Path(tempfile.mkdtemp(prefix=_partial_prefix(folder), dir=folder.parent))
        try:
            _write(partial, encoded)
            _replace(folder, partial)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise EnvironmentFault(
            f"{folder}: encoded data cannot be written: {error}", remedy="free space or name another folder"
        ) from error


def _read_manifest(folder: Path) -> Manifest:
    try:
        return _MANIFEST.validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise _broken(folder, str(error).splitlines()[0]) from error


def _broken(folder: Path, what: str) -> DataError:
    return DataError(f"{folder}: must hold encoded data, but {what}", remedy="delete the folder; launch encodes again")


def _open_columns(folder: Path, split: str) -> Columns:
    return Columns(
        **{one.name: np.load(folder / _array_file(split, one.name), mmap_mode="r") for one in fields(Columns)}
    )


def _write(folder: Path, encoded: Encoded) -> None:
    encoding, record = encoded.encoding, encoded.record
    _write_splits(folder, encoded)
    counts = [vocabulary.table[COUNT].to_numpy().astype(np.int64) for vocabulary in encoding.vocabularies]
    np.save(folder / FREQUENCIES, np.concatenate([np.zeros(0, dtype=np.int64), *counts]))
    for field, vocabulary in enumerate(encoding.vocabularies):
        vocabulary.table.write_parquet(folder / _vocabulary_file(field))
    manifest = Manifest(
        schema=Schema(
            scenarios=record.scenarios,
            tasks=record.tasks,
            categorical=tuple(vocabulary.name for vocabulary in encoding.vocabularies),
            vocabulary_sizes=tuple(vocabulary.size for vocabulary in encoding.vocabularies),
            numeric=encoding.numeric_inputs,
            lists=encoded.lists,
        ),
        scales=encoding.scales,
        groups=dict(encoded.groups),
        record=record,
        file_bytes={file.name: file.stat().st_size for file in sorted(folder.iterdir())},
    )
    (folder / MANIFEST).write_bytes(_MANIFEST.dump_json(manifest, indent=1))


def _write_splits(folder: Path, encoded: Encoded) -> None:
    with ExitStack() as stack:
        files = {
            (split, one.name): stack.enter_context((folder / _array_file(split, one.name)).open("wb"))
            for split in SPLITS
            for one in fields(Columns)
        }
        num_rows = dict(zip(SPLITS, encoded.record.rows, strict=True))
        for block in encoded.blocks:
            for (split, array), file in files.items():
                rows: NDArray[np.generic] = getattr(block[SPLITS.index(split)], array)
                if file.tell() == 0:
                    _write_head(file, rows, num_rows[split])
                file.write(np.ascontiguousarray(rows).data)


def _write_head(file: IO[bytes], block: NDArray[np.generic], num_rows: int) -> None:
    """The head of a .npy file of `num_rows` rows such as those of `block`."""
    shape = (num_rows, *block.shape[1:])
    head = {"descr": np.lib.format.dtype_to_descr(block.dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, head)


def _replace(folder: Path, partial: Path) -> None:
    """Rename into place. Another process may do the same at this moment; the first complete folder stays."""
    if folder.exists() and not is_complete(folder):
        broken = Path(tempfile.mkdtemp(prefix=_partial_prefix(folder), dir=folder.parent))
        with suppress(FileNotFoundError):  # the other process moved it away
            folder.rename(broken / "broken")
        shutil.rmtree(broken)
    try:
        partial.rename(folder)
    except OSError:
        if not is_complete(folder):
            raise


def _remove_abandoned(folder: Path) -> None:
    """Remove what a killed process left behind."""
    for left in folder.parent.glob(f"{_partial_prefix(folder)}*"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _partial_prefix(folder: Path) -> str:
    return f".{folder.name}-"


def _array_file(split: str, array: str) -> str:
    return f"{split}.{array}.npy"


def _vocabulary_file(field: int) -> str:
    return f"vocabulary.{field}.parquet"


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
