"""Prepare: encode the rows of a definition into a cache folder, once per fingerprint.

A test split is known by the hashes of its rows, whichever features a model sees.
Shape legend: R rows of the study, of its test split, or of a block; T tasks.
"""

import hashlib
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.errors import DataError, EnvironmentFault
from hinet_search.data.cell_counts import cell_problems, count_cells
from hinet_search.data.columns import SPLITS, Columns, Dataset
from hinet_search.data.derived.inputs import (
    EncodedLists,
    derive_numbers,
    encode_lists,
    fit_list_vocabularies,
    input_groups,
)
from hinet_search.data.derived.statistics import growing_statistics
from hinet_search.data.encode import (
    Encoding,
    encode_ids,
    encode_numbers,
    fit_encoding,
    ids_of,
    known_values,
)
from hinet_search.data.encoded_folder import (
    Encoded,
    damage,
    is_complete,
    open_dataset,
    save,
    size_of,
)
from hinet_search.data.fingerprint import FileHasher, fingerprint
from hinet_search.data.hashing import keys_of, mix_bits
from hinet_search.data.inspect.numbering import numbering_warnings
from hinet_search.data.inspect.scenarios import scenario_warnings
from hinet_search.data.inspect.shifts import SplitSample, sampled, shift_warnings
from hinet_search.data.inspect.unseen import duplicate_warnings, unseen_rate, unseen_warnings
from hinet_search.data.numbers import limit_problems, squash_warning, usable
from hinet_search.data.raw_values import as_text
from hinet_search.data.rows import Rows, raise_problems, read_rows, source_identity
from hinet_search.results.records import CellCount, DataRecord, RowHashes
from hinet_search.study.data_definition import DataDefinition, split_in_words

BLOCK_ROWS = 2**19  # encoded and written at once
LARGE_BYTES = 2**30  # of encoded data; progress says when so much is read
DIGEST_BYTES = 16
MAX_NAMED = 3
MISSING = np.uint64(0x6D697373696E6721)  # key of a missing value


def prepare(
    definition: DataDefinition, folder: Path, cache: Path, progress: Callable[[str], None]
) -> Dataset:
    """The encoded data of a definition, read from `cache/FINGERPRINT` or encoded into it.

    `folder` is the folder of the study. DataError holds every problem of the data; nothing is
    written then.
    """
    contents = FileHasher(cache, progress)
    target = target_folder(definition, folder, contents)
    if not _is_encoded(target, progress):
        progress(f"reading {definition.source.in_words}")
        rows = read_rows(definition, folder, cache)
        if target_folder(definition, folder, contents) != target:
            raise _changed_meanwhile(contents)
        cells = count_cells(rows, tuple(definition.tasks))
        errors, warnings = cell_problems(cells)
        raise_problems(errors)
        progress(f"encoding {len(rows.frame):,} rows")
        _encode(definition, rows, target, cells, warnings)
    return open_dataset(target)


def _changed_meanwhile(contents: FileHasher) -> DataError:
    names = ", ".join(str(file) for file in contents.changed[:MAX_NAMED])
    return DataError(
        "data.source: rows must stay as they are while they are read, but "
        + (f"{names} changed" if names else "files were added or removed"),
        remedy="run the command again when nothing writes to them",
    )


def _is_encoded(target: Path, progress: Callable[[str], None]) -> bool:
    """Whether the encoded data exist undamaged; progress says what is wrong with a folder."""
    if not target.exists():
        return False
    num_bytes = size_of(target) if is_complete(target) else 0
    if num_bytes > LARGE_BYTES:
        progress(f"checking {num_bytes / 1e9:.1f} GB of encoded data")
    damaged = damage(target)
    if damaged:
        progress(f"encoding again, as {target} is damaged: {damaged}")
    return not damaged


def reopen(folder: Path) -> Dataset:
    """Open the data of a running study in one of its jobs.

    EnvironmentFault when they are missing or damaged: they were there when the study began.
    """
    try:
        return open_dataset(folder)
    except DataError as error:
        raise EnvironmentFault(
            f"{platform.node()}: {error.problems[0]}", remedy=error.remedy
        ) from error


def target_folder(definition: DataDefinition, folder: Path, contents: FileHasher) -> Path:
    """The folder in the cache for the encoded data of a definition, whether it exists or not.

    DataError when files of the source are missing.
    """
    return contents.cache / fingerprint(definition, source_identity(definition, folder, contents))


def _encode(
    definition: DataDefinition,
    rows: Rows,
    target: Path,
    cells: tuple[CellCount, ...],
    warnings: list[str],
) -> None:
    features = definition.features
    # Before derived inputs are added: these depend on the split.
    test_rows = row_hashes(definition, rows)
    duplicates = duplicate_warnings(definition, rows.frame, rows.split_R)
    rows = rows.with_distinct_ids(features.distinct_by_scenario)
    began = perf_counter()
    derived = derive_numbers(definition, rows)
    derived_seconds = round(perf_counter() - began, 3) if derived.names else None
    derived_columns = derived.statistics.get_columns() + derived.matches.get_columns()
    rows = replace(rows, frame=rows.frame.with_columns(derived_columns))
    is_train_R = rows.split_R == SPLITS.index("train")
    encoding = fit_encoding(
        rows.frame, features, definition.minimum_frequency, derived.names, pl.Series(is_train_R)
    )
    of_lists = fit_list_vocabularies(
        features.lists, rows.listed, is_train_R, definition.minimum_frequency
    )
    encoding = replace(encoding, list_vocabularies=of_lists)
    raise_problems(_too_far(rows, encoding, features.numeric))
    lists = encode_lists(features.lists, rows.listed, encoding)
    groups = input_groups(features, derived, encoding)
    record = replace(
        _data_record(definition, rows, cells, target.name),
        warnings=(
            *rows.notes,
            *warnings,
            *_squash_warnings(rows, encoding, features.numeric),
            *duplicates,
            *unseen_warnings(_unseen_in_valid(rows, encoding), features.categorical),
            *scenario_warnings(definition, rows),
            *numbering_warnings(definition, rows),
            *_shift_warnings(definition, rows, encoding),
        ),
        groups={name: len(inputs) for name, inputs in groups.items()},
        test_rows=test_rows,
    )
    blocks = _blocks(rows, encoding, lists, _user_codes(definition, rows))
    save(target, Encoded(blocks, encoding, lists.fields, groups, record, derived_seconds))


def _data_record(
    definition: DataDefinition, rows: Rows, cells: tuple[CellCount, ...], fingerprint: str
) -> DataRecord:
    """Return what is known of the data before they are encoded."""
    num_train, num_valid, num_test = np.bincount(rows.split_R, minlength=len(SPLITS)).tolist()
    return DataRecord(
        source=definition.source.in_words,
        fingerprint=fingerprint,
        split=split_in_words(definition.split),
        rows=(num_train, num_valid, num_test),
        scenarios=rows.scenarios,
        tasks=tuple(definition.tasks),
        num_categorical=len(definition.features.categorical),
        num_numeric=len(definition.features.numeric),
        cells=cells,
    )


def _blocks(
    rows: Rows, encoding: Encoding, lists: EncodedLists, user_R: NDArray[np.int32]
) -> Iterator[tuple[Columns, ...]]:
    """Encode blocks of rows, each divided by split, so that memory holds one block at a time."""
    for start in range(0, len(rows.frame), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        split_R = rows.split_R[block]
        columns = Columns(
            ids_RF=encode_ids(rows.frame[block], encoding),
            numeric_RN=encode_numbers(rows.frame[block], encoding),
            scenario_R=rows.scenario_R[block],
            labels_RT=rows.labels_RT[block],
            user_R=user_R[block],
            lists_RS=lists.slots(block, split_R.size),
        )
        yield tuple(columns.where(split_R == split) for split in range(len(SPLITS)))


def _unseen_in_valid(rows: Rows, encoding: Encoding) -> tuple[float, ...]:
    """Per field the share of validation rows with a value that has no id."""
    is_valid = pl.Series(rows.split_R == SPLITS.index("valid"))
    rates = []
    for vocabulary in encoding.vocabularies:
        values = rows.frame[vocabulary.name].filter(is_valid)
        rates.append(unseen_rate(values, ids_of(values, vocabulary)))
    return tuple(rates)


def _too_far(rows: Rows, encoding: Encoding, numeric: Sequence[str]) -> list[str]:
    """Report values of numeric features, in any split, too far from train for float32."""
    problems: list[str] = []
    for scale in encoding.scales:
        if scale.column in numeric and scale.clip is None:
            values = usable(rows.frame[scale.column], None)
            problems += limit_problems(values, scale.limits, rows.row_R)
    return problems


def _squash_warnings(rows: Rows, encoding: Encoding, numeric: Sequence[str]) -> list[str]:
    is_train = pl.Series(rows.split_R == SPLITS.index("train"))
    warnings = []
    for scale in encoding.scales:
        if scale.name in numeric:  # not the inputs of a cycle, which have no outliers
            values = usable(rows.frame[scale.name].filter(is_train), scale.clip)
            inputs = encoding.transformed(values, scale)
            warnings.append(squash_warning(values, inputs, scale.mean, scale.spread))
    return [warning for warning in warnings if warning]


def _shift_warnings(definition: DataDefinition, rows: Rows, encoding: Encoding) -> list[str]:
    samples = []
    for split in range(len(SPLITS)):
        row_R = np.flatnonzero(rows.split_R == split)
        row_R = row_R[sampled(row_R.size)]
        numeric_RN = encode_numbers(rows.frame[row_R], encoding)
        samples.append(SplitSample(numeric_RN, rows.labels_RT[row_R]))
    train, valid, test = samples
    tasks = tuple(definition.tasks)
    growing = growing_statistics(definition.features.statistics)
    return shift_warnings(encoding.numeric_inputs, tasks, train, valid, test.numeric_RN, growing)


def _user_codes(definition: DataDefinition, rows: Rows) -> NDArray[np.int32]:
    """Dense user codes from 0 in order of the user ids; -1 where a row has no user."""
    if definition.user is None:
        return np.full(len(rows.frame), -1, dtype=np.int32)
    codes = rows.frame[definition.user].rank("dense").cast(pl.Int32) - 1
    return codes.fill_null(-1).to_numpy()


def row_hashes(definition: DataDefinition, rows: Rows) -> RowHashes:
    """The hashes of a test split; features and the names of files and studies do not enter."""
    is_test_R = rows.split_R == SPLITS.index("test")
    scenario_R, labels_RT = rows.scenario_R[is_test_R], rows.labels_RT[is_test_R]
    in_order = _in_order(scenario_R, labels_RT)
    columns = {"user": definition.user, "item": definition.item, "time": definition.time}
    keys = {
        role: _keys(rows.frame[name].filter(pl.Series(is_test_R)))
        for role, name in columns.items()
        if name
    }
    if not keys:
        return RowHashes(in_order, None)
    keys["scenario"] = keys_of(pl.Series(rows.scenarios))[scenario_R]
    tasks = list(definition.tasks)
    for task in sorted(tasks):
        keys[f"task {task}"] = labels_RT[:, tasks.index(task)].astype(np.uint64)
    return RowHashes(in_order, _by_identity(keys))


def _in_order(scenario_R: NDArray[np.int16], labels_RT: NDArray[np.uint8]) -> str:
    """A hash of scenarios and labels in row order.

    Names and order of scenarios and tasks do not enter: scenarios are numbered by first occurrence,
    and the digests of tasks are sorted.
    """
    _, first_row, scenario_index_R = np.unique(scenario_R, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first_row))
    rank_R = rank[scenario_index_R].astype("<i2")
    task_digests = sorted(_digest(np.packbits(labels_R).tobytes()) for labels_R in labels_RT.T)
    return _digest(rank_R.tobytes(), *(digest.encode() for digest in task_digests))


def _by_identity(keys: dict[str, NDArray[np.uint64]]) -> str:
    """A hash of the set of rows, each identified by its keys in all columns."""
    key_R = np.zeros_like(next(iter(keys.values())))
    for position, column_key_R in enumerate(keys.values()):
        key_R = mix_bits(key_R ^ column_key_R, position)
    return _digest("\n".join(keys).encode(), np.sort(key_R).astype("<u8").tobytes())


def _keys(values: pl.Series) -> NDArray[np.uint64]:
    """A key for every value, the same in every type that holds the value."""
    if values.dtype.is_temporal() and values.dtype not in (pl.Time, pl.Duration):
        values = values.cast(pl.Datetime("us")).to_physical()
    if not values.dtype.is_integer():
        values = as_text(known_values(values))
    filled = values.fill_null(0 if values.dtype.is_integer() else "")
    return np.where(values.is_null().to_numpy(), MISSING, keys_of(filled))


def _digest(*parts: bytes) -> str:
    hashed = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        hashed.update(len(part).to_bytes(8, "little"))
        hashed.update(part)
    return hashed.hexdigest()
