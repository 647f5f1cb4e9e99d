"""Delta: what a night changed in the folder of a model, as one file for servers that pull.

Of every table and tensor it has the rows that changed, and where each row of the new one is among
those of before and these. It makes the whole folder of the one before, bit for bit: the hashes of
the manifest say so. Graphs are not in it. Reading it executes nothing.

base               the SHA-256 of the manifest of the folder before
FILE               a whole file: the manifest, the card, and what is smaller so
FILE:TENSOR:rows   the rows that changed, as Parquet; those of a tensor are bytes
FILE:TENSOR:runs   the new rows: where each run of them begins, counted from the first row of before
                   on to the last changed one, and how many it has

Shape legend: R rows of a new table or tensor, N runs.
"""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from hinet_search.common.errors import DataError
from hinet_search.common.files import replacing, replacing_folder
from hinet_search.serving.export import refuse_full
from hinet_search.serving.model_folder import CARD
from hinet_search.serving.sealed import (
    MANIFEST,
    file_hash,
    manifest_hash,
    sealed_files,
    sealed_names,
)
from hinet_search.serving.tables import as_typed, read_table, require, write_table
from hinet_search.training.tensors import read_tensors, save_tensors

DELTA = ".delta"
BASE, ROWS, RUNS = "base", "rows", "runs"
PARQUET, WEIGHTS = ".parquet", ".safetensors"
BYTES, HASH, OCCURRENCE, AT, LENGTH = "bytes", "hash", "occurrence", "at", "length"
AGAIN = "copy the delta again; if that does not help, copy the whole folder"
MAX_BYTES_PER_BYTE = 1_000  # of rows in memory, for each byte of theirs in a delta
Tensors = Mapping[str, Tensor]
Places = NDArray[np.int64]


def write_delta(before: Path, after: Path, to: Path) -> None:
    """Write what makes the exported folder `after` of the one `before`."""
    of_before = sealed_files(before)
    delta = {BASE: _tensor(bytes.fromhex(manifest_hash(before)))}
    with replacing(to, 0) as part:  # whose folder is removed, even after a kill
        for name in (MANIFEST, CARD, *sealed_files(after)):
            if name in of_before and file_hash(after / name) == file_hash(before / name):
                continue
            whole = {name: _tensor((after / name).read_bytes())}
            changed: dict[str, Tensor] = {}
            if name in of_before and name.endswith((PARQUET, WEIGHTS)):
                changed = _changed(name, before / name, after / name, part.parent)
            size = sum(tensor.nbytes for tensor in changed.values())
            delta |= changed if changed and size < whole[name].nbytes else whole
        save_tensors(delta, part)


def apply_delta(before: Path, delta: Path, to: Path) -> None:
    """Write the folder that a delta makes of the exported one before, completely or not at all.

    Errors: ConfigurationError if `to` is full; DataError if the delta is none, is damaged, is of
    another folder, or does not make what it says; EnvironmentFault if a file cannot be read.
    """
    refuse_full(to)
    if not delta.is_file():  # a pipe would wait for a writer
        got = "is something else" if delta.exists() else "there is none"
        raise DataError(f"{delta}: must be a file that nightly wrote, but {got}", remedy=AGAIN)
    of_before = sealed_files(before)
    tensors = read_tensors(delta, AGAIN)
    with replacing_folder(to, None) as part, tempfile.TemporaryDirectory(dir=part.parent) as work:
        try:
            base = _content(tensors, BASE).hex()
            own = manifest_hash(before)
            require(Path(BASE), base == own, f"be the SHA-256 {own} of {before}", f"is {base[:64]}")
            for name in (MANIFEST, CARD):
                (part / name).write_bytes(_content(tensors, name))
            for name in sealed_names(part):
                (part / name).parent.mkdir(exist_ok=True)
                if name in tensors:
                    (part / name).write_bytes(_content(tensors, name))
                elif any(key.startswith(f"{name}:") for key in tensors):
                    _rebuild(name, before / name, tensors, part / name, Path(work))
                elif name in of_before:
                    shutil.copyfile(before / name, part / name)
            sealed_files(part)
        except DataError as error:
            problems = "; ".join(error.problems).replace(f"{part.parent}/", "")
            raise DataError(
                f"{delta}: must make a whole folder of {before}, but does not: {problems}",
                remedy="apply the deltas of all nights in order, with the versions of libraries "
                "that wrote them; or copy the whole folder",
            ) from error


def _changed(name: str, before: Path, after: Path, work: Path) -> dict[str, Tensor]:
    """The changed rows of a file; nothing if they do not make it, bit for bit."""
    changed = {}
    of_before = _tables(before)
    tables = _tables(after)
    if {part: table.schema for part, table in tables.items()} != {
        part: table.schema for part, table in of_before.items()
    }:
        return {}
    for part, table in tables.items():
        at_R = _places(of_before[part], table)
        begin_N = np.flatnonzero(np.diff(at_R, prepend=-2) != 1)
        runs = {AT: at_R[begin_N], LENGTH: np.diff(begin_N, append=at_R.size)}
        rows = table.filter(pl.Series(at_R >= len(of_before[part])))
        for kind, content in ((ROWS, rows), (RUNS, pl.DataFrame(runs))):
            write_table(content, work / kind)
            changed[f"{name}:{part}:{kind}"] = _tensor((work / kind).read_bytes())
    try:
        _rebuild(name, before, changed, work / after.name, work)
    except DataError:  # more equal rows than are read from so few bytes
        return {}
    return changed if file_hash(work / after.name) == file_hash(after) else {}


def _places(before: pl.DataFrame, after: pl.DataFrame) -> Places:
    """Where every row (R,) is among those of before and, after them, the changed ones.

    A row of before is the place of one row only.
    """

    def keyed(table: pl.DataFrame) -> pl.DataFrame:
        hashes = pl.DataFrame({HASH: table.hash_rows()})
        return hashes.with_columns(pl.int_range(pl.len()).over(HASH).alias(OCCURRENCE))

    found = keyed(after).join(
        keyed(before).with_row_index(AT), on=[HASH, OCCURRENCE], how="left", maintain_order="left"
    )[AT]
    changed = len(before) + found.is_null().cast(pl.Int64).cum_sum() - 1
    return found.cast(pl.Int64).fill_null(changed).to_numpy()


def _rebuild(name: str, before: Path, tensors: Tensors, to: Path, work: Path) -> None:
    """Write a file of the rows of before and the changed ones; DataError if they do not fit."""
    tables = {
        part: _new_table(f"{name}:{part}", table, tensors, work)
        for part, table in _tables(before).items()
    }
    if name.endswith(PARQUET):
        write_table(tables[""], to)
        return
    weights = read_tensors(before, AGAIN)
    save_tensors({part: _weight(weights[part], table) for part, table in tables.items()}, to)


def _new_table(key: str, before: pl.DataFrame, tensors: Tensors, work: Path) -> pl.DataFrame:
    parts = []
    for kind in (ROWS, RUNS):
        with tempfile.NamedTemporaryFile(dir=work, delete=False) as file:
            file.write(_content(tensors, f"{key}:{kind}"))
        parts.append(read_table(Path(file.name)))
    rows, runs = parts
    require(Path(key), rows.schema == before.schema, f"have rows of {before.schema}", "has not")
    most = MAX_BYTES_PER_BYTE * tensors[f"{key}:{ROWS}"].nbytes
    is_possible = rows.estimated_size() <= most
    require(Path(key), is_possible, f"have at most {most:,} bytes of rows", "has more")
    runs = as_typed(Path(key), runs, {AT: pl.Int64(), LENGTH: pl.Int64()})
    begin_N, length_N = (column.to_numpy() for column in runs)
    num_rows = len(before) + len(rows)
    is_within = (begin_N >= 0) & (length_N > 0) & (length_N <= num_rows - begin_N)
    is_once = is_within.all() and length_N.astype(np.float64).sum() <= num_rows
    require(Path(key), bool(is_once), f"have runs of {num_rows:,} rows, each once", "has others")
    first_N = np.cumsum(length_N) - length_N
    at_R = np.repeat(begin_N - first_N, length_N) + np.arange(length_N.sum())
    return pl.concat([before, rows])[at_R]


def _tables(path: Path) -> dict[str, pl.DataFrame]:
    """The table of a file, or a table of the bytes of its rows for every tensor that it has."""
    if path.suffix == PARQUET:
        return {"": read_table(path)}
    return {name: _rows_of(tensor) for name, tensor in read_tensors(path, AGAIN).items()}


def _rows_of(tensor: Tensor) -> pl.DataFrame:
    num_rows = len(tensor) if tensor.ndim else 1
    content = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
    width = content.size // max(num_rows, 1)
    buffers = [None, pa.py_buffer(content)]
    rows = pa.Array.from_buffers(pa.binary(max(width, 1)), num_rows if width else 0, buffers)
    return pl.DataFrame({BYTES: pl.Series(rows, dtype=pl.Binary)})


def _weight(like: Tensor, rows: pl.DataFrame) -> Tensor:
    """The tensor of rows, of the kind of another."""
    shape = (len(rows), *like.shape[1:]) if like.ndim else ()
    content = b"".join(rows[BYTES])
    needed = like.element_size() * int(np.prod(shape, dtype=np.int64))
    require(Path(BYTES), len(content) == needed, f"be {needed:,} bytes", f"is {len(content):,}")
    return _tensor(content).view(like.dtype).reshape(shape)


def _tensor(content: bytes) -> Tensor:
    tensor = torch.empty(len(content), dtype=torch.uint8)
    tensor.numpy()[:] = np.frombuffer(content, dtype=np.uint8)
    return tensor


def _content(tensors: Tensors, name: str) -> bytes:
    """The bytes of a part of a delta; DataError without it."""
    part = tensors.get(name)
    is_bytes = part is not None and part.dtype == torch.uint8
    require(Path(name), is_bytes, "be a part of the delta", "is none")
    assert part is not None, "required above"
    return part.numpy().tobytes()
