"""Prepare: a definition and its rows become encoded columns in a cache folder, once per fingerprint.

Shape legend: R rows.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.cells import cell_problems, count_cells
from hinet_search.data.columns import SPLITS, Columns, Dataset
from hinet_search.data.derive import EncodedLists, derive_numbers, encode_lists, input_groups
from hinet_search.data.encode import Encoding, encode_ids, encode_numbers, fit_encoding
from hinet_search.data.fingerprint import fingerprint
from hinet_search.data.rows import Rows, raise_problems, read_rows, source_identity
from hinet_search.data.store import Encoded, is_complete, open_dataset, save
from hinet_search.data.unseen import duplicate_warnings, unseen_rates, unseen_warnings
from hinet_search.definition import DataDefinition, split_in_words
from hinet_search.records import CellCount, DataRecord

__all__ = ["open_dataset", "prepare"]


def prepare(definition: DataDefinition, folder: Path, cache: Path, progress: Callable[[str], None]) -> Dataset:
    """The encoded data of a definition, from `cache/FINGERPRINT` or encoded into it; `folder` is that of the study.

    Raises DataError with every problem found, before anything is written.
    """
    digest = fingerprint(definition, source_identity(definition, folder))
    target = cache / digest
    if not is_complete(target):
        progress(f"reading {_source_in_words(definition)}")
        rows = read_rows(definition, folder)
        cells = count_cells(rows, tuple(definition.tasks))
        errors, warnings = cell_problems(cells)
        raise_problems(errors)
        progress(f"encoding {len(rows.frame):,} rows")
        _encode(definition, rows, target, cells, warnings)
    return open_dataset(target)


def _encode(
    definition: DataDefinition, rows: Rows, target: Path, cells: tuple[CellCount, ...], warnings: list[str]
) -> None:
    features = definition.features
    duplicates = duplicate_warnings(definition, rows.frame, rows.split_R)  # before inputs that depend on the split
    derived = derive_numbers(definition, rows)
    rows = replace(
        rows, frame=rows.frame.with_columns(derived.statistics.get_columns() + derived.matches.get_columns())
    )
    encoding = fit_encoding(rows.frame.filter(rows.split_R == 0), features, definition.minimum_frequency, derived.names)
    lists, user_R = encode_lists(features, rows, encoding), _user_codes(definition, rows)
    train, valid, test = (_columns(rows, split, (encoding, lists), user_R) for split in range(len(SPLITS)))
    groups = input_groups(features, derived, encoding)
    valid_frame = rows.frame.filter(rows.split_R == 1)
    rates = unseen_rates(valid_frame, valid.ids_RF, features.categorical)
    record = DataRecord(
        source=_source_in_words(definition),
        fingerprint=target.name,
        split=split_in_words(definition.split),
        rows=(train.num_rows, valid.num_rows, test.num_rows),
        scenarios=rows.scenarios,
        tasks=tuple(definition.tasks),
        num_categorical=len(features.categorical),
        num_numeric=len(features.numeric),
        cells=cells,
        warnings=(
            *rows.notes,
            *warnings,
            *duplicates,
            *unseen_warnings(rates, features.categorical),
        ),
        groups={name: len(inputs) for name, inputs in groups.items()},
    )
    save(target, Encoded((train, valid, test), encoding, lists.fields, groups, record))


def _columns(rows: Rows, split: int, encoded: tuple[Encoding, EncodedLists], user_R: NDArray[np.int32]) -> Columns:
    encoding, lists = encoded
    chosen_R = rows.split_R == split
    frame = rows.frame.filter(chosen_R)
    return Columns(
        ids_RF=encode_ids(frame, encoding),
        numeric_RN=encode_numbers(frame, encoding),
        scenario_R=rows.scenario_R[chosen_R],
        labels_RT=rows.labels_RT[chosen_R],
        user_R=user_R[chosen_R],
        lists_RS=lists.slots(chosen_R),
    )


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
