"""Prepare: a definition and its rows become encoded columns in a cache folder, once per fingerprint.

Shape legend: R rows, B rows of a run.
"""

import platform
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.cells import cell_problems, count_cells
from hinet_search.data.columns import SPLITS, Columns, Dataset
from hinet_search.data.contents import Contents
from hinet_search.data.derive import EncodedLists, derive_numbers, encode_lists, input_groups
from hinet_search.data.encode import Encoding, encode_ids, encode_numbers, fit_encoding, ids_of
from hinet_search.data.fingerprint import fingerprint
from hinet_search.data.rows import Rows, raise_problems, read_rows, source_identity
from hinet_search.data.store import Encoded, is_complete, open_dataset, save
from hinet_search.data.unseen import duplicate_warnings, unseen_rate, unseen_warnings
from hinet_search.definition import DataDefinition, split_in_words
from hinet_search.errors import DataError, EnvironmentFault
from hinet_search.records import CellCount, DataRecord

__all__ = ["is_complete", "open_dataset", "place_of", "prepare", "reopen"]

BLOCK_ROWS = 2**19  # encoded and written at once


def prepare(definition: DataDefinition, folder: Path, cache: Path, progress: Callable[[str], None]) -> Dataset:
    """The encoded data of a definition, from `cache/FINGERPRINT` or encoded into it; `folder` is that of the study.

    Raises DataError with every problem found, and then leaves nothing behind.
    """
    target = place_of(definition, folder, Contents(cache, progress))
    if not is_complete(target):
        progress(f"reading {_source_in_words(definition)}")
        rows = read_rows(definition, folder, cache)
        cells = count_cells(rows, tuple(definition.tasks))
        errors, warnings = cell_problems(cells)
        raise_problems(errors)
        progress(f"encoding {len(rows.frame):,} rows")
        _encode(definition, rows, target, cells, warnings)
    return open_dataset(target)


def reopen(folder: Path) -> Dataset:
    """The data of a study that runs, in a job of it; EnvironmentFault where they are not: they were when it began."""
    try:
        return open_dataset(folder)
    except DataError as error:
        raise EnvironmentFault(f"{platform.node()}: {error.problems[0]}", remedy=error.remedy) from error


def place_of(definition: DataDefinition, folder: Path, contents: Contents) -> Path:
    """Where the encoded data of a definition are, or will be, in the cache; DataError when its files are not there."""
    return contents.cache / fingerprint(definition, source_identity(definition, folder, contents))


def _encode(
    definition: DataDefinition, rows: Rows, target: Path, cells: tuple[CellCount, ...], warnings: list[str]
) -> None:
    features = definition.features
    duplicates = duplicate_warnings(definition, rows.frame, rows.split_R)  # before inputs that depend on the split
    derived = derive_numbers(definition, rows)
    rows = replace(
        rows, frame=rows.frame.with_columns(derived.statistics.get_columns() + derived.matches.get_columns())
    )
    encoding = fit_encoding(
        rows.frame, features, definition.minimum_frequency, derived.names, pl.Series(rows.split_R == 0)
    )
    lists, user_R = encode_lists(features.lists, rows.listed, encoding), _user_codes(definition, rows)
    groups = input_groups(features, derived, encoding)
    num_train, num_valid, num_test = np.bincount(rows.split_R, minlength=len(SPLITS)).tolist()
    record = DataRecord(
        source=_source_in_words(definition),
        fingerprint=target.name,
        split=split_in_words(definition.split),
        rows=(num_train, num_valid, num_test),
        scenarios=rows.scenarios,
        tasks=tuple(definition.tasks),
        num_categorical=len(features.categorical),
        num_numeric=len(features.numeric),
        cells=cells,
        warnings=(
            *rows.notes,
            *warnings,
            *duplicates,
            *unseen_warnings(_unseen_in_valid(rows, encoding), features.categorical),
        ),
        groups={name: len(inputs) for name, inputs in groups.items()},
    )
    save(target, Encoded(_blocks(rows, encoding, lists, user_R), encoding, lists.fields, groups, record))


def _blocks(
    rows: Rows, encoding: Encoding, lists: EncodedLists, user_R: NDArray[np.int32]
) -> Iterator[tuple[Columns, ...]]:
    """The rows of each split in runs of rows of all, so that memory holds one run at a time."""
    for start in range(0, len(rows.frame), BLOCK_ROWS):
        run = slice(start, start + BLOCK_ROWS)
        split_B = rows.split_R[run]
        block = Columns(
            ids_RF=encode_ids(rows.frame[run], encoding),
            numeric_RN=encode_numbers(rows.frame[run], encoding),
            scenario_R=rows.scenario_R[run],
            labels_RT=rows.labels_RT[run],
            user_R=user_R[run],
            lists_RS=lists.slots(run, split_B.size),
        )
        yield tuple(block.where(split_B == split) for split in range(len(SPLITS)))


def _unseen_in_valid(rows: Rows, encoding: Encoding) -> tuple[float, ...]:
    """Per field the share of validation rows with a value that has no id."""
    is_valid = pl.Series(rows.split_R == SPLITS.index("valid"))
    columns = ((rows.frame[one.name].filter(is_valid), one) for one in encoding.vocabularies)
    return tuple(unseen_rate(values, ids_of(values, vocabulary)) for values, vocabulary in columns)


def _user_codes(definition: DataDefinition, rows: Rows) -> NDArray[np.int32]:
    """Dense user codes from 0 in order of the user ids; -1 where there is no user."""
    if definition.user is None:
        return np.full(len(rows.frame), -1, dtype=np.int32)
    codes = rows.frame[definition.user].rank("dense").cast(pl.Int32) - 1
    return codes.fill_null(-1).to_numpy()


def _source_in_words(definition: DataDefinition) -> str:
    """The kind, and the path where the source has one."""
    texts = [value for value in definition.source.options.values() if isinstance(value, str)]
    return " ".join([definition.source.kind, *texts])
